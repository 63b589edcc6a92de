"""Pictures as they go out to a browser or a program: files of bounded size."""

from __future__ import annotations

import cv2
import numpy as np

from lungscan_monai.inference.studies import Heatmap
from lungscan_monai.saliency.overlay import as_rgb, overlay, resize_map

LONGEST_SIDE = 1024
"""Pixels of the longer side, at most."""


def shrunk(image: np.ndarray, longest: int = LONGEST_SIDE) -> np.ndarray:
    """Return an image as RGB ``(H, W, 3)``, float32, with no side longer than `longest`.

    Args:
        image: In [0, 1], shape ``(H, W)`` or ``(C, H, W)`` with one or three channels.
        longest: Pixels.
    """
    picture = as_rgb(image)
    scale = longest / max(picture.shape[:2])
    if scale >= 1:
        return picture
    size = tuple(max(1, round(side * scale)) for side in picture.shape[1::-1])
    return cv2.resize(picture, size, interpolation=cv2.INTER_AREA)


def overlay_of(heatmap: Heatmap, alpha: float = 0.45, longest: int = LONGEST_SIDE) -> np.ndarray:
    """Return a heatmap over its picture: RGB, uint8, ``(H, W, 3)``.

    Args:
        heatmap: The heatmap.
        alpha: Opacity where the saliency is 1.
        longest: Pixels of the longer side, at most.
    """
    return overlay(np.moveaxis(shrunk(heatmap.image, longest), -1, 0), heatmap.saliency, alpha)


def map_of(heatmap: Heatmap, longest: int = LONGEST_SIDE) -> np.ndarray:
    """Return a heatmap alone: grey, uint8, ``(H, W)``, 255 where the saliency is 1; in its picture's proportions."""
    shape = shrunk(heatmap.image, longest).shape[:2]
    return np.rint(255 * np.clip(resize_map(heatmap.saliency, shape), 0, 1)).astype(np.uint8)


def as_png(picture: np.ndarray) -> bytes:
    """Encode grey ``(H, W)`` or RGB ``(H, W, 3)``, uint8, quickly rather than as small as can be."""
    stored = picture if picture.ndim == 2 else picture[..., ::-1]
    return cv2.imencode(".png", stored, [cv2.IMWRITE_PNG_COMPRESSION, 1])[1].tobytes()
