from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from lungscan_monai.errors import ShapeError
from lungscan_monai.transforms.small_pictures import small_picture


def opened(small):
    return np.asarray(Image.open(io.BytesIO(small.data)))


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_colours_stay_what_they_are(dtype):
    image = np.full((40, 20, 3), (250, 120, 10), dtype=np.uint8)
    small = small_picture(image if dtype is np.uint8 else image.astype(dtype) / 255, 10, 90)
    assert (small.width, small.height) == (5, 10)
    assert opened(small).shape == (10, 5, 3)
    assert np.abs(opened(small).mean(axis=(0, 1)) - (250, 120, 10)).max() < 4


def test_grey_stays_grey_and_one_pixel_is_left_of_a_thin_side():
    small = small_picture(np.full((2000, 3), 0.5, np.float32), 100, 80)
    assert opened(small).shape == (100, 1)
    assert abs(int(opened(small).mean()) - 128) <= 1


@pytest.mark.parametrize(("enlarge", "side"), [(False, 8), (True, 32)])
def test_a_smaller_picture_is_enlarged_only_where_asked(enlarge, side):
    assert small_picture(np.zeros((8, 4), np.uint8), 32, 80, enlarge=enlarge).height == side


def test_another_shape_is_refused():
    with pytest.raises(ShapeError, match=r"\(1, 8, 8\), expected \(H, W\)"):
        small_picture(np.zeros((1, 8, 8)), 4, 80)
