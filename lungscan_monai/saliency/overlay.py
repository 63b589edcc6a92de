"""A saliency map laid over its image."""

from __future__ import annotations

import cv2
import matplotlib
import numpy as np

from lungscan_monai.errors import ShapeError


def resize_map(saliency: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Resize a map ``(h, w)`` bilinearly to the rows and columns of an image; float32, the range stays.

    Raises:
        ShapeError: If the map is not two-dimensional.
    """
    if saliency.ndim != 2:
        raise ShapeError(f"saliency has shape {saliency.shape}, expected (h, w)")
    return cv2.resize(saliency.astype(np.float32), shape[::-1], interpolation=cv2.INTER_LINEAR)


def as_rgb(image: np.ndarray) -> np.ndarray:
    """Return an image as float32 ``(H, W, 3)``, same range.

    Args:
        image: Shape ``(H, W)``, or ``(C, H, W)`` with one or three channels.

    Raises:
        ShapeError: If it has another shape.
    """
    channels = image[None] if image.ndim == 2 else image
    if channels.ndim != 3 or len(channels) not in (1, 3):
        raise ShapeError(f"image has shape {image.shape}, expected (H, W), (1, H, W) or (3, H, W)")
    return np.broadcast_to(np.moveaxis(channels, 0, -1), (*channels.shape[1:], 3)).astype(np.float32)


def overlay(image: np.ndarray, saliency: np.ndarray, alpha: float = 0.45, colormap: str = "inferno") -> np.ndarray:
    """Colour an image where it is salient; where it is not, it stays as it is.

    Args:
        image: In [0, 1], shape ``(H, W)`` or ``(C, H, W)`` with one or three channels.
        saliency: In [0, 1], shape ``(h, w)``; covers the whole image and is resized to it.
        alpha: Opacity of the colour at saliency 1, in [0, 1]; it follows the saliency down to 0.
        colormap: A name of matplotlib's, of a map whose lightness grows with the value.

    Returns:
        RGB, uint8, shape ``(H, W, 3)``.

    Raises:
        ShapeError: If image or saliency have another shape.
    """
    base = as_rgb(image)
    strength = np.clip(resize_map(saliency, base.shape[:2]), 0, 1)
    table = matplotlib.colormaps[colormap](np.linspace(0, 1, 256))[:, :3].astype(np.float32)
    mixed = np.take(table, np.rint(strength * 255).astype(np.uint8), axis=0)
    mixed -= base
    mixed *= (alpha * strength)[..., None]
    mixed += base
    np.clip(mixed, 0, 1, out=mixed)
    mixed *= 255
    return np.rint(mixed, out=mixed).astype(np.uint8)
