"""Resize a picture by the mean over the area that each new pixel covers, as PyTorch's adaptive average pooling does."""

from __future__ import annotations

import numpy as np

from lungscan_monai.errors import DataError


def area_resize(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Average a picture over a grid of areas.

    New row i is the mean of the old rows from ``floor(i * H / rows)`` up to ``ceil((i + 1) * H / rows)``; columns too.
    These are the areas of ``torch.nn.functional.adaptive_avg_pool2d``, and so of MONAI's ``Resized(mode="area")``.

    Args:
        image: Shape ``(C, H, W)``, float32.
        size: New rows and columns, at least 1 each.

    Returns:
        Shape ``(C, *size)``, float32; PyTorch's to the bit, since the sums are taken in its order (means of 8-bit
        levels often lie midway between two levels, where CLAHE would tell the smallest difference).

    Raises:
        DataError: If the picture has another number of dimensions, or no pixel.
    """
    if image.ndim != 3 or 0 in image.shape:
        raise DataError(f"picture of shape {image.shape}, expected (C, H, W)")
    if image.shape[1:] == tuple(size):
        return image
    (tops, heights), (lefts, widths) = _areas(image.shape[1], size[0]), _areas(image.shape[2], size[1])
    total = np.zeros((image.shape[0], *size), np.float32)
    for down in range(heights.max()):
        lines = image[:, np.minimum(tops + down, image.shape[1] - 1)] * (down < heights)[:, None].astype(np.float32)
        for right in range(widths.max()):
            columns = np.minimum(lefts + right, image.shape[2] - 1)
            total += lines[:, :, columns] * (right < widths).astype(np.float32)
    return total / heights[:, None].astype(np.float32) / widths.astype(np.float32)


def _areas(old: int, new: int) -> tuple[np.ndarray, np.ndarray]:
    """Return where each of `new` areas along `old` pixels begins, and how many pixels it takes."""
    numbers = np.arange(new)
    first = numbers * old // new
    return first, -(-(numbers + 1) * old // new) - first
