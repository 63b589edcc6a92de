"""A real browser for tests of pages: Chromium, whose requests and complaints are remembered."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
START_SECONDS = 180
SECONDS = 60
"""How long a page may take for one step; the machine may be busy."""


@dataclass
class Watched:
    """A page, and what went on in it.

    Args:
        page: Playwright's page.
        hosts: Hosts that it asked for something.
        complaints: Errors of its console and of its scripts.
    """

    page: object
    hosts: set[str] = field(default_factory=set)
    complaints: list[str] = field(default_factory=list)


@contextmanager
def chromium() -> Iterator[object]:
    """Start a browser, or skip the test that needs one."""
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed: scripts/system-packages.sh installs it")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def watched_page(browser, width: int = 1300, height: int = 1000) -> Iterator[Watched]:
    """Open a page in a session of its own."""
    context = browser.new_context(viewport={"width": width, "height": height}, accept_downloads=True)
    context.set_default_timeout(1000 * SECONDS)
    watched = Watched(context.new_page())
    page = watched.page
    page.on("request", lambda request: watched.hosts.add(urlsplit(request.url).hostname or ""))
    page.on("console", lambda message: watched.complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: watched.complaints.append(str(error)))
    try:
        yield watched
    finally:
        context.close()


def free_port() -> int:
    """Return a port of the loopback that nobody listens on now."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


@contextmanager
def serving(arguments: Sequence[str], port: int, log: Path) -> Iterator[str]:
    """Run a verb of `lungscan` that serves pages, and give its address once it answers."""
    command = [sys.executable, "-m", "lungscan_monai.cli", *arguments, "--port", str(port)]
    with log.open("wb") as stream:
        process = subprocess.Popen(command, stdout=stream, stderr=subprocess.STDOUT)
    try:
        _wait(process, port, log)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait(process: subprocess.Popen, port: int, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            pytest.fail(f"the server ended with {process.returncode}:\n{log.read_text()[-2000:]}")
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5):
                return
        except OSError:
            time.sleep(0.2)
    pytest.fail(f"the server did not answer within {START_SECONDS} s:\n{log.read_text()[-2000:]}")


def tab_to(page, wanted, most: int = 80) -> None:
    """Press Tab until an element, or something in it, has the keyboard."""
    for _ in range(most):
        page.keyboard.press("Tab")
        if wanted.evaluate("found => found.contains(document.activeElement)"):
            return
    pytest.fail(f"{wanted} is not reached by {most} presses of Tab")


def upload_by_keyboard(page, wanted, path: Path) -> None:
    """Give a file to the upload button in an element, by Tab and Enter only."""
    opened = []
    page.on("filechooser", lambda chooser: opened.append(chooser))
    deadline = time.monotonic() + SECONDS
    while not opened:
        if time.monotonic() > deadline:
            pytest.fail(f"{wanted} opens no file chooser by the keyboard")
        tab_to(page, wanted)
        page.keyboard.press("Enter")  # again, if the page was drawn anew meanwhile
        page.wait_for_timeout(1000)
    opened[0].set_files(str(path))


def axe_script(folder: Path) -> Path:
    """Return axe-core's script, fetched by npm, or skip."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("npm is not installed: it brings axe-core")
    done = subprocess.run([npm, "pack", "axe-core@4", "--silent"], cwd=folder, capture_output=True, text=True)
    if done.returncode:
        pytest.skip("axe-core cannot be had from the npm registry here")
    shutil.unpack_archive(next(folder.glob("axe-core-*.tgz")), folder / "axe")
    return folder / "axe" / "package" / "axe.min.js"


def serious_findings(page, script: Path) -> list[str]:
    """Return what axe-core finds serious or critical on a page as it stands."""
    page.add_script_tag(path=str(script))
    found = page.evaluate("axe.run()")["violations"]
    grave = [one for one in found if one["impact"] in ("serious", "critical")]
    return [f"{one['id']}: {one['nodes'][0]['html'][:200]} {one['nodes'][0]['failureSummary'][:200]}" for one in grave]
