"""Where the patient's sides are in an image: `PatientOrientation`, as stated or made of its direction cosines."""

from __future__ import annotations

import numpy as np
from pydicom import Dataset

_LEAST = 0.1
"""A direction that points less than so much (as a cosine) along an axis of the patient does not name it."""

_LETTERS = ("LR", "PA", "HF")
"""Ends of the patient's axes, the positive one first."""


def patient_orientation(header: Dataset) -> list[str]:
    """Return the directions of an image's rows and columns as `PatientOrientation` has them; empty where unknown.

    Source: PS3.3 C.7.6.1.1.1 and C.7.6.2.1.1.

    Example:
        >>> header = Dataset()
        >>> header.ImageOrientationPatient = [1, 0, 0, 0, 0, -1]
        >>> patient_orientation(header)
        ['L', 'F']
    """
    stated = header.get("PatientOrientation")
    if stated and len(stated) == 2 and not isinstance(stated, str):
        return [str(letters) for letters in stated]
    cosines = header.get("ImageOrientationPatient")
    if cosines is None or len(cosines) != 6:
        return []
    rows, columns = np.array(cosines, dtype=float).reshape(2, 3)
    return [_letters(rows), _letters(columns)]


def _letters(direction: np.ndarray) -> str:
    axes = np.argsort(-np.abs(direction), kind="stable")
    return "".join(_LETTERS[axis][int(direction[axis] < 0)] for axis in axes if abs(direction[axis]) >= _LEAST)
