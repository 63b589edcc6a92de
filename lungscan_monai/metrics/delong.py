"""DeLong's variance of the ROC AUC, and his test of two AUCs on the same cases.

DeLong, DeLong and Clarke-Pearson, Biometrics 1988; 44: 837-845, by midranks (Sun and Xu, IEEE Signal Process. Lett.
2014; 21: 1389-1393). Cases are taken as independent: where patients have several, the intervals are too narrow.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from scipy.stats import rankdata

from lungscan_monai.errors import NotComputableError
from lungscan_monai.metrics.cases import assessed

MIN_CASES = 2
"""Cases of each class that a variance needs."""


@dataclass(frozen=True)
class DelongEstimate:
    """An AUC, or the difference of two, with its standard error and Wald interval.

    Args:
        value: In [0, 1] for an AUC, in [-1, 1] for a difference.
        standard_error: Its standard error.
        low: Lower limit.
        high: Upper limit.
    """

    value: float
    standard_error: float
    low: float
    high: float


def delong_interval(y_true: np.ndarray, y_score: np.ndarray, level: float = 0.95) -> DelongEstimate:
    """Return the AUC with DeLong's interval, cut at 0 and 1.

    Args:
        y_true: Reference labels in {0, 1}, shape ``(n_cases,)``. NaN marks "not assessed" and is left out.
        y_score: Scores of the positive class, shape ``(n_cases,)``.
        level: Confidence level in (0, 1).

    Raises:
        ShapeError: If the arrays do not fit together.
        NotComputableError: If a class has fewer than two cases, or the variance is 0 (no two cases in the wrong order).
    """
    of_positives, of_negatives = _components(y_true, y_score)
    return _wald(float(of_positives.mean()), of_positives, of_negatives, level, 0.0)


def delong_difference(y_true: np.ndarray, first: np.ndarray, second: np.ndarray, level: float = 0.95) -> DelongEstimate:
    """Return the AUC of the second score minus that of the first, on the same cases.

    Args:
        y_true: Reference labels in {0, 1}, shape ``(n_cases,)``. NaN marks "not assessed" and is left out.
        first: Scores of the positive class, shape ``(n_cases,)``.
        second: Other scores of the same cases.
        level: Confidence level in (0, 1).

    Raises:
        ShapeError: If the arrays do not fit together.
        NotComputableError: If a class has fewer than two cases, or the variance is 0 (both scores rank alike).
    """
    pairs = zip(_components(y_true, second), _components(y_true, first), strict=True)
    of_positives, of_negatives = (ours - theirs for ours, theirs in pairs)
    return _wald(float(of_positives.mean()), of_positives, of_negatives, level, -1.0)


def two_sided_p(estimate: DelongEstimate) -> float:
    """Return the two-sided p value of a difference of 0."""
    return 2 * NormalDist().cdf(-abs(estimate.value) / estimate.standard_error)


def _components(y_true: np.ndarray, y_score: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the share of negatives below each positive, and of positives above each negative; ties count half."""
    labels, scores, _ = assessed(y_true, y_score)
    positives, negatives = scores[labels], scores[~labels]
    m, n = positives.size, negatives.size
    if min(m, n) < MIN_CASES:
        raise NotComputableError(f"{m} positive and {n} negative cases; a variance needs {MIN_CASES} of each")
    together = rankdata(np.concatenate([positives, negatives]))
    below = (together[:m] - rankdata(positives)) / n
    above = 1 - (together[m:] - rankdata(negatives)) / m
    return below, above


def _wald(
    value: float, of_positives: np.ndarray, of_negatives: np.ndarray, level: float, lowest: float
) -> DelongEstimate:
    variance = of_positives.var(ddof=1) / of_positives.size + of_negatives.var(ddof=1) / of_negatives.size
    if variance < 1e-24:
        raise NotComputableError("DeLong's variance is 0")
    error = float(np.sqrt(variance))
    half = NormalDist().inv_cdf((1 + level) / 2) * error
    return DelongEstimate(value, error, max(lowest, value - half), min(1.0, value + half))
