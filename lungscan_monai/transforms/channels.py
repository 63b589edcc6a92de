"""Bring pictures of any number of channels to the number that a network expects."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import torch
from monai.config import KeysCollection
from monai.data import get_track_meta
from monai.transforms import MapTransform
from monai.utils import convert_to_tensor

from lungscan_monai.errors import ConfigError, DataError

RED_WEIGHT, BLUE_WEIGHT = 0.299, 0.114  # ITU-R BT.601 luma; green has the rest, 0.587


def to_channels(image: torch.Tensor, num_channels: int, grey: bool = True) -> torch.Tensor:
    """Make a picture grey, or keep its colours, and give it `num_channels` channels.

    Args:
        image: Shades in [0, 1], shape ``(C, H, W)`` or ``(C, H, W, 1)``; 1 channel is grey, 2 are grey and opacity,
            3 are RGB, 4 are RGB and opacity. What is transparent becomes black.
        num_channels: 1 or 3. A grey picture is repeated.
        grey: Whether colours become their ITU-R BT.601 luma; equal channels keep their exact value.

    Returns:
        Shape ``(num_channels, H, W)``.

    Raises:
        DataError: If the image has another shape, or an opacity outside [0, 1].
        ConfigError: If `num_channels` is not 1 or 3, or colours are to be kept in one channel.
    """
    _check_parameters(num_channels, grey)
    if image.ndim == 4 and image.shape[-1] == 1:
        image = image[..., 0]
    if image.ndim != 3 or image.shape[0] not in (1, 2, 3, 4):
        raise DataError(f"picture of shape {tuple(image.shape)}, expected (C, H, W) with 1 to 4 channels")
    if image.shape[0] in (2, 4):
        image = _on_black(image[:-1], image[-1:])
    if grey and image.shape[0] == 3:
        red, green, blue = image[0:1], image[1:2], image[2:3]
        image = green + RED_WEIGHT * (red - green) + BLUE_WEIGHT * (blue - green)
    return image if image.shape[0] == num_channels else image.repeat(num_channels, 1, 1)


class ToChannelsd(MapTransform):
    """MONAI adapter of `to_channels`.

    Args:
        keys: Entries to transform; see `to_channels`.
        num_channels: 1 or 3.
        grey: Whether colours become luma.
        allow_missing_keys: Whether an entry may be missing.

    Raises:
        ConfigError: If `num_channels` is not 1 or 3, or colours are to be kept in one channel.
    """

    def __init__(
        self, keys: KeysCollection, num_channels: int, grey: bool = True, allow_missing_keys: bool = False
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        _check_parameters(num_channels, grey)
        self.num_channels, self.grey = num_channels, grey

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Convert every entry named by `keys`.

        Raises:
            DataError: If an entry has another shape, or an opacity outside [0, 1].
        """
        result = dict(data)
        for key in self.key_iterator(result):
            image = convert_to_tensor(result[key], dtype=torch.float32, track_meta=get_track_meta())
            result[key] = to_channels(image, self.num_channels, self.grey)
        return result


def _check_parameters(num_channels: int, grey: bool) -> None:
    if num_channels not in (1, 3):
        raise ConfigError(f"num_channels is {num_channels}, expected 1 or 3")
    if num_channels == 1 and not grey:
        raise ConfigError("colours cannot be kept in one channel: set grey to true or num_channels to 3")


def _on_black(colours: torch.Tensor, opacity: torch.Tensor) -> torch.Tensor:
    if not (opacity.min() >= 0 and opacity.max() <= 1):
        raise DataError(f"opacity from {float(opacity.min())} to {float(opacity.max())}, expected [0, 1]")
    return colours * opacity
