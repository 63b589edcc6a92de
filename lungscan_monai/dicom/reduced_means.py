"""Means over areas of a frame that its decoder made smaller."""

from __future__ import annotations

import numpy as np

from lungscan_monai.dicom.reduced import Reduction


def means_of_reduced(values: np.ndarray, reduction: Reduction, size: tuple[int, int]) -> np.ndarray:
    """Return the means over the areas of :func:`area_resize` of the frame that `values` were before its reduction."""
    down = _shares(reduction.rows, values.shape[0], size[0], reduction.halvings)
    across = _shares(reduction.columns, values.shape[1], size[1], reduction.halvings)
    return down @ values @ across.T


def _shares(full: int, reduced: int, count: int, halvings: int) -> np.ndarray:
    """Return how much each reduced line counts in each of `count` areas of the full lines: ``(count, reduced)``.

    Line i of the reduced ones lies on line ``i * 2**halvings`` of the full ones and stands for those around it.
    """
    numbers = np.arange(count)
    begin, end = numbers * full // count, -(-(numbers + 1) * full // count)
    begin, end = ((edge - 0.5) / 2**halvings + 0.5 for edge in (begin, end))
    first, last = np.arange(reduced, dtype=float), np.arange(1, reduced + 1, dtype=float)
    first[0], last[-1] = -np.inf, np.inf
    shared = np.minimum(end[:, None], last) - np.maximum(begin[:, None], first)
    return (np.clip(shared, 0, None) / (end - begin)[:, None]).astype(np.float32)
