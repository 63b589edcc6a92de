"""How well a saliency map agrees with where the finding is."""

from __future__ import annotations

import numpy as np

from lungscan_monai.errors import NotComputableError, ShapeError


def peak(saliency: np.ndarray) -> tuple[int, int] | None:
    """Return (row, column) of the maximum of a map ``(H, W)``, the first of several; None for a map of zeros."""
    if not saliency.any():
        return None
    row, column = np.unravel_index(int(np.argmax(saliency)), saliency.shape)
    return int(row), int(column)


def pointing_game(saliency: np.ndarray, mask: np.ndarray) -> bool:
    """Tell whether the maximum of the map lies in the mask.

    Source: Zhang et al., "Top-down neural attention by excitation backprop", ECCV 2016, without their tolerance.

    Args:
        saliency: Shape ``(H, W)``, at least 0. A map of zeros points nowhere: a miss.
        mask: Shape ``(H, W)``; the finding is where it is not 0.

    Raises:
        ShapeError: If the shapes differ or are not two-dimensional.
        NotComputableError: If the mask is empty.
    """
    mask = _checked(saliency, mask)
    place = peak(saliency)
    return place is not None and bool(mask[place])


def iou(saliency: np.ndarray, mask: np.ndarray, quantile: float = 0.8) -> float:
    """Return intersection over union of the mask and the most salient pixels.

    Args:
        saliency: Shape ``(H, W)``, at least 0.
        mask: Shape ``(H, W)``; the finding is where it is not 0.
        quantile: Salient is what reaches this quantile of the map and is above 0; 0.8 takes the top 20 %.

    Returns:
        In [0, 1].

    Raises:
        ShapeError: If the shapes differ or are not two-dimensional.
        NotComputableError: If the mask is empty.

    Example:
        >>> iou(np.array([[0.0, 0.2], [0.4, 1.0]]), np.array([[0, 0], [1, 1]]), quantile=0.5)
        1.0
    """
    mask = _checked(saliency, mask)
    salient = (saliency >= np.quantile(saliency, quantile)) & (saliency > 0)
    return float((salient & mask).sum() / (salient | mask).sum())


def _checked(saliency: np.ndarray, mask: np.ndarray) -> np.ndarray:
    if saliency.ndim != 2 or saliency.shape != mask.shape:
        raise ShapeError(f"saliency has shape {saliency.shape} and mask {mask.shape}, expected one shape (H, W)")
    mask = mask != 0
    if not mask.any():
        raise NotComputableError("the mask is empty: there is no finding that the map could hit")
    return mask
