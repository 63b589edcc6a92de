"""Numbers that say how good a classifier is, for one sample or for many resamples at once.

Every function takes one table or curve and returns a number, or takes a stack of them (one for each resample) and
returns an array. A number that the data do not define raises :class:`~lungscan_monai.errors.NotComputableError`;
in an array, whose other entries are wanted, NaN marks it, and :mod:`~lungscan_monai.metrics.intervals` counts it.
"""

from __future__ import annotations

import numpy as np

from lungscan_monai.errors import NotComputableError, ShapeError
from lungscan_monai.metrics.cases import assessed, weights_of
from lungscan_monai.metrics.curves import ThresholdCounts, threshold_counts


def ratio(numerator: np.ndarray, denominator: np.ndarray, because: str) -> np.ndarray:
    """Divide where it is defined.

    Args:
        numerator: A number or an array.
        denominator: A number or an array of the same shape; where it is 0 the ratio is not defined.
        because: What is missing where the denominator is 0, for the error's message.

    Returns:
        A number, or an array with NaN where the ratio is not defined.

    Raises:
        NotComputableError: If a single number is asked for and the denominator is 0.
    """
    denominator = np.asarray(denominator, dtype=np.float64)
    if denominator.ndim == 0:
        if denominator == 0:
            raise NotComputableError(because)
        return float(numerator / denominator)
    undefined = np.full(denominator.shape, np.nan)
    return np.divide(numerator, denominator, out=undefined, where=denominator != 0)


def roc_auc(y_true: np.ndarray, y_score: np.ndarray) -> float:
    """Return the area under the ROC curve, ties counted half (Hanley and McNeil, Radiology 1982; 143: 29-36).

    Args:
        y_true: Reference labels in {0, 1}, shape ``(n_cases,)``. NaN marks "not assessed" and is left out.
        y_score: Scores of the positive class, shape ``(n_cases,)``.

    Raises:
        ShapeError: If the arrays do not fit together.
        NotComputableError: If only one class is present among the assessed cases.

    Example:
        >>> roc_auc(np.array([0, 0, 1, 1]), np.array([.1, .4, .35, .8]))
        0.75
    """
    return area_under_roc(threshold_counts(y_true, y_score))


def average_precision(y_true: np.ndarray, y_score: np.ndarray) -> float:
    """Return the average precision: precision at each threshold weighted by the recall gained there, not interpolated.

    Args:
        y_true: Reference labels in {0, 1}, shape ``(n_cases,)``. NaN marks "not assessed" and is left out.
        y_score: Scores of the positive class, shape ``(n_cases,)``.

    Raises:
        ShapeError: If the arrays do not fit together.
        NotComputableError: If only one class is present among the assessed cases.

    Example:
        >>> round(average_precision(np.array([0, 0, 1, 1]), np.array([.1, .4, .35, .8])), 4)
        0.8333
    """
    return area_under_precision_recall(threshold_counts(y_true, y_score))


def area_under_roc(counts: ThresholdCounts) -> np.ndarray:
    """Return the area under each ROC curve; see :func:`roc_auc`.

    Raises:
        NotComputableError: If there is one curve and it has one class only.
    """
    tp, fp = counts.true_positives, counts.false_positives
    area = tp[..., 0] * fp[..., 0] / 2
    area = area + np.sum((fp[..., 1:] - fp[..., :-1]) * (tp[..., 1:] + tp[..., :-1]), axis=-1) / 2
    return ratio(area, counts.positives * counts.negatives, _one_class(counts))


def area_under_precision_recall(counts: ThresholdCounts) -> np.ndarray:
    """Return the average precision of each curve; see :func:`average_precision`.

    Raises:
        NotComputableError: If there is one curve and it has one class only.
    """
    tp = counts.true_positives
    precision = tp / np.maximum(tp + counts.false_positives, np.finfo(np.float64).tiny)
    gained = tp[..., 0] * precision[..., 0] + np.sum((tp[..., 1:] - tp[..., :-1]) * precision[..., 1:], axis=-1)
    both = np.where(counts.negatives > 0, counts.positives, 0.0)
    return ratio(gained, both, _one_class(counts))


def _one_class(counts: ThresholdCounts) -> str:
    if counts.positives.ndim:
        return "only one class is present"
    return f"only one class is present ({counts.positives:g} positive, {counts.negatives:g} negative cases)"


def confusion_matrix(
    y_true: np.ndarray, y_pred: np.ndarray, n_classes: int, weights: np.ndarray | None = None
) -> np.ndarray:
    """Count the cases by reference class (rows) and predicted class (columns).

    Args:
        y_true: Reference class indices in ``0 .. n_classes - 1``, shape ``(n_cases,)``.
        y_pred: Predicted class indices, same range and shape.
        n_classes: Number of classes.
        weights: How often each case counts, shape ``(n_cases,)`` or ``(n_resamples, n_cases)``; once each if None.

    Returns:
        Counts, float64, shape ``(n_classes, n_classes)`` or ``(n_resamples, n_classes, n_classes)``.

    Raises:
        ShapeError: If the arrays do not fit together or an index is out of range.

    Example:
        >>> confusion_matrix(np.array([0, 0, 1]), np.array([0, 1, 1]), 2).tolist()
        [[1.0, 1.0], [0.0, 1.0]]
    """
    y_true, y_pred = np.asarray(y_true, dtype=np.int64), np.asarray(y_pred, dtype=np.int64)
    weights = np.ones(y_true.shape) if weights is None else np.asarray(weights)
    if y_true.ndim != 1 or y_true.shape != y_pred.shape or weights.shape[-1:] != y_true.shape:
        raise ShapeError(
            f"reference {y_true.shape}, predicted {y_pred.shape} and weights {weights.shape} must agree in n_cases"
        )
    if not np.isin(np.concatenate([y_true, y_pred]), np.arange(n_classes)).all():
        raise ShapeError(f"class indices must lie in 0 .. {n_classes - 1}")
    cells = y_true * n_classes + y_pred
    counts = weights @ np.eye(n_classes**2)[cells]
    return counts.reshape(*weights.shape[:-1], n_classes, n_classes)


def confusion_at(
    y_true: np.ndarray, y_score: np.ndarray, threshold: float, weights: np.ndarray | None = None
) -> np.ndarray:
    """Return the 2 x 2 table of calling a case positive if ``score >= threshold``; see :func:`confusion_matrix`.

    Args:
        y_true: Reference labels in {0, 1}, shape ``(n_cases,)``. NaN marks "not assessed" and is left out.
        y_score: Scores of the positive class, shape ``(n_cases,)``.
        threshold: On the scale of the scores.
        weights: How often each case counts; once each if None.

    Returns:
        ``[[true negatives, false positives], [false negatives, true positives]]``, shape ``(..., 2, 2)``.

    Raises:
        ShapeError: If the arrays do not fit together.
        NotComputableError: If no case was assessed, or a label or score is invalid.
    """
    labels, scores, kept = assessed(y_true, y_score)
    return confusion_matrix(labels, scores >= threshold, 2, weights_of(weights, kept, len(y_true)))


def sensitivity(table: np.ndarray) -> np.ndarray:
    """Return the share of the positive cases that are called positive, from tables of shape ``(..., 2, 2)``.

    Raises:
        NotComputableError: If there is one table and it has no positive case.
    """
    return ratio(table[..., 1, 1], table[..., 1, :].sum(axis=-1), "there is no positive case")


def specificity(table: np.ndarray) -> np.ndarray:
    """Return the share of the negative cases that are called negative, from tables of shape ``(..., 2, 2)``.

    Raises:
        NotComputableError: If there is one table and it has no negative case.
    """
    return ratio(table[..., 0, 0], table[..., 0, :].sum(axis=-1), "there is no negative case")


def ppv(table: np.ndarray) -> np.ndarray:
    """Return the positive predictive value (precision), from tables of shape ``(..., 2, 2)``.

    Raises:
        NotComputableError: If there is one table and no case is called positive.
    """
    return ratio(table[..., 1, 1], table[..., :, 1].sum(axis=-1), "no case is called positive")


def npv(table: np.ndarray) -> np.ndarray:
    """Return the negative predictive value, from tables of shape ``(..., 2, 2)``.

    Raises:
        NotComputableError: If there is one table and no case is called negative.
    """
    return ratio(table[..., 0, 0], table[..., :, 0].sum(axis=-1), "no case is called negative")


def f1(table: np.ndarray) -> np.ndarray:
    """Return the harmonic mean of sensitivity and positive predictive value, from tables of shape ``(..., 2, 2)``.

    Raises:
        NotComputableError: If there is one table and it has no positive case.
    """
    positive, called = table[..., 1, :].sum(axis=-1), table[..., :, 1].sum(axis=-1)
    return ratio(2 * table[..., 1, 1], np.where(positive > 0, positive + called, 0.0), "there is no positive case")


def accuracy(table: np.ndarray) -> np.ndarray:
    """Return the share of right calls, from tables of shape ``(..., n_classes, n_classes)``.

    Raises:
        NotComputableError: If there is one table and it is empty.
    """
    return ratio(np.trace(table, axis1=-2, axis2=-1), table.sum(axis=(-2, -1)), "there is no case")


def balanced_accuracy(table: np.ndarray) -> np.ndarray:
    """Return the mean over the classes of the share of right calls, from tables ``(..., n_classes, n_classes)``.

    Raises:
        NotComputableError: If there is one table and a class has no case.
    """
    cases = table.sum(axis=-1)
    recall_sum = np.sum(np.diagonal(table, axis1=-2, axis2=-1) / np.where(cases > 0, cases, 1.0), axis=-1)
    defined = np.where((cases > 0).all(axis=-1), float(table.shape[-1]), 0.0)
    return ratio(recall_sum, defined, "a class has no case")


def mcc(table: np.ndarray) -> np.ndarray:
    """Return the Matthews correlation, from tables of shape ``(..., n_classes, n_classes)``.

    For more than two classes the R_K of Gorodkin (Comput. Biol. Chem. 2004; 28: 367-374).

    Raises:
        NotComputableError: If there is one table and all cases are of one class, or are called one class.
    """
    total = table.sum(axis=(-2, -1))
    reference, predicted = table.sum(axis=-1), table.sum(axis=-2)
    covariance = np.trace(table, axis1=-2, axis2=-1) * total - np.sum(reference * predicted, axis=-1)
    spread = (total**2 - np.sum(reference**2, axis=-1)) * (total**2 - np.sum(predicted**2, axis=-1))
    return ratio(covariance, np.sqrt(spread), "all cases are of one class, or are called one class")


def cohen_kappa(table: np.ndarray) -> np.ndarray:
    """Return Cohen's kappa (Educ. Psychol. Meas. 1960; 20: 37-46), from tables ``(..., n_classes, n_classes)``.

    Raises:
        NotComputableError: If there is one table and chance alone would agree in every case.
    """
    total = table.sum(axis=(-2, -1))
    by_chance = np.sum(table.sum(axis=-1) * table.sum(axis=-2), axis=-1)
    agreed = np.trace(table, axis1=-2, axis2=-1) * total
    return ratio(agreed - by_chance, total**2 - by_chance, "all cases are of one class and are called that class")


TABLE_SCORES = {
    "sensitivity": sensitivity,
    "specificity": specificity,
    "ppv": ppv,
    "npv": npv,
    "f1": f1,
    "accuracy": accuracy,
    "balanced_accuracy": balanced_accuracy,
    "mcc": mcc,
}
"""The scores of a 2 x 2 table by name."""
