"""The script that fuzzes the gate runs, finds nothing, and would tell if it found something."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SCRIPT = ROOT / "scripts" / "fuzz_gate.py"


def run(folder: Path, *arguments: str, script: str | None = None) -> subprocess.CompletedProcess:
    start = [str(SCRIPT)] if script is None else ["-c", script]
    command = [sys.executable, *start, "--findings", str(folder / "findings"), *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_twenty_seconds_of_damaged_files_pass_the_gate_or_are_refused(tmp_path: Path) -> None:
    done = run(tmp_path, "--seconds", "20", "--decode")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 findings" in done.stdout
    assert not (tmp_path / "findings").exists()


@pytest.mark.slow
def test_forty_seconds_of_files_led_by_coverage_pass_the_gate_or_are_refused(tmp_path: Path) -> None:
    pytest.importorskip("atheris", reason="atheris is not installed: it has no wheel for this Python or system")
    done = run(tmp_path, "--seconds", "40", "--atheris")
    assert done.returncode == 0, done.stderr
    runs, covered = re.search(r"#(\d+)\s+DONE\s+cov: (\d+)", done.stderr).groups()
    assert int(runs) > 1000 and int(covered) > 100, done.stderr
    assert not list((tmp_path / "findings").iterdir())


def test_a_finding_is_kept_and_told_by_the_exit_code(tmp_path: Path) -> None:
    broken_gate = (
        "import runpy, sys, lungscan_monai.gate.admitting as gate\n"
        "def admit(path, limits=None):\n"
        "    raise RecursionError\n"
        "gate.admit = admit\n"
        f"sys.argv[0] = {str(SCRIPT)!r}\n"
        f"module = runpy.run_path({str(SCRIPT)!r})\n"
        "with module['checks'](False) as check:\n"
        "    count = module['by_chance'](check, [b'seed'], 0.1, 0, module['Path'](sys.argv[2]))\n"
        "sys.exit(1 if count else 0)\n"
    )
    done = run(tmp_path, script=broken_gate)
    assert done.returncode == 1, done.stderr
    assert "RecursionError" in done.stderr
    assert list((tmp_path / "findings").iterdir())
