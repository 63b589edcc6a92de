"""Curves over all thresholds: ROC and precision-recall.

A case is positive if ``score >= threshold``. Cases with equal scores are one step: their order never matters.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lungscan_monai.errors import NotComputableError
from lungscan_monai.metrics.cases import assessed


@dataclass(frozen=True, eq=False)
class ThresholdCounts:
    """How many cases are called positive at each threshold.

    Args:
        thresholds: The distinct scores, falling, shape ``(n_thresholds,)``.
        true_positives: Weight of the positive cases with ``score >= threshold``, shape ``(..., n_thresholds)``.
        false_positives: The same for the negative cases.
    """

    thresholds: np.ndarray
    true_positives: np.ndarray
    false_positives: np.ndarray

    @property
    def positives(self) -> np.ndarray:
        """Weight of all positive cases, shape ``(...)``."""
        return self.true_positives[..., -1]

    @property
    def negatives(self) -> np.ndarray:
        """Weight of all negative cases, shape ``(...)``."""
        return self.false_positives[..., -1]


@dataclass(frozen=True, eq=False)
class RocCurve:
    """Points of a ROC curve from (0, 0) to (1, 1), all of shape ``(n_thresholds + 1,)``.

    The first threshold is infinite: there no case is called positive.
    """

    false_positive_rate: np.ndarray
    sensitivity: np.ndarray
    thresholds: np.ndarray


@dataclass(frozen=True, eq=False)
class PrecisionRecallCurve:
    """Points of a precision-recall curve by rising recall, all of shape ``(n_thresholds,)``."""

    recall: np.ndarray
    precision: np.ndarray
    thresholds: np.ndarray


@dataclass(frozen=True, eq=False)
class Ranking:
    """The cases of one label sorted once by falling score, to be counted under any weights.

    Args:
        cases: Indices of the assessed cases by falling score, shape ``(n_assessed,)``.
        positives: Ranks of the positive cases among them, rising.
        thresholds: Distinct scores, falling, shape ``(n_thresholds,)``.
        n_called: Number of cases with ``score >= threshold``, shape ``(n_thresholds,)``.
        n_positive: Number of positive cases with ``score >= threshold``, shape ``(n_thresholds,)``.
    """

    cases: np.ndarray
    positives: np.ndarray
    thresholds: np.ndarray
    n_called: np.ndarray
    n_positive: np.ndarray

    def counts(self, weights: np.ndarray) -> ThresholdCounts:
        """Count the cases called positive at each threshold, in as many passes as there are rows of weights, no sort.

        Args:
            weights: How often each case counts, shape ``(n_cases,)`` or ``(n_resamples, n_cases)``.
        """
        ranked = np.take(weights, self.cases, axis=-1)
        called = np.take(np.cumsum(ranked, axis=-1, dtype=np.float64), self.n_called - 1, axis=-1)
        up_to = np.zeros((*ranked.shape[:-1], self.positives.size + 1))
        np.cumsum(np.take(ranked, self.positives, axis=-1), axis=-1, out=up_to[..., 1:])
        true_positives = np.take(up_to, self.n_positive, axis=-1)
        return ThresholdCounts(self.thresholds, true_positives, called - true_positives)

    def condensed(self) -> Ranking:
        """Return the ranking with one threshold for each run of negative cases: same areas, same curve, less work."""
        gains = np.diff(self.n_positive, prepend=0) > 0
        needed = np.append(gains[:-1] | gains[1:], True)
        return Ranking(
            self.cases, self.positives, self.thresholds[needed], self.n_called[needed], self.n_positive[needed]
        )


def rank(y_true: np.ndarray, y_score: np.ndarray) -> Ranking:
    """Sort the assessed cases by falling score.

    Args:
        y_true: Reference labels in {0, 1}, shape ``(n_cases,)``. NaN marks "not assessed" and is left out.
        y_score: Scores of the positive class, shape ``(n_cases,)``.

    Raises:
        ShapeError: If the arrays differ in shape or are not one-dimensional.
        NotComputableError: If no case was assessed, or a label or score is invalid.
    """
    labels, scores, kept = assessed(y_true, y_score)
    order = np.argsort(-scores, kind="stable")
    scores, labels = scores[order], labels[order]
    ends = np.append(np.flatnonzero(np.diff(scores)), scores.size - 1)
    return Ranking(kept[order], np.flatnonzero(labels), scores[ends], ends + 1, np.cumsum(labels)[ends])


def threshold_counts(y_true: np.ndarray, y_score: np.ndarray) -> ThresholdCounts:
    """Count the cases called positive at every distinct score; see :func:`rank`.

    Raises:
        ShapeError: If the arrays differ in shape or are not one-dimensional.
        NotComputableError: If no case was assessed, or a label or score is invalid.
    """
    return rank(y_true, y_score).counts(np.ones(np.shape(y_true)))


def roc_curve(y_true: np.ndarray, y_score: np.ndarray) -> RocCurve:
    """Return the ROC curve.

    Args:
        y_true: Reference labels in {0, 1}, shape ``(n_cases,)``. NaN marks "not assessed" and is left out.
        y_score: Scores of the positive class, shape ``(n_cases,)``.

    Raises:
        ShapeError: If the arrays do not fit together.
        NotComputableError: If only one class is present among the assessed cases.

    Example:
        >>> roc_curve(np.array([0, 0, 1, 1]), np.array([.1, .4, .35, .8])).sensitivity.tolist()
        [0.0, 0.5, 0.5, 1.0, 1.0]
    """
    counts = require_both_classes(threshold_counts(y_true, y_score))
    return RocCurve(
        np.append(0.0, counts.false_positives / counts.negatives),
        np.append(0.0, counts.true_positives / counts.positives),
        np.append(np.inf, counts.thresholds),
    )


def precision_recall_curve(y_true: np.ndarray, y_score: np.ndarray) -> PrecisionRecallCurve:
    """Return the precision-recall curve, without the point (0, 1) that no threshold gives.

    Args:
        y_true: Reference labels in {0, 1}, shape ``(n_cases,)``. NaN marks "not assessed" and is left out.
        y_score: Scores of the positive class, shape ``(n_cases,)``.

    Raises:
        ShapeError: If the arrays do not fit together.
        NotComputableError: If only one class is present among the assessed cases.
    """
    counts = require_both_classes(threshold_counts(y_true, y_score))
    called = counts.true_positives + counts.false_positives
    return PrecisionRecallCurve(
        counts.true_positives / counts.positives, counts.true_positives / called, counts.thresholds
    )


def require_both_classes(counts: ThresholdCounts) -> ThresholdCounts:
    """Return `counts` if they hold positive and negative cases.

    Raises:
        NotComputableError: If not.
    """
    if counts.positives == 0 or counts.negatives == 0:
        raise NotComputableError(
            f"only one class is present ({counts.positives:g} positive, {counts.negatives:g} negative cases)"
        )
    return counts


def sensitivity_at(counts: ThresholdCounts, false_positive_rates: np.ndarray) -> np.ndarray:
    """Read many ROC curves at given false positive rates, linear between their points.

    Args:
        counts: Of `n_resamples` curves, arrays of shape ``(n_resamples, n_thresholds)``.
        false_positive_rates: Rising, in [0, 1], shape ``(n_rates,)``.

    Returns:
        Sensitivity in [0, 1], shape ``(n_resamples, n_rates)``; NaN for a curve with one class only.
        At a vertical step the upper end is taken.
    """
    sensitivity = np.full((len(counts.positives), len(false_positive_rates)), np.nan)
    for row in np.flatnonzero((counts.positives > 0) & (counts.negatives > 0)):
        sensitivity[row] = np.interp(
            false_positive_rates,
            np.append(0.0, counts.false_positives[row] / counts.negatives[row]),
            np.append(0.0, counts.true_positives[row] / counts.positives[row]),
        )
    return sensitivity


def thinned(x: np.ndarray, y: np.ndarray, max_points: int) -> np.ndarray:
    """Choose points of a curve for drawing: its corners or, if they are too many, points evenly spaced along it.

    Args:
        x: Abscissa, shape ``(n_points,)``.
        y: Ordinate, shape ``(n_points,)``.
        max_points: At least 2.

    Returns:
        Rising indices of at most `max_points` points, both ends among them.
    """
    dx, dy = np.diff(x), np.diff(y)
    turns = np.abs(dx[:-1] * dy[1:] - dx[1:] * dy[:-1]) > 1e-12
    corners = np.flatnonzero(np.concatenate([[True], turns, [True]])[: x.size])
    if corners.size <= max_points:
        return corners
    length = np.append(0.0, np.cumsum(np.abs(np.diff(x)) + np.abs(np.diff(y))))
    return np.unique(np.searchsorted(length, np.linspace(0.0, length[-1], max_points)))
