"""All statistics of one label, or of exclusive classes together, on the cases or on resamples of them.

Each class gives its statistics twice: by name for the cases themselves (a number, or NotComputableError), and as
columns for a stack of resamples (NaN where not defined), so that one pass over the resamples serves the whole report.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np

from lungscan_monai.metrics.calibration import brier_score, expected_calibration_error
from lungscan_monai.metrics.curves import Ranking, ThresholdCounts, rank, sensitivity_at, threshold_counts
from lungscan_monai.metrics.scores import (
    TABLE_SCORES,
    accuracy,
    area_under_precision_recall,
    area_under_roc,
    balanced_accuracy,
    cohen_kappa,
    confusion_at,
    confusion_matrix,
    mcc,
)

BAND_RATES = np.linspace(0.0, 1.0, 51)
"""False positive rates at which the ROC band is computed."""

LABEL_STATISTICS = ("roc_auc", "average_precision", *TABLE_SCORES, "brier", "ece")
"""Names of the statistics of one label."""

BOTH_CLASSES = ("roc_auc", "average_precision", "f1", "balanced_accuracy", "mcc")
"""Statistics that cannot be known better than the smaller class allows."""

SMALLER_CLASS = (*BOTH_CLASSES, "sensitivity")
"""Statistics whose mean over labels, or difference of two models, needs patients of both classes in each label."""

CELLS = slice(len(LABEL_STATISTICS), len(LABEL_STATISTICS) + 4)
"""Columns of a label's 2 x 2 table, row by row: true negatives, false positives, false negatives, true positives."""

BAND = slice(CELLS.stop, CELLS.stop + BAND_RATES.size)
"""Columns of a label's ROC curve at `BAND_RATES`."""


@dataclass(frozen=True, eq=False)
class LabelStatistics:
    """The statistics of one label.

    Args:
        y_true: 1.0, 0.0 or NaN (not assessed), shape ``(n_cases,)``.
        y_score: Probability in [0, 1], shape ``(n_cases,)``.
        called: Whether each case is called positive, shape ``(n_cases,)``.
    """

    y_true: np.ndarray
    y_score: np.ndarray
    called: np.ndarray

    def by_name(self) -> dict[str, Callable[[], float]]:
        """Return the statistics of `LABEL_STATISTICS`, ready to be computed.

        Raises:
            NotComputableError: If no case is assessed.
        """
        return self._by_name(threshold_counts(self.y_true, self.y_score), self.table(), None)

    def table(self, weights: np.ndarray | None = None) -> np.ndarray:
        """Return the 2 x 2 table of the assessed cases: rows are reference labels, columns calls.

        Raises:
            NotComputableError: If no case is assessed.
        """
        return confusion_at(self.y_true, self.called, 1, weights)

    @cached_property
    def _ranking(self) -> Ranking:
        return rank(self.y_true, self.y_score).condensed()

    def _by_name(
        self, counts: ThresholdCounts, table: np.ndarray, weights: np.ndarray | None
    ) -> dict[str, Callable[[], np.ndarray]]:
        return {
            "roc_auc": partial(area_under_roc, counts),
            "average_precision": partial(area_under_precision_recall, counts),
            **{name: partial(score, table) for name, score in TABLE_SCORES.items()},
            "brier": partial(brier_score, self.y_true, self.y_score, weights),
            "ece": partial(expected_calibration_error, self.y_true, self.y_score, weights),
        }

    def outcome_counts(self) -> dict[str, int]:
        """Count true and false, negative and positive calls among the assessed cases."""
        positive, negative, called = self.y_true == 1, self.y_true == 0, self.called
        outcomes = {
            "tn": negative & ~called,
            "fp": negative & called,
            "fn": positive & ~called,
            "tp": positive & called,
        }
        return {name: int(cases.sum()) for name, cases in outcomes.items()}

    def columns(self, weights: np.ndarray) -> np.ndarray:
        """Return all statistics, `CELLS` and `BAND` for weights ``(n_some, n_cases)``."""
        if np.isnan(self.y_true).all():
            empty = np.full((len(weights), BAND.stop), np.nan)
            empty[:, CELLS] = 0
            return empty
        counts, table = self._ranking.counts(weights), self.table(weights)
        values = [compute() for compute in self._by_name(counts, table, weights).values()]
        return np.column_stack([*values, table.reshape(-1, 4), sensitivity_at(counts, BAND_RATES)])


@dataclass(frozen=True, eq=False)
class PooledStatistics:
    """ROC AUC and average precision of all labels' cases put together, each label of each case counting as one.

    Args:
        y_true: 1.0, 0.0 or NaN (not assessed), shape ``(n_cases, n_labels)``.
        y_score: Probabilities in [0, 1], shape ``(n_cases, n_labels)``.
    """

    y_true: np.ndarray
    y_score: np.ndarray

    @cached_property
    def _ranking(self) -> Ranking:
        ranking = rank(self.y_true.ravel(), self.y_score.ravel()).condensed()
        cases = ranking.cases // self.y_true.shape[1]
        return Ranking(cases, ranking.positives, ranking.thresholds, ranking.n_called, ranking.n_positive)

    def columns(self, weights: np.ndarray) -> np.ndarray:
        """Return both for weights ``(n_some, n_cases)``."""
        if np.isnan(self.y_true).all():
            return np.full((len(weights), 2), np.nan)
        rows = [self._ranking.counts(row[None]) for row in weights]
        return np.concatenate([np.column_stack([area_under_roc(c), area_under_precision_recall(c)]) for c in rows])


@dataclass(frozen=True, eq=False)
class ClassStatistics:
    """The statistics of exclusive classes together; the predicted class is the one with the highest probability.

    Args:
        y_true: Class indices, shape ``(n_cases,)``.
        probabilities: In [0, 1], shape ``(n_cases, n_classes)``.
    """

    y_true: np.ndarray
    probabilities: np.ndarray

    @property
    def y_pred(self) -> np.ndarray:
        """Index of the most probable class, shape ``(n_cases,)``."""
        return self.probabilities.argmax(axis=1)

    @property
    def top_class(self) -> tuple[np.ndarray, np.ndarray]:
        """Whether the most probable class is the right one, and its probability, each of shape ``(n_cases,)``."""
        return (self.y_pred == self.y_true).astype(np.float64), self.probabilities.max(axis=1)

    def table(self, weights: np.ndarray | None = None) -> np.ndarray:
        """Return the confusion matrix: rows are reference classes, columns predicted ones."""
        return confusion_matrix(self.y_true, self.y_pred, self.probabilities.shape[1], weights)

    def by_name(self, weights: np.ndarray | None = None) -> dict[str, Callable[[], np.ndarray]]:
        """Return the statistics, ready to be computed."""
        table = self.table(weights)
        return {
            "accuracy": partial(accuracy, table),
            "balanced_accuracy": partial(balanced_accuracy, table),
            "mcc": partial(mcc, table),
            "kappa": partial(cohen_kappa, table),
            "ece_top_class": partial(expected_calibration_error, *self.top_class, weights),
        }

    def columns(self, weights: np.ndarray) -> np.ndarray:
        """Return all statistics for weights ``(n_some, n_cases)``."""
        return np.column_stack([compute() for compute in self.by_name(weights).values()])


@dataclass(frozen=True, eq=False)
class TableStatistics:
    """Some scores of the 2 x 2 table at a threshold.

    Args:
        y_true: 1.0, 0.0 or NaN (not assessed), shape ``(n_cases,)``.
        called: Whether each case is called positive, shape ``(n_cases,)``.
        names: Names of the scores, of `TABLE_SCORES`.
    """

    y_true: np.ndarray
    called: np.ndarray
    names: Sequence[str]

    def by_name(self) -> dict[str, Callable[[], float]]:
        """Return the scores, ready to be computed.

        Raises:
            NotComputableError: If no case is assessed.
        """
        table = confusion_at(self.y_true, self.called, 1)
        return {name: partial(TABLE_SCORES[name], table) for name in self.names}

    def columns(self, weights: np.ndarray) -> np.ndarray:
        """Return the scores for weights ``(n_some, n_cases)``."""
        if np.isnan(self.y_true).all():
            return np.full((len(weights), len(self.names)), np.nan)
        table = confusion_at(self.y_true, self.called, 1, weights)
        return np.column_stack([TABLE_SCORES[name](table) for name in self.names])
