"""scripts/environment.sh: what it installs in which order, and the room it asks for; pip and df are stand-ins."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

DF = """#!/bin/sh
case $2 in {venv}) free={venv_free};; *) free={temporary_free};; esac
echo "Filesystem 1024-blocks Used Available Capacity Mounted on"
echo "/dev/disk 999999999 1 $free 1% /"
"""
PYTHON = """#!/bin/sh
echo "$*" >>{log}
if [ "$2" = venv ]; then mkdir -p "$3/bin" && cp "$0" "$3/bin/python"; fi
"""
GB = 2**20  # in the blocks of df -k


class Machine:
    """Stand-ins for python and df, and the folders that the script uses."""

    def __init__(self, folder: Path) -> None:
        self.venv, self.temporary, self._log = folder / "venv", folder / "temporary", folder / "log"
        self.temporary.mkdir()
        self._programs = folder / "programs"
        self._programs.mkdir()

    def make(self, venv_free: float, temporary_free: float) -> subprocess.CompletedProcess:
        """Make the environment with so many GB free."""
        free = {"venv_free": int(venv_free * GB), "temporary_free": int(temporary_free * GB)}
        self._write("df", DF.format(venv=self.venv, **free))
        python = self._write("python", PYTHON.format(log=self._log))
        settings = {
            "PATH": f"{self._programs}:{os.environ['PATH']}",
            "PYTHON": str(python),
            "LUNGSCAN_VENV": str(self.venv),
            "TMPDIR": str(self.temporary),
        }
        command = ["bash", "-c", "set -euo pipefail; source scripts/environment.sh; environment test; echo ready"]
        return subprocess.run(command, cwd=ROOT, env=settings, capture_output=True, text=True, timeout=60)

    def _write(self, name: str, text: str) -> Path:
        path = self._programs / name
        path.write_text(text)
        path.chmod(0o755)
        return path

    def installed(self) -> list[str]:
        """Return what pip was told to install, in its order."""
        lines = self._log.read_text().splitlines() if self._log.exists() else []
        return [line.partition("--no-cache-dir ")[2] for line in lines if line.startswith("-m pip install")]


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_pytorch_is_installed_by_itself_before_the_rest_and_all_of_it_once(machine):
    for _ in range(2):
        assert machine.make(venv_free=9, temporary_free=3).stdout == "ready\n"
    torch, rest = machine.installed()
    assert [requirement.partition(">=")[0] for requirement in torch.split()] == ["torch", "torchvision"]
    assert set(torch.split()) < {line.strip() for line in (ROOT / "setup.cfg").read_text().splitlines()}
    assert rest == "--editable .[test]"


def test_too_little_room_for_the_environment_is_said_before_anything_is_made(machine):
    ended = machine.make(venv_free=8.9, temporary_free=50)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr == (
        f"too little room on the disk of {machine.venv}: 9113 MB are free, and 9 GB are needed there for the "
        "environment. Make room, or name a folder on another disk in LUNGSCAN_VENV\n"
    )
    assert machine.installed() == [] and not list(machine.venv.iterdir())


def test_too_little_room_for_what_pip_downloads_is_said_before_anything_is_made(machine):
    ended = machine.make(venv_free=50, temporary_free=2)
    assert ended.returncode == 1
    assert f"{machine.temporary}: 2048 MB are free, and 3 GB" in ended.stderr and "TMPDIR" in ended.stderr
    assert machine.installed() == []


def test_where_pytorch_is_already_less_room_is_needed(machine):
    (machine.venv / "lib" / "python3.12" / "site-packages" / "torch").mkdir(parents=True)
    assert machine.make(venv_free=3.9, temporary_free=1).returncode == 1
    assert machine.make(venv_free=4, temporary_free=1).stdout == "ready\n"


def test_an_environment_that_is_complete_is_brought_up_to_date_whatever_is_free(machine):
    machine.venv.mkdir()
    (machine.venv / ".installed").write_text("an older setup.cfg\n")
    assert machine.make(venv_free=0.5, temporary_free=0.5).stdout == "ready\n"
    assert len(machine.installed()) == 2
