"""Means over areas: those of PyTorch, and so of MONAI's `Resized(mode="area")`."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from monai.transforms import Resized

from lungscan_monai.errors import DataError
from lungscan_monai.transforms.area import area_resize


def test_two_by_two_areas_are_averaged():
    image = np.arange(16, dtype=np.float32).reshape(1, 4, 4)
    np.testing.assert_array_equal(area_resize(image, (2, 2)), [[[2.5, 4.5], [10.5, 12.5]]])


@pytest.mark.parametrize("size", [(224, 224), (96, 64), (7, 300), (11, 3)])
@pytest.mark.parametrize("shape", [(1, 997, 1031), (3, 224, 230), (1, 31, 17), (1, 5, 448)])
def test_it_equals_monais_resize_by_area(shape, size):
    image = np.random.default_rng(0).random(shape, dtype=np.float32)
    expected = Resized("image", size, mode="area")({"image": torch.from_numpy(image)})["image"].numpy()
    found = area_resize(image, size)
    assert found.dtype == np.float32 and found.shape == expected.shape
    np.testing.assert_array_equal(found, expected)


def test_a_picture_of_the_right_size_is_left_as_it_is():
    image = np.ones((1, 4, 6), np.float32)
    assert area_resize(image, (4, 6)) is image


@pytest.mark.parametrize("shape", [(4, 4), (1, 0, 4)])
def test_another_shape_is_refused(shape):
    with pytest.raises(DataError, match="expected"):
        area_resize(np.zeros(shape, np.float32), (2, 2))
