"""docs/pacs.md: the ten minutes with Orthanc are run, command by command, on other ports."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
import requests
from orthanc import PLUGIN, eventually, free_ports
from small_bundle import small_bundle

from lungscan_monai.data.phantoms.generate import generate_phantoms

ROOT = Path(__file__).resolve().parents[2]
PORTS = ("8042", "4242", "11112", "11180")
UNTIL_ENDED = ("Orthanc orthanc.json", "lungscan node --config node.json")

pytestmark = pytest.mark.slow


def ten_minutes(ports: dict[str, str]) -> str:
    """Return the part of the page that is run, with other ports."""
    page = (ROOT / "docs" / "pacs.md").read_text(encoding="utf-8")
    part = page.split("### 1. The archive")[1].split("### 5. In a viewer")[0]
    return re.sub("|".join(PORTS), lambda found: ports[found[0]], part)


def files_of(part: str) -> dict[str, str]:
    return dict(re.findall(r"Save as `(\S+)`:\n\n```json\n(.*?)```", part, re.DOTALL))


def commands_of(part: str) -> list[str]:
    return [line for block in re.findall(r"```bash\n(.*?)```", part, re.DOTALL) for line in block.splitlines()]


@contextmanager
def started(words: list[str], folder: Path, env: dict[str, str]) -> Iterator[None]:
    with (folder / f"{Path(words[0]).name}.log").open("ab") as log:
        process = subprocess.Popen(words, cwd=folder, env=env, stdout=log, stderr=log)
    try:
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=60)


class Person:
    """Follows the page in a folder of their own."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.folder, self._stack = folder, stack

    def run(self, line: str) -> str:
        """Run a command to its end, or start it if it is one that runs on; return what it printed."""
        words = shlex.split(line)
        env = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
        while "=" in words[0]:
            name, _, value = words.pop(0).partition("=")
            env[name] = value
        if words[0] == "lungscan":
            words = [sys.executable, "-m", "lungscan_monai.cli", *words[1:]]
        if line.endswith(UNTIL_ENDED):
            self._stack.enter_context(started(words, self.folder, env))
            return ""
        done = subprocess.run(words, cwd=self.folder, env=env, capture_output=True, text=True)
        assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
        return done.stdout + done.stderr


def answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=5).ok
    except requests.RequestException:
        return False


@pytest.mark.skipif(not (shutil.which("Orthanc") and PLUGIN.is_file()), reason="Orthanc is not installed")
@pytest.mark.skipif(not shutil.which("storescu"), reason="dcmtk is not installed")
def test_the_ten_minutes_end_with_three_new_series_in_the_archive(tmp_path):
    ports = dict(zip(PORTS, map(str, free_ports(len(PORTS))), strict=True))
    part = ten_minutes(ports)
    bundle = small_bundle(tmp_path / "made")
    (tmp_path / "runs").mkdir()
    bundle.rename(tmp_path / "runs" / "pneumonia")
    generate_phantoms("pneumonia_cxr", tmp_path / "phantoms", count=6, size=128, formats=("png", "dicom"))
    for name, text in files_of(part).items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    printed = {}
    with ExitStack() as stack:
        person = Person(tmp_path, stack)
        for line in commands_of(part):
            if line.startswith("lungscan node status"):
                archive = f"http://127.0.0.1:{ports['8042']}/instances"
                eventually(
                    lambda url=archive: len(requests.get(url, timeout=9).json()) == 4, 300, "that results arrive"
                )
                eventually(lambda line=line: "done\t1" in person.run(line), 60, "that the study is done")
            printed[line.split()[0]] = person.run(line)
            if line.endswith(UNTIL_ENDED):
                at = f"{ports['8042']}/system" if "Orthanc" in line else f"{ports['11180']}/health"
                eventually(lambda at=at: answers(f"http://127.0.0.1:{at}"), 180, f"that {at} answers")
    for series in ("findings, coded", "findings, as text", "heatmap"):
        assert series in printed["findscu"]
