"""A picture made small for a page: shrunk, and written as a JPEG file in memory."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from lungscan_monai.errors import ShapeError
from lungscan_monai.transforms.jpeg import as_jpeg


@dataclass(frozen=True)
class SmallPicture:
    """A small picture.

    Args:
        data: The JPEG file.
        width: Columns.
        height: Rows.
    """

    data: bytes
    width: int
    height: int


def small_picture(image: np.ndarray, longest_side: int, quality: int, *, enlarge: bool = False) -> SmallPicture:
    """Shrink a picture by the mean of its areas, and encode it.

    Args:
        image: Shape ``(H, W)`` for grey or ``(H, W, 3)`` for red, green and blue; uint8, or float in [0, 1].
        longest_side: Pixels that the longer side shall have.
        quality: Of the JPEG file, from 1 to 100.
        enlarge: Whether a smaller picture is brought to that size, too.

    Raises:
        ShapeError: If the array has another shape.

    Example:
        >>> small = small_picture(np.zeros((40, 20), np.uint8), longest_side=10, quality=80)
        >>> small.width, small.height
        (5, 10)
    """
    if image.ndim not in (2, 3) or (image.ndim == 3 and image.shape[2] != 3):
        raise ShapeError(f"picture has shape {image.shape}, expected (H, W) or (H, W, 3)")
    scale = longest_side / max(image.shape[:2])
    scale = scale if enlarge else min(1.0, scale)
    width, height = (max(1, round(side * scale)) for side in image.shape[1::-1])
    shrunk = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    if shrunk.dtype != np.uint8:
        shrunk = (shrunk * 255 + 0.5).astype(np.uint8)
    return SmallPicture(as_jpeg(shrunk, quality, optimize=True), width, height)
