from __future__ import annotations

import io

import pytest
from blake3 import blake3

from lungscan_monai.hashing import HashedFile, blake3_file

CONTENT = bytes(range(256)) * 9001


def test_a_file_is_known_by_the_hash_that_b3sum_prints(tmp_path):
    (tmp_path / "empty").write_bytes(b"")
    (tmp_path / "a").write_bytes(CONTENT)
    # The hash of nothing stands in the test vectors of the BLAKE3 project.
    assert blake3_file(tmp_path / "empty") == "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262"
    assert blake3_file(tmp_path / "a") == blake3(CONTENT).hexdigest()


def test_what_is_read_in_pieces_has_the_hash_of_the_whole():
    file, place = HashedFile(io.BytesIO(CONTENT)), bytearray(1000)
    file.pass_over(5)
    file.readinto(memoryview(place))
    assert place == CONTENT[5:1005]
    file.pass_over(2**20 + 3)
    assert file.hexdigest() == blake3(CONTENT).hexdigest()


def test_a_stream_is_hashed_from_its_beginning_wherever_it_was():
    stream = io.BytesIO(CONTENT)
    stream.read(77)
    assert HashedFile(stream).hexdigest() == blake3(CONTENT).hexdigest()


def test_bytes_that_are_not_there_are_missed():
    with pytest.raises(EOFError):
        HashedFile(io.BytesIO(CONTENT)).readinto(memoryview(bytearray(len(CONTENT) + 1)))
    with pytest.raises(EOFError):
        HashedFile(io.BytesIO(CONTENT)).pass_over(len(CONTENT) + 1)
