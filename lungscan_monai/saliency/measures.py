"""How well a saliency map agrees with where the finding is, and how well a map that knows nothing would agree."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from lungscan_monai.errors import NotComputableError, ShapeError

TOLERANCE = 0.03
"""How far beside the finding a peak may lie and still hit it, as a share of the image's shorter side.

About the 15 pixels of 500 that the pointing game was introduced with."""

SALIENT_SHARE = 0.2
"""Share of the pixels, the most salient ones, that :func:`iou` compares with the finding."""


@dataclass(frozen=True)
class Agreement:
    """How one map agrees with the place of a finding; beside each number what no knowledge would give.

    Args:
        hit: Whether the map's peak lies on the finding, or within `TOLERANCE` of it.
        hit_by_chance: Share of the image's pixels where it would.
        inside: Share of the map's sum that lies on the finding; 0 for a map of zeros.
        inside_by_chance: The finding's share of the image's area, which a map that is everywhere alike would give.
        iou: Intersection over union of the finding and the most salient `SALIENT_SHARE` of the pixels.
        iou_by_chance: The same for as many pixels thrown at random.
    """

    hit: bool
    hit_by_chance: float
    inside: float
    inside_by_chance: float
    iou: float
    iou_by_chance: float


def agreement(saliency: np.ndarray, mask: np.ndarray) -> Agreement:
    """Compare a map with the place of a finding.

    Args:
        saliency: Shape ``(H, W)``, at least 0.
        mask: Shape ``(H, W)``; the finding is where it is not 0.

    Raises:
        ShapeError: If the shapes differ or are not two-dimensional.
        NotComputableError: If the mask is empty.
    """
    mask = _checked(saliency, mask)
    area = float(mask.mean())
    tolerance = TOLERANCE * min(mask.shape)
    return Agreement(
        hit=pointing_game(saliency, mask, tolerance),
        hit_by_chance=float(_near(mask, tolerance).mean()),
        inside=energy_inside(saliency, mask),
        inside_by_chance=area,
        iou=iou(saliency, mask, 1 - SALIENT_SHARE),
        iou_by_chance=area * SALIENT_SHARE / (area + SALIENT_SHARE - area * SALIENT_SHARE),
    )


def peak(saliency: np.ndarray) -> tuple[int, int] | None:
    """Return (row, column) of the maximum of a map ``(H, W)``, the first of several; None for a map of zeros."""
    if not saliency.any():
        return None
    row, column = np.unravel_index(int(np.argmax(saliency)), saliency.shape)
    return int(row), int(column)


def pointing_game(saliency: np.ndarray, mask: np.ndarray, tolerance: float = 0.0) -> bool:
    """Tell whether the maximum of the map lies in the mask.

    Source: Zhang et al., "Top-down neural attention by excitation backprop", ECCV 2016.

    Args:
        saliency: Shape ``(H, W)``, at least 0. A map of zeros points nowhere: a miss.
        mask: Shape ``(H, W)``; the finding is where it is not 0.
        tolerance: Pixels that the maximum may lie beside the mask.

    Raises:
        ShapeError: If the shapes differ or are not two-dimensional.
        NotComputableError: If the mask is empty.
    """
    mask = _checked(saliency, mask)
    place = peak(saliency)
    return place is not None and bool(_near(mask, tolerance)[place])


def energy_inside(saliency: np.ndarray, mask: np.ndarray) -> float:
    """Return the share of the map's sum that lies in the mask; 0 for a map of zeros.

    Source: the energy-based pointing game of Wang et al., "Score-CAM", CVPR Workshops 2020.

    Args:
        saliency: Shape ``(H, W)``, at least 0.
        mask: Shape ``(H, W)``; the finding is where it is not 0.

    Raises:
        ShapeError: If the shapes differ or are not two-dimensional.
        NotComputableError: If the mask is empty.
    """
    mask = _checked(saliency, mask)
    total = float(saliency.sum(dtype=np.float64))
    return float(saliency[mask].sum(dtype=np.float64)) / total if total else 0.0


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


def _near(mask: np.ndarray, tolerance: float) -> np.ndarray:
    """Return where the nearest pixel of a mask is at most so many pixels away."""
    distances = cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return distances <= tolerance


def _checked(saliency: np.ndarray, mask: np.ndarray) -> np.ndarray:
    if saliency.ndim != 2 or saliency.shape != mask.shape:
        raise ShapeError(f"saliency has shape {saliency.shape} and mask {mask.shape}, expected one shape (H, W)")
    mask = mask != 0
    if not mask.any():
        raise NotComputableError("the mask is empty: there is no finding that the map could hit")
    return mask
