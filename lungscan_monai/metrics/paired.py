"""Tests of two models on the same cases, and the correction for many tests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import binomtest

from lungscan_monai.errors import NotComputableError, ShapeError


@dataclass(frozen=True)
class Mcnemar:
    """McNemar's exact test (Psychometrika 1947; 12: 153-157): do two models err equally often on the same cases?

    Args:
        only_first: Cases that only the first model answers rightly.
        only_second: Cases that only the second model answers rightly.
        p: Two-sided p value, of the binomial distribution; cases are taken as independent.
    """

    only_first: int
    only_second: int
    p: float


def mcnemar(first_right: np.ndarray, second_right: np.ndarray) -> Mcnemar:
    """Compare the right answers of two models.

    Args:
        first_right: Whether the first model is right, bool, shape ``(n_cases,)``.
        second_right: The same of the second model.

    Raises:
        ShapeError: If the arrays differ in shape.
        NotComputableError: If there is no case that only one of them answers rightly.
    """
    if first_right.shape != second_right.shape or first_right.ndim != 1:
        raise ShapeError(
            f"answers have shapes {first_right.shape} and {second_right.shape}, expected two of (n_cases,)"
        )
    only_first = int((first_right & ~second_right).sum())
    only_second = int((second_right & ~first_right).sum())
    if only_first + only_second == 0:
        raise NotComputableError("both models answer the same cases rightly")
    return Mcnemar(only_first, only_second, float(binomtest(only_first, only_first + only_second).pvalue))


def holm(p_values: Sequence[float]) -> list[float]:
    """Correct p values of several tests so that one false alarm among them all stays rare.

    Holm, Scand. J. Stat. 1979; 6: 65-70.

    Example:
        >>> holm([0.01, 0.04, 0.03])
        [0.03, 0.06, 0.06]
    """
    order = np.argsort(p_values, kind="stable")
    factors = np.arange(len(p_values), 0, -1)
    stepped = np.minimum(1.0, np.maximum.accumulate(np.asarray(p_values)[order] * factors))
    corrected = np.empty(len(p_values))
    corrected[order] = stepped
    return corrected.tolist()
