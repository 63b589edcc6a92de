from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from bombs import write_bomb
from PIL import Image
from readings import misbehave, process_number

from lungscan_monai.decoding.pool import Decoded, DecodingPool, NotDecoded
from lungscan_monai.errors import ConfigError, DataError, MissingDependencyError, ReadError
from lungscan_monai.gate.codes import READ_CODES
from lungscan_monai.hashing import Hashed
from lungscan_monai.transforms.images import read_image

ROOT = Path(__file__).parents[2]


@pytest.fixture
def picture(tmp_path: Path) -> Callable[[str], Path]:
    def make(word: str) -> Path:
        Image.fromarray(np.zeros((2, 3), np.uint8)).save(tmp_path / f"{word}.png")
        return tmp_path / f"{word}.png"

    return make


@pytest.fixture(scope="module")
def pool() -> Iterator[DecodingPool]:
    with DecodingPool(workers=2, memory_bytes=2**28, seconds=2, read=misbehave) as pool:
        yield pool


@pytest.mark.parametrize(
    ("word", "code", "reason"),
    [
        ("hang", "time-limit", "took longer than 2 s to decode"),
        ("die", "crashed", "the decoder died of it (SIGSEGV)"),
        ("exit", "crashed", "the decoder died of it (exit code 3)"),
        ("fail", "crashed", "the decoder ended with KeyError"),
        ("eat", "memory-limit", "decoding needs more memory than it may have"),
        ("objects", "crashed", "the decoder gave no numbers"),
        ("forged", "crashed", "the decoder gave no numbers"),
        ("refuse", "damaged", "is damaged"),
    ],
)
def test_what_goes_wrong_with_one_file_is_a_reject_and_the_others_are_read(
    pool: DecodingPool, picture: Callable[[str], Path], word: str, code: str, reason: str
) -> None:
    words = ["a1", word, "a2", "a3", "shout"]
    found = list(pool.map([picture(word) for word in words]))
    assert [isinstance(each, Decoded) for each in found] == [True, False, True, True, True]
    error = found[1].error
    assert isinstance(error, ReadError)
    assert (error.source, error.code) == (f"{word}.png", code)
    assert error.reason.startswith(reason)
    assert "Doe" not in str(error)
    assert error.code in READ_CODES
    assert [each.image[0, 0, 0] for each in found if isinstance(each, Decoded)] == [1, 2, 3, 0]


def test_a_picture_that_does_not_fit_is_told_apart_from_one_that_cannot_be_read(
    pool: DecodingPool, picture: Callable[[str], Path]
) -> None:
    with pytest.raises(DataError, match="^does not fit$"):
        pool.decode(picture("unfit"))


def test_the_hash_of_a_file_comes_with_its_numbers(pool: DecodingPool, picture: Callable[[str], Path]) -> None:
    found = pool.read(picture("hashed"))
    assert isinstance(found, Hashed) and found.blake3 == 64 * "a" and found.image.shape == (1, 2, 3)


def test_results_come_in_the_order_of_the_references(pool: DecodingPool, picture: Callable[[str], Path]) -> None:
    paths = [picture(f"{'slow' if number == 0 else 'a'}{number}") for number in range(9)]
    found = list(pool.map(paths))
    assert [each.reference for each in found] == [str(path) for path in paths]
    assert [each.image[0, 0, 0] for each in found] == list(range(9))


def test_no_more_is_taken_than_is_waited_for(pool: DecodingPool, picture: Callable[[str], Path]) -> None:
    taken = []

    def paths() -> Iterator[Path]:
        for number in range(9):
            taken.append(number)
            yield picture(f"a{number}")

    results = pool.map(paths(), ahead=3)
    next(results)
    assert len(taken) == 3
    next(results)
    assert len(taken) == 4
    results.close()


def test_a_bomb_stops_at_the_gate(pool: DecodingPool, tmp_path: Path, picture: Callable[[str], Path]) -> None:
    bomb = write_bomb("rows and columns 65535", tmp_path)
    refused, read = pool.map([bomb, picture("a1")])
    assert isinstance(refused, NotDecoded)
    assert refused.error.code == "too-large"
    assert read.admitted.kind == "picture"


def test_it_reads_what_read_image_reads(tmp_path: Path, write_dicom: Callable[..., Path]) -> None:
    values = np.random.default_rng(0).integers(0, 4096, (3, 40, 50)).astype(np.uint16)
    path = write_dicom("a.dcm", values, bits=12, frames=3)
    with DecodingPool(workers=1) as pool:
        for reference in (str(path), f"{path}#frame=2"):
            np.testing.assert_array_equal(pool.decode(reference).image, read_image(reference))
        with pytest.raises(ReadError, match="no-such-frame"):
            pool.decode(f"{path}#frame=7")


def test_a_worker_that_was_killed_is_replaced(picture: Callable[[str], Path]) -> None:
    with DecodingPool(workers=1, read=process_number) as pool:
        first = int(pool.decode(picture("a1")).image[0])
        os.kill(first, signal.SIGKILL)
        with pytest.raises(ReadError, match="crashed"):
            pool.decode(picture("a1"))
        second = int(pool.decode(picture("a1")).image[0])
    assert first != second
    assert not Path(f"/proc/{second}").exists()


def test_workers_end_with_the_process_that_started_them(picture: Callable[[str], Path]) -> None:
    code = (
        "import os, signal, sys\n"
        "from readings import process_number\n"
        "from lungscan_monai.decoding.pool import DecodingPool\n"
        "with DecodingPool(workers=1, read=process_number) as pool:\n"
        "    print(int(pool.decode(sys.argv[1]).image[0]), flush=True)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")])}
    command = [sys.executable, "-c", code, picture("a1")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    worker = Path(f"/proc/{int(done.stdout)}")
    deadline = time.monotonic() + 10
    while worker.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not worker.exists()


def test_a_worker_that_cannot_start_is_no_fault_of_the_file(
    picture: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with DecodingPool(workers=1) as pool, pytest.raises(MissingDependencyError, match="did not start"):
        pool.decode(picture("a1"))


@pytest.mark.parametrize("setting", [{"workers": 0}, {"memory_bytes": 0}, {"seconds": 0}])
def test_bounds_are_above_0(setting: dict) -> None:
    with pytest.raises(ConfigError, match="expected all above 0"):
        DecodingPool(**setting)


def test_workers_import_neither_torch_nor_monai() -> None:
    code = "import sys, lungscan_monai.decoding.worker, lungscan_monai.decoding.pool; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
