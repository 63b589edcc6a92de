"""From values of any unit to display shades in [0, 1]: VOI windows, and spreading the values present.

Mirrored values under a mirrored window give equal bits (a MONOCHROME1 picture and its MONOCHROME2 twin): the window is
moved into units of the values given, its centre held to 2**-20 of one step, and polarity is the sign of the distance to
that centre. Mirroring then flips signs and rounds nothing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from lungscan_monai.errors import DataError

VOI_FUNCTIONS = ("LINEAR", "LINEAR_EXACT", "SIGMOID")

_NARROWEST = 1e-30  # stands for a width of zero: a step from black to white


@dataclass(frozen=True)
class Window:
    """A VOI window (PS3.3 C.11.2.1.2 and C.11.2.1.3).

    Args:
        center: `WindowCenter`, in physical units (Hounsfield units for CT).
        width: `WindowWidth`, in the same units; at least 1 for LINEAR, above 0 otherwise.
        function: `VOILUTFunction`. LINEAR_EXACT maps ``center - width / 2`` to 0 and ``center + width / 2`` to 1;
            LINEAR, the default of DICOM files, does so with ``center - 0.5`` and ``width - 1``.

    Raises:
        DataError: If the width does not fit the function, a number is not finite, or the function is unknown.
    """

    center: float
    width: float
    function: str = "LINEAR_EXACT"

    def __post_init__(self) -> None:
        if self.function not in VOI_FUNCTIONS:
            raise DataError(f"window function is {self.function!r}, expected one of {', '.join(VOI_FUNCTIONS)}")
        least = "at least 1" if self.function == "LINEAR" else "above 0"
        wide_enough = self.width >= 1 if self.function == "LINEAR" else self.width > 0
        if not (math.isfinite(self.center) and math.isfinite(self.width) and wide_enough):
            raise DataError(f"window {self.center}/{self.width}: expected finite numbers and a width {least}")

    def shades(
        self, values: np.ndarray, slope: float = 1.0, intercept: float = 0.0, inverted: bool = False
    ) -> np.ndarray:
        """Map values to display shades.

        Args:
            values: Any shape; physical values are ``slope * values + intercept``.
            slope: Not zero.
            intercept: In physical units.
            inverted: Whether low physical values are bright.

        Returns:
            Shades in [0, 1], float32, same shape; NaN becomes 0.
        """
        linear = self.function == "LINEAR"
        center = ((self.center - 0.5 if linear else self.center) - intercept) / slope
        width = max((self.width - 1 if linear else self.width) / abs(slope), _NARROWEST)
        step = 2.0 ** (min(0, math.floor(math.log2(width))) - 20)
        distance = np.subtract(values, round(center / step) * step, dtype=np.float64)
        distance /= -width if inverted != (slope < 0) else width
        if values.dtype.kind == "f":
            distance[np.isnan(distance)] = -np.inf
        if self.function == "SIGMOID":
            return (0.5 + 0.5 * np.tanh(2 * distance)).astype(np.float32)  # = 1 / (1 + exp(-4 * distance))
        distance += 0.5
        return np.clip(distance, 0, 1, out=distance).astype(np.float32)


def spread(values: np.ndarray, present: np.ndarray, inverted: bool = False) -> np.ndarray:
    """Spread the values present over [0, 1].

    Args:
        values: Any shape and unit.
        present: Mask of the values that count; the others are mapped along with them and clipped.
        inverted: Whether low values are bright.

    Returns:
        Shades in [0, 1], float32, same shape; all 0 if fewer than two different values are present.
    """
    window = spreading_window(values, present)
    if window is None:
        return np.zeros(values.shape, np.float32)
    return window.shades(values, inverted=inverted)


def spreading_window(values: np.ndarray, present: np.ndarray | None = None) -> Window | None:
    """Return the window that spreads the values present over [0, 1]; None if fewer than two different ones are.

    Args:
        values: Any shape and unit.
        present: Mask of the values that count; None if all do.
    """
    counted = values if present is None else values[present]
    low, high = (float(counted.min()), float(counted.max())) if counted.size else (0.0, 0.0)
    return None if low == high else Window((low + high) / 2, high - low)
