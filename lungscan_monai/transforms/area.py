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
        Shape ``(C, *size)``, float32; equal to PyTorch's but for rounding.

    Raises:
        DataError: If the picture has another number of dimensions, or no pixel.
    """
    if image.ndim != 3 or 0 in image.shape:
        raise DataError(f"picture of shape {image.shape}, expected (C, H, W)")
    if image.shape[1:] == tuple(size):
        return image
    rows = _means(image, size[0])
    return np.ascontiguousarray(_means(rows.swapaxes(1, 2), size[1]).swapaxes(1, 2))


def _means(image: np.ndarray, count: int) -> np.ndarray:
    """Average over `count` areas along the rows."""
    height = image.shape[1]
    areas = [(i * height // count, -(-(i + 1) * height // count)) for i in range(count)]
    return np.stack([image[:, first:last].mean(axis=1) for first, last in areas], axis=1)
