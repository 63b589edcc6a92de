from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from lungscan_monai.data.strangers import KINDS, write_strangers
from lungscan_monai.errors import ConfigError, OutputError


def contents(files) -> list[bytes]:
    return [file.read_bytes() for file in files]


def test_every_kind_has_its_turn(tmp_path):
    files = write_strangers(tmp_path / "s", 2 * len(KINDS), size=64)
    assert [file.name for file in files][: len(KINDS)] == [
        f"{kind}_{number:05d}.png" for number, kind in enumerate(KINDS, start=1)
    ]
    for file in files:
        pixels = np.asarray(Image.open(file))
        assert pixels.shape == (64, 64) and pixels.dtype == np.uint8


def test_no_two_pictures_are_equal(tmp_path):
    files = write_strangers(tmp_path / "s", 25 * len(KINDS), size=32)
    assert len(set(contents(files))) == len(files)


def test_the_same_seed_gives_the_same_bytes_however_many_there_are(tmp_path):
    few = write_strangers(tmp_path / "few", 8, size=48, seed=3)
    many = write_strangers(tmp_path / "many", 15, size=48, seed=3)
    other = write_strangers(tmp_path / "other", 8, size=48, seed=4)
    assert contents(few) == contents(many[:8])
    assert not set(contents(few)) & set(contents(other))


@pytest.mark.parametrize("size", [33, 101])
def test_any_size_is_filled(tmp_path, size):
    for file in write_strangers(tmp_path / "s", len(KINDS), size=size):
        assert Image.open(file).size == (size, size)


def test_progress_is_told(tmp_path):
    told = []
    write_strangers(tmp_path / "s", 3, size=32, progress=lambda done, wanted: told.append((done, wanted)))
    assert told == [(1, 3), (2, 3), (3, 3)]


def test_older_pictures_are_not_mixed_in(tmp_path):
    (tmp_path / "old.png").write_bytes(b"x")
    with pytest.raises(OutputError, match="is not empty"):
        write_strangers(tmp_path, 3)


@pytest.mark.parametrize(("count", "size"), [(0, 64), (3, 31)])
def test_too_few_or_too_small_is_refused(tmp_path, count, size):
    with pytest.raises(ConfigError, match="expected at least 1 and 32"):
        write_strangers(tmp_path / "s", count, size)
