"""The first half of JPEG 2000's 5/3 wavelet, lifted as the Standard writes it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

Rounding = Callable[[np.ndarray], np.ndarray]


def low_pass(values: np.ndarray, axis: int, rounded: Rounding = np.floor) -> np.ndarray:
    """Return every second value along an axis, lowered (ITU-T T.800 F.4.8.1, equations F-9 and F-10), float64."""
    lines = np.moveaxis(np.asarray(values, dtype=float), axis, 0)
    last = len(lines) - 1

    def line(number: int) -> np.ndarray:
        return lines[abs(number) if number <= last else 2 * last - number]

    def high(number: int) -> np.ndarray:
        return line(number) - rounded((line(number - 1) + line(number + 1)) / 2)

    low = [line(place) + rounded((high(place - 1) + high(place + 1) + 2) / 4) for place in range(0, last + 1, 2)]
    return np.moveaxis(np.stack(low), 0, axis)


def small_picture(values: np.ndarray, halvings: int) -> np.ndarray:
    """Return the small picture inside of a large one, ``(H, W)``; columns before rows (F.4.2)."""
    for _ in range(halvings):
        values = low_pass(low_pass(values, 0), 1)
    return values


def unrounded(values: np.ndarray, axis: int, halvings: int) -> np.ndarray:
    """Return what the small picture would be without rounding, along one axis; float64."""
    for _ in range(halvings):
        values = low_pass(values, axis, lambda fraction: fraction) - 0.5  # the 2 / 4 that rounding to nearest adds
    return values
