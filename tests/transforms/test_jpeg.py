from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from lungscan_monai.transforms.jpeg import as_jpeg


def smooth(shape: tuple[int, ...]) -> np.ndarray:
    """Return a picture whose shades and colours change slowly: a JPEG file loses little of it."""
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    planes = np.stack([rows + columns, 2 * rows, 255 - columns], axis=-1).astype(np.uint8)
    return planes if len(shape) == 3 else planes[..., 0]


@pytest.mark.parametrize("shape", [(80, 100), (80, 100, 3)])
@pytest.mark.parametrize("optimize", [False, True])
def test_pillow_reads_the_picture_that_was_encoded(shape, optimize):
    picture = smooth(shape)
    opened = Image.open(io.BytesIO(as_jpeg(picture, 95, optimize=optimize)))
    assert opened.format == "JPEG"
    assert np.abs(np.asarray(opened).astype(int) - picture).mean() < 2


def test_bytes_follow_the_quality_and_tables_of_its_own_change_no_pixel():
    picture = np.random.default_rng(0).integers(0, 256, (64, 64, 3)).astype(np.uint8)
    plain, optimized, poorer = as_jpeg(picture, 90), as_jpeg(picture, 90, optimize=True), as_jpeg(picture, 50)
    assert len(poorer) < len(optimized) < len(plain)
    pixels = [np.asarray(Image.open(io.BytesIO(one))) for one in (plain, optimized)]
    np.testing.assert_array_equal(*pixels)
