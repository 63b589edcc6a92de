"""Colour where the map is, the image where it is not."""

import matplotlib
import numpy as np
import pytest
import torch

from lungscan_monai.errors import ShapeError
from lungscan_monai.saliency.overlay import as_rgb, overlay, resize_map


def test_where_nothing_is_salient_the_image_stays():
    image = np.linspace(0, 1, 12, dtype=np.float32).reshape(3, 4)
    picture = overlay(image, np.zeros((2, 2)))
    assert picture.dtype == np.uint8
    assert np.array_equal(picture, np.repeat(np.rint(image * 255).astype(np.uint8)[..., None], 3, axis=2))


def test_at_the_peak_the_colour_has_the_given_opacity():
    picture = overlay(np.full((1, 5, 5), 0.5), np.ones((5, 5)), alpha=0.4, colormap="inferno")
    expected = 0.6 * 0.5 + 0.4 * np.array(matplotlib.colormaps["inferno"](1.0)[:3])
    assert picture[2, 2] == pytest.approx(expected * 255, abs=0.51)


def test_the_picture_has_the_resolution_of_the_image():
    assert overlay(np.zeros((3, 70, 90)), np.ones((7, 7))).shape == (70, 90, 3)


def test_colour_channels_keep_their_order():
    image = np.zeros((3, 2, 2))
    image[0] = 1
    assert overlay(image, np.zeros((2, 2)))[0, 0].tolist() == [255, 0, 0]


def test_maps_are_resized_as_torch_does():
    saliency = np.random.default_rng(0).random((7, 5)).astype(np.float32)
    expected = torch.nn.functional.interpolate(torch.from_numpy(saliency)[None, None], size=(50, 33), mode="bilinear")
    assert resize_map(saliency, (50, 33)) == pytest.approx(expected[0, 0].numpy(), abs=1e-5)


@pytest.mark.parametrize("shape", [(5,), (2, 4, 4), (1, 3, 4, 4)])
def test_other_shapes_are_refused(shape):
    with pytest.raises(ShapeError, match="expected"):
        as_rgb(np.zeros(shape))


def test_a_map_with_channels_is_refused():
    with pytest.raises(ShapeError, match="saliency"):
        overlay(np.zeros((4, 4)), np.zeros((1, 4, 4)))
