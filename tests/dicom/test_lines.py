from __future__ import annotations

import io

import numpy as np
import pytest
from blake3 import blake3

from lungscan_monai.dicom import lines as module
from lungscan_monai.dicom.lines import Lines
from lungscan_monai.hashing import HashedFile

STORED = np.random.default_rng(0).integers(0, 60000, (50, 7)).astype("<u2")


def opened(monkeypatch, lines_at_once: int) -> tuple[Lines, HashedFile]:
    monkeypatch.setattr(module, "_BLOCK", lines_at_once * STORED[0].nbytes)
    file = HashedFile(io.BytesIO(b"head" + STORED.tobytes() + b"tail"))
    file.pass_over(4)
    return Lines(file, STORED.shape, STORED.dtype), file


@pytest.mark.parametrize("lines_at_once", [1, 3, 8, 50, 1000])
@pytest.mark.parametrize("count", [1, 6, 7, 50, 80])
def test_lines_asked_for_in_turn_are_those_of_the_frame_and_the_file_is_hashed(monkeypatch, lines_at_once, count):
    lines, file = opened(monkeypatch, lines_at_once)
    assert (len(lines), lines.shape, lines.dtype) == (50, (50, 7), np.dtype("<u2"))
    for number in range(count):  # areas that overlap, as those of a resize do; more areas than lines repeat them
        asked = slice(number * 50 // count, -(-(number + 1) * 50 // count))
        np.testing.assert_array_equal(lines[asked], STORED[asked])
    assert file.hexdigest() == blake3(b"head" + STORED.tobytes() + b"tail").hexdigest()


def test_bits_that_are_not_used_become_those_of_the_sign():
    stored = np.array([[0x0FFF, 0x07FF, 0xF800]])  # 12 bits: -1, 2047, -2048 with all signs wrong
    for dtype, expected in (("<i2", [-1, 2047, -2048]), ("<u2", [4095, 2047, 2048])):
        content = stored.astype("<u2").tobytes()
        lines = Lines(HashedFile(io.BytesIO(content)), (1, 3), np.dtype(dtype), unused=4)
        np.testing.assert_array_equal(lines[0:1], [expected])


def test_no_more_is_in_memory_than_was_asked_for_or_fits_into_the_block(monkeypatch):
    lines, _ = opened(monkeypatch, 4)
    assert lines[0:2].base.shape == (4, 7)
    assert lines[2:12].base.shape == (10, 7)


def test_a_file_that_ends_in_the_frame_says_so(monkeypatch):
    monkeypatch.setattr(module, "_BLOCK", 1)
    lines = Lines(HashedFile(io.BytesIO(STORED.tobytes()[:-1])), STORED.shape, STORED.dtype)
    np.testing.assert_array_equal(lines[0:49], STORED[0:49])
    with pytest.raises(EOFError):
        lines[49:50]
