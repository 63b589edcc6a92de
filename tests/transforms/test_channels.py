from __future__ import annotations

import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from PIL import Image

from lungscan_monai.errors import ConfigError, DataError
from lungscan_monai.transforms.channels import ToChannelsd, to_channels


def shades(*shape: int) -> torch.Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("num_channels", [1, 3])
def test_grey_is_repeated(num_channels: int) -> None:
    image = shades(1, 4, 5)
    assert torch.equal(to_channels(image, num_channels), image.expand(num_channels, 4, 5))


def test_luma_equals_that_of_pillow() -> None:
    colours = np.random.default_rng(0).integers(0, 256, (6, 7, 3)).astype(np.uint8)
    expected = np.asarray(Image.fromarray(colours).convert("L")) / 255  # ITU-R 601, rounded to 8 bits
    image = torch.as_tensor(colours.transpose(2, 0, 1) / 255, dtype=torch.float32)
    np.testing.assert_allclose(to_channels(image, 1)[0].numpy(), expected, atol=0.6 / 255)


def test_equal_channels_keep_their_exact_value() -> None:
    image = shades(1, 4, 5)
    assert torch.equal(to_channels(image.repeat(3, 1, 1), 1), image)
    assert torch.equal(to_channels(image.repeat(3, 1, 1), 3), image.repeat(3, 1, 1))


def test_colours_are_kept_on_demand() -> None:
    image = shades(3, 4, 5)
    assert torch.equal(to_channels(image, 3, grey=False), image)


def test_grey_becomes_three_channels_when_colours_are_kept() -> None:
    image = shades(1, 4, 5)
    assert torch.equal(to_channels(image, 3, grey=False), image.repeat(3, 1, 1))


@pytest.mark.parametrize("channels", [2, 4])
def test_transparent_becomes_black(channels: int) -> None:
    image = torch.ones(channels, 1, 3)
    image[-1] = torch.tensor([0.0, 0.25, 1.0])
    assert torch.allclose(to_channels(image, 1), torch.tensor([[[0, 0.25, 1.0]]]))


def test_volume_of_one_slice_loses_its_last_dimension() -> None:
    image = shades(1, 4, 5, 1)
    assert torch.equal(to_channels(image, 1), image[..., 0])


def test_transform_keeps_meta_data() -> None:
    image = MetaTensor(shades(3, 4, 5), meta={"filename_or_obj": "a.png"})
    result = ToChannelsd("image", 1)({"image": image})["image"]
    assert isinstance(result, MetaTensor)
    assert result.meta["filename_or_obj"] == "a.png"
    assert tuple(result.shape) == (1, 4, 5)


def test_transform_takes_arrays() -> None:
    result = ToChannelsd("image", 3)({"image": np.ones((1, 2, 2), np.float64)})["image"]
    assert result.dtype == torch.float32
    assert tuple(result.shape) == (3, 2, 2)


@pytest.mark.parametrize("shape", [(5, 4, 4), (4, 4), (1, 4, 4, 2), (0, 4, 4)])
def test_other_shapes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(DataError, match=r"expected \(C, H, W\) with 1 to 4 channels"):
        to_channels(torch.zeros(shape), 1)


def test_opacity_that_is_no_fraction_is_refused() -> None:
    with pytest.raises(DataError, match="opacity"):
        to_channels(torch.full((4, 2, 2), 255.0), 1)


@pytest.mark.parametrize("parameters", [{"num_channels": 2}, {"num_channels": 1, "grey": False}])
def test_impossible_parameters_are_refused(parameters: dict) -> None:
    with pytest.raises(ConfigError):
        to_channels(torch.zeros(1, 2, 2), **parameters)
    with pytest.raises(ConfigError):
        ToChannelsd("image", **parameters)
