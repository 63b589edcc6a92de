"""Letters burned into a radiograph: where markers, dates and words such as PORTABLE stand, without reading them.

Reading them (OCR) finds words and misses single letters, which markers are. What sets letters apart from anatomy is
their edge: X-rays are blurred by the focal spot and the patient, so bone rises to its brightness over several pixels,
while a letter that a computer drew rises in one or two. A part of the image counts as text if it is thin and bright
(white top-hat), as large as letters are, near an edge of the image, and sharp nearly all around. How often that is
right, and what it does not find (lead letters that are blurred or lie on bone, dark letters), is in docs/results.md.
"""

from __future__ import annotations

import cv2
import numpy as np

from lungscan_monai.errors import ShapeError

WORKING_SIDE = 512
"""Pixels of the longer side that a larger image is brought to: letters then have strokes of some two to six pixels."""

SMALLEST_SIDE = 384
"""Pixels of the longer side below which letters are too blurred, or too few pixels large, to be told from ribs."""

_STROKE = 0.035
"""No stroke is wider than this share of the longer side; what is wider is no part of the top-hat."""

_RISE = 0.15
"""Least brightness above what surrounds a stroke, as a share of the image's range."""

_BRIGHT = (0.6, 0.75)
"""Least brightness of every pixel of a letter, and of half of them, as shares of the image's range."""

_LETTER = (0.012, 0.09)
"""Height or width of a letter, or of a marker around one, as a share of the longer side."""

_SLIMMEST = 1 / 6
"""A part that is slimmer than this is a line: a tube, a wire, the edge of a collimator."""

_NEAR_EDGE = 0.2
"""How far from an edge of the image a letter may stand, as a share of that side."""

_STEP = 0.3
"""Least difference of brightness within five pixels across the edge of a letter, as a share of the image's range."""

_SOFT_SHARE = 25
"""Percentage of a letter's outline that may be softer, where it touches other letters or bone."""

_MARGIN = 0.01
"""What is added around a letter on each side, as a share of the longer side."""


def text_mask(image: np.ndarray) -> np.ndarray | None:
    """Find letters burned into a radiograph.

    Args:
        image: Shape ``(H, W)``, in [0, 1], air dark.

    Returns:
        Boolean, shape ``(H, W)``: boxes around letters, False all over where there are none; None of an image that is
        smaller than :data:`SMALLEST_SIDE`.

    Raises:
        ShapeError: If the image has another shape.
    """
    if image.ndim != 2:
        raise ShapeError(f"image has shape {image.shape}, expected (H, W)")
    if max(image.shape) < SMALLEST_SIDE:
        return None
    shades = _stretched(_at_working_size(image.astype(np.float32)))
    _, labels, boxes, _ = cv2.connectedComponentsWithStats(_thin_and_bright(shades), connectivity=8)
    steps = cv2.morphologyEx(shades, cv2.MORPH_GRADIENT, np.ones((5, 5), np.uint8))
    mask = np.zeros(shades.shape, np.uint8)
    margin = max(1, round(_MARGIN * max(shades.shape)))
    for number, (x, y, width, height, _) in enumerate(boxes[1:], start=1):
        if not _has_size_and_place_of_letter(x, y, width, height, shades.shape):
            continue
        window = slice(y, y + height), slice(x, x + width)
        part = labels[window] == number
        if np.median(shades[window][part]) >= _BRIGHT[1] and _is_sharp(part, steps[window]):
            mask[max(0, y - margin) : y + height + margin, max(0, x - margin) : x + width + margin] = 1
    return cv2.resize(mask, image.shape[::-1], interpolation=cv2.INTER_NEAREST).astype(bool)


def _at_working_size(image: np.ndarray) -> np.ndarray:
    scale = WORKING_SIDE / max(image.shape)
    if scale >= 1:
        return image
    size = tuple(max(1, round(side * scale)) for side in image.shape[::-1])
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA)


def _stretched(image: np.ndarray) -> np.ndarray:
    """Spread the brightness over [0, 1]; an image of one shade is 0 all over."""
    low, high = float(image.min()), float(image.max())
    return np.clip((image - low) / (high - low), 0, 1) if high > low else np.zeros_like(image)


def _thin_and_bright(shades: np.ndarray) -> np.ndarray:
    """Return 1 where the image is bright, and brighter than what is wider than a stroke."""
    width = max(3, round(_STROKE * max(shades.shape)) | 1)
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (width, width))
    rise = cv2.morphologyEx(shades, cv2.MORPH_TOPHAT, disc, borderType=cv2.BORDER_CONSTANT, borderValue=0)
    return ((rise > _RISE) & (shades > _BRIGHT[0])).astype(np.uint8)


def _has_size_and_place_of_letter(x: int, y: int, width: int, height: int, shape: tuple[int, int]) -> bool:
    rows, columns = shape
    short, long = sorted((width, height))
    smallest, largest = _LETTER
    across, down = (x + width / 2) / columns, (y + height / 2) / rows
    near_edge = min(across, 1 - across, down, 1 - down) < _NEAR_EDGE
    return near_edge and smallest <= long / max(shape) <= largest and short >= _SLIMMEST * long


def _is_sharp(part: np.ndarray, steps: np.ndarray) -> bool:
    """Tell whether the brightness jumps at nearly all of a part's outline."""
    padded = np.pad(part.astype(np.uint8), 1)
    outline = (padded - cv2.erode(padded, np.ones((3, 3), np.uint8)))[1:-1, 1:-1] > 0
    return float(np.percentile(steps[outline], _SOFT_SHARE)) >= _STEP
