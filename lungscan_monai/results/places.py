"""Whether a slice says where it lies, so that a map can be laid over it."""

from __future__ import annotations

import math

from pydicom import Dataset

_NUMBERS = {"ImagePositionPatient": 3, "ImageOrientationPatient": 6, "PixelSpacing": 2}


def has_place(header: Dataset) -> bool:
    """Tell whether a single-frame image has a frame of reference, a place, a direction and a pixel spacing above 0."""
    if not header.get("FrameOfReferenceUID") or int(header.get("NumberOfFrames") or 1) != 1:
        return False
    found = {keyword: header.get(keyword) for keyword in _NUMBERS}
    if any(values is None or len(values) != _NUMBERS[keyword] for keyword, values in found.items()):
        return False
    numbers = [float(number) for values in found.values() for number in values]
    return all(map(math.isfinite, numbers)) and min(float(number) for number in header.PixelSpacing) > 0
