"""How long a person waits for the web app, and whether its memory stays what it was.

    python scripts/benchmarks/app.py BUNDLE IMAGE [--rounds 15] [--uploads 200]

The app is started on loopback and used by Chromium (`scripts/system-packages.sh` installs it). A round is a new page:
the time from giving it the file until the answer is drawn, and from the click on "Explain" until the heatmap is. The
first round, which loads the model, is not counted. Then one page is given the file and relieved of it again and again,
and the resident memory of the server and its workers is read on the way.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

PORT = 8599
DROP = '[data-testid="stFileUploaderDropzoneInput"]'
HEATMAP = 'img[alt^="Heatmap"]'
_TICKS = os.sysconf("SC_CLK_TCK")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("bundle")
    parser.add_argument("image")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--uploads", type=int, default=200)
    given = parser.parse_args()
    command = [sys.executable, "-m", "lungscan_monai.cli", "app", given.bundle, "--port", str(PORT)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for_server()
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
            one_round(browser.new_page(), given.image)
            rounds = []
            for _ in range(given.rounds):
                before = processor_seconds(server.pid)
                rounds.append((*one_round(browser.new_page(), given.image), processor_seconds(server.pid) - before))
            answers, heatmaps, seconds = zip(*rounds, strict=True)
            both = [answer + heatmap for answer, heatmap in zip(answers, heatmaps, strict=True)]
            for name, values in (
                ("answer", answers),
                ("heatmap", heatmaps),
                ("together", both),
                ("processor", seconds),
            ):
                print(
                    f"{name:10s} median {statistics.median(values):.2f} s, from {min(values):.2f} to {max(values):.2f}"
                )
            watch_memory(browser.new_page(), given.image, given.uploads, server.pid)
            browser.close()
    finally:
        server.terminate()
        server.wait()


def wait_for_server() -> None:
    while True:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{PORT}/", timeout=5).close()
            return
        except OSError:
            time.sleep(0.2)


def opened(page: Page) -> Page:
    page.set_default_timeout(180_000)
    page.goto(f"http://127.0.0.1:{PORT}/")
    page.wait_for_selector(DROP, state="attached")
    return page


def one_round(page: Page, image: str) -> tuple[float, float]:
    """Return the seconds until the answer, and those from asking for the heatmap until it is there."""
    opened(page)
    started = time.perf_counter()
    page.set_input_files(DROP, image)
    page.wait_for_selector('img[alt^="The image"]')
    answered = time.perf_counter()
    page.get_by_role("switch", name="Explain the AI decision").dispatch_event("click")
    page.wait_for_function(f"document.querySelector('{HEATMAP}')?.complete")
    explained = time.perf_counter()
    page.close()
    return answered - started, explained - answered


def watch_memory(page: Page, image: str, uploads: int, server: int) -> None:
    opened(page)
    content = Path(image).read_bytes()
    for number in range(1, uploads + 1):
        page.set_input_files(DROP, {"name": f"{number}.dcm", "mimeType": "", "buffer": content})
        page.wait_for_selector(".ls-card")
        page.locator(
            '[data-testid="stFileChipDeleteBtn"] button, [data-testid="stFileUploaderDeleteBtn"] button'
        ).click()
        page.wait_for_selector(".ls-card", state="detached")
        if number in (1, 10) or number % 50 == 0:
            print(f"{number:4d} uploads: {resident(server):.0f} MB")


def family(process: int) -> list[int]:
    """Return a process and all that came of it."""
    children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    return [process, *(member for child in children for member in family(int(child)))]


def resident(process: int) -> float:
    """Return the resident memory of a family in MB."""
    pages = sum(int(Path(f"/proc/{member}/statm").read_text().split()[1]) for member in family(process))
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def processor_seconds(process: int) -> float:
    """Return the seconds that a family has computed."""
    seconds = 0.0
    for member in family(process):
        fields = Path(f"/proc/{member}/stat").read_text().rpartition(")")[2].split()
        seconds += (int(fields[11]) + int(fields[12])) / _TICKS
    return seconds


if __name__ == "__main__":
    main()
