"""What a person sees: the file's own window first, then any other, in either polarity."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from lungscan_monai.apps.viewing import LONGEST_SIDE, view, viewing_values
from lungscan_monai.decoding.pool import DecodingPool
from lungscan_monai.dicom.pixels import read_display_image
from lungscan_monai.dicom.windows import Window


@pytest.fixture(scope="module")
def pool():
    with DecodingPool(1, read=viewing_values) as opened:
        yield opened


STORED = np.arange(12, dtype=np.uint16).reshape(3, 4) * 100
CT = {"RescaleSlope": 1, "RescaleIntercept": -500, "WindowCenter": 40, "WindowWidth": 400}


@pytest.mark.parametrize("polarity", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize("function", ["LINEAR", "LINEAR_EXACT", "SIGMOID"])
def test_at_first_it_is_what_the_reader_gives(write_dicom, pool, polarity, function):
    path = write_dicom("a.dcm", STORED, PhotometricInterpretation=polarity, VOILUTFunction=function, **CT)
    np.testing.assert_allclose(view(pool, path).shades()[0], read_display_image(path), atol=1e-6)


def test_another_window_is_that_of_the_reader(write_dicom, pool):
    path = write_dicom("a.dcm", STORED, **CT)
    other = Window(-200, 900)
    np.testing.assert_allclose(view(pool, path).shades(other)[0], read_display_image(path, window=other), atol=1e-6)


def test_inverted_is_the_negative(write_dicom, pool):
    seen = view(pool, write_dicom("a.dcm", STORED, **CT))
    np.testing.assert_allclose(seen.shades(inverted=True), 1 - seen.shades())


def test_padding_stays_black_in_both_polarities(write_dicom, pool):
    for polarity in ("MONOCHROME1", "MONOCHROME2"):
        facts = {"PhotometricInterpretation": polarity, "PixelPaddingValue": 0, **CT}
        assert view(pool, write_dicom("a.dcm", STORED, **facts)).shades()[0, 0, 0] == 0


def test_a_picture_has_no_window_to_move(tmp_path, pool):
    Image.fromarray(np.full((30, 20), 51, np.uint8)).save(tmp_path / "a.png")
    seen = view(pool, tmp_path / "a.png")
    assert seen.window is None
    np.testing.assert_allclose(seen.shades(Window(0, 1)), 0.2, atol=1e-6)


def test_a_large_picture_comes_at_the_size_of_a_screen(write_dicom, pool):
    path = write_dicom("a.dcm", np.full((2048, 1024), 540, np.uint16), **CT)
    assert view(pool, path).values.shape == (1, LONGEST_SIDE, LONGEST_SIDE // 2)
