"""Whether a network looks where no finding can be: beside the body, at the border, or on letters burned in.

Networks have learned the marker of one hospital's portable scanner instead of the disease (Zech et al., PLoS Med 2018;
15: e1002683). These shares do not prove such a shortcut, but a large one asks for a look at the pictures.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from lungscan_monai.errors import NotComputableError, ShapeError
from lungscan_monai.saliency.burned_in import text_mask
from lungscan_monai.saliency.overlay import as_rgb

BORDER = 0.1
"""Width of the border, as a share of the image's side."""

_SMOOTHED = 0.015
"""Width (sigma) of the smoothing before the threshold, as a share of the image's shorter side: noise has no parts."""

_OF_OTSU = 0.5
"""Otsu's threshold parts bone from lung in a radiograph; air beside the body is darker than half of it."""

_BODY_WITHIN = (0.1, 0.98)
"""A found body that covers less or more of the image than this is none: a strip of bone, or no surroundings left."""


@dataclass(frozen=True)
class Elsewhere:
    """Shares of one map's sum; beside each what a map that is everywhere alike would give, the share of the area.

    Args:
        outside_body: On what is not the body; None where the body cannot be told from its surroundings.
        outside_body_area: Its share of the image's area; None as before.
        border: In the border of width `BORDER`.
        border_area: Its share of the image's area.
        text: On letters burned in; None where none were found.
        text_area: Their share of the image's area, 0 where none were found; None where none were looked for.
    """

    outside_body: float | None
    outside_body_area: float | None
    border: float
    border_area: float
    text: float | None = None
    text_area: float | None = None


def saliency_elsewhere(saliency: np.ndarray, image: np.ndarray, radiograph: bool = False) -> Elsewhere:
    """Measure how much of a map lies outside the body, in the border, and on letters.

    Args:
        saliency: Shape ``(h, w)``, at least 0; covers the whole image, which is brought to its size.
        image: Shape ``(H, W)`` or ``(C, H, W)`` with one or three channels, in [0, 1], air dark.
        radiograph: Whether letters are looked for; in slices bones are as sharp as they are.

    Raises:
        ShapeError: If an array has another shape.
        NotComputableError: If the map is zero all over.
    """
    if saliency.ndim != 2:
        raise ShapeError(f"saliency has shape {saliency.shape}, expected (h, w)")
    total = float(saliency.sum(dtype=np.float64))
    if not total:
        raise NotComputableError("the map is zero all over")
    border = border_mask(saliency.shape)
    grey = as_rgb(image).mean(axis=2)
    body = body_mask(cv2.resize(grey, saliency.shape[::-1], interpolation=cv2.INTER_AREA))
    outside = None if body is None else float(saliency[~body].sum(dtype=np.float64)) / total
    letters = text_mask(grey) if radiograph else None
    text, text_area = _share_on(letters, saliency, total)
    return Elsewhere(
        outside_body=outside,
        outside_body_area=None if body is None else float((~body).mean()),
        border=float(saliency[border].sum(dtype=np.float64)) / total,
        border_area=float(border.mean()),
        text=text,
        text_area=text_area,
    )


def _share_on(mask: np.ndarray | None, saliency: np.ndarray, total: float) -> tuple[float | None, float | None]:
    """Return the share of a map on a mask of any size, None on an empty one, and the mask's share of the area."""
    if mask is None or not mask.any():
        return None, None if mask is None else 0.0
    part = cv2.resize(mask.astype(np.float32), saliency.shape[::-1], interpolation=cv2.INTER_AREA)
    return float((saliency * part).sum(dtype=np.float64)) / total, float(part.mean(dtype=np.float64))


def border_mask(shape: tuple[int, int]) -> np.ndarray:
    """Return where the border is, boolean, of the given shape ``(H, W)``: `BORDER` of each side at each edge."""
    rows, columns = (max(1, round(BORDER * side)) for side in shape)
    mask = np.ones(shape, dtype=bool)
    mask[rows:-rows, columns:-columns] = False
    return mask


def body_mask(image: np.ndarray) -> np.ndarray | None:
    """Find the body: the convex hull of the largest connected part that is brighter than half of Otsu's threshold.

    The hull takes in what is dark within, as the lungs are. Letters beside the body are not connected with it. Arms
    and a CT table may be: this is no segmentation, but enough to tell the body from what lies far beside it.

    Args:
        image: Shape ``(H, W)``, in [0, 1], air dark.

    Returns:
        Boolean, shape ``(H, W)``; None where nothing, or nearly everything, would be body.
    """
    smooth = cv2.GaussianBlur(image.astype(np.float32), (0, 0), _SMOOTHED * min(image.shape))
    grey = cv2.normalize(smooth, None, 0, 255, cv2.NORM_MINMAX).astype(np.uint8)
    otsu, _ = cv2.threshold(grey, 0, 255, cv2.THRESH_BINARY | cv2.THRESH_OTSU)
    count, parts, statistics, _ = cv2.connectedComponentsWithStats((grey > _OF_OTSU * otsu).astype(np.uint8))
    if count < 2:
        return None
    largest = 1 + int(statistics[1:, cv2.CC_STAT_AREA].argmax())
    hull = cv2.convexHull(cv2.findNonZero((parts == largest).astype(np.uint8)))
    body = cv2.fillConvexPoly(np.zeros(image.shape, np.uint8), hull, 1).astype(bool)
    return body if _BODY_WITHIN[0] <= body.mean() <= _BODY_WITHIN[1] else None
