"""Bring pictures of any number of channels to the number that a network expects; NumPy arrays and tensors alike."""

from __future__ import annotations

from typing import TypeVar

from lungscan_monai.errors import ConfigError, DataError

_Image = TypeVar("_Image")
"""A NumPy array or a tensor."""

RED_WEIGHT, BLUE_WEIGHT = 0.299, 0.114  # ITU-R BT.601 luma; green has the rest, 0.587


def to_channels(image: _Image, num_channels: int, grey: bool = True) -> _Image:
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
    check_channels(num_channels, grey)
    if image.ndim == 4 and image.shape[-1] == 1:
        image = image[..., 0]
    if image.ndim != 3 or image.shape[0] not in (1, 2, 3, 4):
        raise DataError(f"picture of shape {tuple(image.shape)}, expected (C, H, W) with 1 to 4 channels")
    if image.shape[0] in (2, 4):
        image = _on_black(image[:-1], image[-1:])
    if grey and image.shape[0] == 3:
        red, green, blue = image[0:1], image[1:2], image[2:3]
        image = green + RED_WEIGHT * (red - green) + BLUE_WEIGHT * (blue - green)
    return image if image.shape[0] == num_channels else image[[0] * num_channels]


def check_channels(num_channels: int, grey: bool) -> None:
    """Check the settings of :func:`to_channels`.

    Raises:
        ConfigError: If `num_channels` is not 1 or 3, or colours are to be kept in one channel.
    """
    if num_channels not in (1, 3):
        raise ConfigError(f"num_channels is {num_channels}, expected 1 or 3")
    if num_channels == 1 and not grey:
        raise ConfigError("colours cannot be kept in one channel: set grey to true or num_channels to 3")


def _on_black(colours: _Image, opacity: _Image) -> _Image:
    if not (opacity.min() >= 0 and opacity.max() <= 1):
        raise DataError(f"opacity from {float(opacity.min())} to {float(opacity.max())}, expected [0, 1]")
    return colours * opacity
