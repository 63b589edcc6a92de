"""Thresholds chosen by a rule on given cases; a case is positive if ``score >= threshold``.

A threshold lies half-way between two scores, so that no case of those that it was chosen on lies exactly on it, and the
last bit of a score decides nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lungscan_monai.errors import NotComputableError
from lungscan_monai.metrics.curves import require_both_classes, threshold_counts

RULES = ("youden", "target_sensitivity", "target_specificity")


@dataclass(frozen=True)
class OperatingPoint:
    """A threshold, and what it gave on the cases that it was chosen on.

    Args:
        threshold: On the scale of the scores; a case is positive if ``score >= threshold``.
        rule: One of `RULES`.
        sensitivity: In [0, 1], on those cases.
        specificity: In [0, 1], on those cases.
        fitted_on: Name of those cases, for instance ``"validation"``.
        n: Number of those cases that were assessed.
        target: Required sensitivity or specificity in [0, 1]; None for ``"youden"``.

    Raises:
        NotComputableError: If a number is not finite, or a rate is outside [0, 1].
    """

    threshold: float
    rule: str
    sensitivity: float
    specificity: float
    fitted_on: str
    n: int
    target: float | None = None

    def __post_init__(self) -> None:
        if not np.isfinite(self.threshold):
            raise NotComputableError(f"threshold is {self.threshold}, expected a finite number")
        if not (0 <= self.sensitivity <= 1 and 0 <= self.specificity <= 1):
            raise NotComputableError(
                f"sensitivity {self.sensitivity} and specificity {self.specificity} must lie in [0, 1]"
            )


def youden_point(y_true: np.ndarray, y_score: np.ndarray, fitted_on: str = "") -> OperatingPoint:
    """Find the threshold with the highest ``sensitivity + specificity`` (Youden, Cancer 1950; 3: 32-35).

    Among equals the lowest threshold, which has the highest sensitivity.

    Args:
        y_true: Reference labels in {0, 1}, shape ``(n_cases,)``. NaN marks "not assessed" and is left out.
        y_score: Scores of the positive class, shape ``(n_cases,)``.
        fitted_on: Name of these cases.

    Raises:
        ShapeError: If the arrays do not fit together.
        NotComputableError: If only one class is present among the assessed cases.

    Example:
        >>> youden_point(np.array([0, 0, 1, 1]), np.array([.1, .4, .35, .8])).threshold
        0.225
    """
    return _best(y_true, y_score, "youden", None, fitted_on)


def specificity_at_sensitivity(
    y_true: np.ndarray, y_score: np.ndarray, min_sensitivity: float, fitted_on: str = ""
) -> OperatingPoint:
    """Find the threshold with the highest specificity among those reaching `min_sensitivity`.

    Args:
        y_true: Reference labels in {0, 1}, shape ``(n_cases,)``. NaN marks "not assessed" and is left out.
        y_score: Scores of the positive class, shape ``(n_cases,)``.
        min_sensitivity: Required sensitivity in [0, 1].
        fitted_on: Name of these cases.

    Raises:
        ShapeError: If the arrays do not fit together.
        NotComputableError: If only one class is present, or `min_sensitivity` is outside [0, 1].

    Example:
        >>> specificity_at_sensitivity(np.array([0, 0, 1, 1]), np.array([.1, .4, .35, .8]), 0.5).threshold
        0.6
    """
    return _best(y_true, y_score, "target_sensitivity", min_sensitivity, fitted_on)


def sensitivity_at_specificity(
    y_true: np.ndarray, y_score: np.ndarray, min_specificity: float, fitted_on: str = ""
) -> OperatingPoint:
    """Find the threshold with the highest sensitivity among those reaching `min_specificity`.

    Args:
        y_true: Reference labels in {0, 1}, shape ``(n_cases,)``. NaN marks "not assessed" and is left out.
        y_score: Scores of the positive class, shape ``(n_cases,)``.
        min_specificity: Required specificity in [0, 1].
        fitted_on: Name of these cases.

    Raises:
        ShapeError: If the arrays do not fit together.
        NotComputableError: If only one class is present, `min_specificity` is outside [0, 1], or it is reached only
            by calling no case positive.

    Example:
        >>> sensitivity_at_specificity(np.array([0, 0, 1, 1]), np.array([.1, .4, .35, .8]), 1.0).threshold
        0.6
    """
    return _best(y_true, y_score, "target_specificity", min_specificity, fitted_on)


def fit_operating_point(
    y_true: np.ndarray, y_score: np.ndarray, rule: str, target: float | None = None, fitted_on: str = ""
) -> OperatingPoint:
    """Find the threshold by the name of its rule; see the functions above.

    Args:
        y_true: Reference labels in {0, 1}, shape ``(n_cases,)``. NaN marks "not assessed" and is left out.
        y_score: Scores of the positive class, shape ``(n_cases,)``.
        rule: One of `RULES`.
        target: Required sensitivity or specificity in [0, 1]; None for ``"youden"``.
        fitted_on: Name of these cases.

    Raises:
        ShapeError: If the arrays do not fit together.
        NotComputableError: If the rule is unknown, its target is missing, or no threshold reaches it.
    """
    return _best(y_true, y_score, rule, target, fitted_on)


def require_rule(rule: str, target: float | None) -> None:
    """Check a rule and its target before any case is looked at.

    Raises:
        NotComputableError: If the rule is unknown, or its target is missing, not wanted, or outside [0, 1].
    """
    if rule not in RULES:
        raise NotComputableError(f"rule is {rule!r}, expected one of {', '.join(RULES)}")
    if (target is None) != (rule == "youden"):
        raise NotComputableError(f"rule {rule!r} with target {target}: give a target with target_... rules only")
    if target is not None and not 0 <= target <= 1:
        raise NotComputableError(f"target is {target}, expected a number in [0, 1]")


def _best(y_true: np.ndarray, y_score: np.ndarray, rule: str, target: float | None, fitted_on: str) -> OperatingPoint:
    require_rule(rule, target)
    counts = require_both_classes(threshold_counts(y_true, y_score))
    sensitivity = counts.true_positives / counts.positives
    specificity = (counts.negatives - counts.false_positives) / counts.negatives
    index = _index(sensitivity, specificity, rule, target)
    return OperatingPoint(
        _below(counts.thresholds, index),
        rule,
        float(sensitivity[index]),
        float(specificity[index]),
        fitted_on,
        int(counts.positives + counts.negatives),
        target,
    )


def _below(scores: np.ndarray, index: int) -> float:
    """Return a threshold between a score and the next lower one; under the lowest, as far as the next is above it."""
    score = float(scores[index])
    if scores.size == 1:
        return score
    gap = score - float(scores[index + 1]) if index + 1 < scores.size else float(scores[index - 1]) - score
    halfway = score - gap / 2
    if index + 1 == scores.size and score >= 0:
        return max(halfway, 0.0)
    return halfway if index + 1 == scores.size or halfway > scores[index + 1] else score


def _index(sensitivity: np.ndarray, specificity: np.ndarray, rule: str, target: float | None) -> int:
    """Thresholds fall along the arrays: sensitivity rises, specificity falls."""
    if rule == "youden":
        gain = np.round(sensitivity + specificity, 12)
        return int(np.flatnonzero(gain == gain.max())[-1])
    if rule == "target_sensitivity":
        return int(np.argmax(sensitivity >= target))
    reached = np.flatnonzero(specificity >= target)
    if reached.size == 0:
        raise NotComputableError(
            f"specificity {target:g} is reached only by calling no case positive: "
            "too many of the highest scores belong to negative cases"
        )
    best = sensitivity[reached] == sensitivity[reached].max()
    return int(reached[best][0])
