"""Killed at any moment, or out of disk, and resumed: the same bytes as a run that nothing happened to."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from small_bundle import mixed_folder, small_bundle, write_png

ROOT = Path(__file__).resolve().parents[2]

_RUNS = """
import os, random, resource, signal, sys, time
import torch
torch.set_num_threads(1)  # a child of fork has no threads of its parent
from lungscan_monai.errors import OutputError
from lungscan_monai.inference.batch_run import BatchSettings, run_batch
from lungscan_monai.inference.ledger import Ledger

bundle, folder, base, seed = sys.argv[1:]
random.seed(seed)

def begun(output, limit=None):
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        if limit:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        run_batch(bundle, folder, f"{base}/{output}", BatchSettings(4, 2, explain=True, resume=True))
        code = 0
    except OutputError as error:
        print(error, file=sys.stderr)
        code = error.exit_code
    finally:
        os._exit(code)

def ended(child):
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

def counted(output):
    with Ledger(f"{base}/{output}") as ledger:
        return ledger.counts()

started = time.monotonic()
print("unbroken", ended(begun("unbroken")))
whole = time.monotonic() - started
kills = 0
while kills < 3:
    child = begun("killed")
    time.sleep(random.uniform(0.3, 0.9) * whole)
    os.kill(child, signal.SIGKILL)
    if ended(child) == 0:
        break
    kills += 1
    print("killed", counted("killed"))
print("resumed", ended(begun("killed")))
for limit in (60_000,):
    print("full", ended(begun("full", limit)), counted("full"))
print("resumed", ended(begun("full")))
"""


def results(output: Path) -> dict[str, bytes]:
    return {
        path.relative_to(output).as_posix(): path.read_bytes()
        for path in output.rglob("*")
        if path.is_file() and not path.name.startswith(("ledger.sqlite", ".lock"))
    }


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(__import__("os"), "fork"), reason="needs fork")
def test_a_run_that_was_killed_or_ran_out_of_disk_ends_like_one_that_was_not(tmp_path, make_dicom):
    bundle = small_bundle(tmp_path / "bundles")
    mixed_folder(tmp_path / "in", make_dicom)
    for number in range(60):
        write_png(tmp_path / "in" / f"folder{number % 7}" / f"{number}.png", 100 + number, (60, 50))
    arguments = [str(bundle), str(tmp_path / "in"), str(tmp_path), "0"]
    done = subprocess.run(
        [sys.executable, "-c", _RUNS, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    told = [line.split(" ", 1) for line in done.stdout.splitlines()]
    assert [rest for what, rest in told if what in ("unbroken", "resumed")] == ["0", "0", "0"], done.stdout
    assert sum(what == "killed" for what, _ in told) >= 1
    full = [rest for what, rest in told if what == "full"]
    assert all(rest.startswith("8 ") for rest in full), done.stdout
    assert "--resume" in done.stderr or "could not be written" in done.stderr
    unbroken = results(tmp_path / "unbroken")
    assert results(tmp_path / "killed") == unbroken
    assert results(tmp_path / "full") == unbroken
    assert len(unbroken["predictions.jsonl"].splitlines()) == 66
