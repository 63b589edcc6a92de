from __future__ import annotations

from dataclasses import fields

import pytest

from lungscan_monai.errors import ConfigError, ReadError
from lungscan_monai.gate.limits import Limits


def test_settings_replace_limits_by_name() -> None:
    changed = Limits().changed(["pixels=100", "depth=3"])
    assert (changed.pixels, changed.depth, changed.frames) == (100, 3, Limits().frames)


@pytest.mark.parametrize("setting", ["pixel=3", "pixels", "pixels=", "pixels=-1", "pixels=many", "pixels=1.5", "=3"])
def test_unknown_settings_are_refused_with_the_known_names(setting: str) -> None:
    with pytest.raises(ConfigError, match="expected NAME=NUMBER with a name of file_bytes, pixels"):
        Limits().changed([setting])


@pytest.mark.parametrize("name", [field.name for field in fields(Limits)])
@pytest.mark.parametrize("value", [0, -1, 1.5, "3"])
def test_a_limit_is_a_whole_number_above_0(name: str, value: object) -> None:
    with pytest.raises(ConfigError, match=f"limit {name} is"):
        Limits(**{name: value})


def test_a_radiograph_and_a_long_ct_pass_and_one_more_than_the_limit_does_not() -> None:
    Limits().check_image("a", 5000, 5000, 1, 1)
    Limits().check_image("a", 512, 512, 1, 3000)
    Limits(pixels=100).check_image("a", 10, 10, 1, 1)
    with pytest.raises(ReadError, match=r"claims 101 pixels; the limit `pixels` is 100 \[too-large\]"):
        Limits(pixels=100).check_image("a", 101, 1, 1, 1)


def test_small_compressed_data_may_expand_as_they_like_and_large_ones_by_the_ratio() -> None:
    Limits().check_inflated("a", 60 * 2**20, 1000)
    Limits().check_inflated("a", 10**8, 10**6)
    with pytest.raises(ReadError, match="expansion"):
        Limits().check_inflated("a", 10**8 + 1, 10**6)
    with pytest.raises(ReadError, match="expansion"):
        Limits(inflated_bytes=10).check_inflated("a", 11, 10)
