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
from lungscan_monai.metrics.intervals import Bootstrap
from lungscan_monai.metrics.scores import (
    TABLE_SCORES,
    accuracy,
    area_under_precision_recall,
    area_under_roc,
    balanced_accuracy,
    confusion_at,
    confusion_matrix,
    mcc,
)

BAND_RATES = np.linspace(0.0, 1.0, 51)
"""False positive rates at which the ROC band is computed."""

LABEL_STATISTICS = ("roc_auc", "average_precision", *TABLE_SCORES, "brier", "ece")
"""Names of the statistics of one label."""


@dataclass(frozen=True, eq=False)
class LabelStatistics:
    """The statistics of one label at a threshold.

    Args:
        y_true: 1.0, 0.0 or NaN (not assessed), shape ``(n_cases,)``.
        y_score: Probability in [0, 1], shape ``(n_cases,)``.
        threshold: A case is called positive if ``score >= threshold``.
    """

    y_true: np.ndarray
    y_score: np.ndarray
    threshold: float

    def by_name(self) -> dict[str, Callable[[], float]]:
        """Return the statistics of `LABEL_STATISTICS`, ready to be computed.

        Raises:
            NotComputableError: If no case is assessed.
        """
        return self._by_name(threshold_counts(self.y_true, self.y_score), None)

    @cached_property
    def _ranking(self) -> Ranking:
        return rank(self.y_true, self.y_score).condensed()

    def _by_name(self, counts: ThresholdCounts, weights: np.ndarray | None) -> dict[str, Callable[[], np.ndarray]]:
        table = confusion_at(self.y_true, self.y_score, self.threshold, weights)
        return {
            "roc_auc": partial(area_under_roc, counts),
            "average_precision": partial(area_under_precision_recall, counts),
            **{name: partial(score, table) for name, score in TABLE_SCORES.items()},
            "brier": partial(brier_score, self.y_true, self.y_score, weights),
            "ece": partial(expected_calibration_error, self.y_true, self.y_score, weights),
        }

    def outcome_counts(self) -> dict[str, int]:
        """Count true and false, negative and positive calls among the assessed cases."""
        positive, called = self.y_true == 1, self.y_score >= self.threshold
        negative = self.y_true == 0
        outcomes = {
            "tn": negative & ~called,
            "fp": negative & called,
            "fn": positive & ~called,
            "tp": positive & called,
        }
        return {name: int(cases.sum()) for name, cases in outcomes.items()}

    def columns(self, weights: np.ndarray) -> np.ndarray:
        """Return all statistics, then the ROC curve at `BAND_RATES`, for weights ``(n_some, n_cases)``."""
        if np.isnan(self.y_true).all():
            return np.full((len(weights), len(LABEL_STATISTICS) + BAND_RATES.size), np.nan)
        counts = self._ranking.counts(weights)
        values = [compute() for compute in self._by_name(counts, weights).values()]
        return np.column_stack([*values, sensitivity_at(counts, BAND_RATES)])


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
            "ece_top_class": partial(expected_calibration_error, *self.top_class, weights),
        }

    def columns(self, weights: np.ndarray) -> np.ndarray:
        """Return all statistics for weights ``(n_some, n_cases)``."""
        return np.column_stack([compute() for compute in self.by_name(weights).values()])


def draws_of_all(statistics: Sequence[LabelStatistics | ClassStatistics], bootstrap: Bootstrap) -> list[np.ndarray]:
    """Compute the columns of all statistics on the same resamples, in one pass.

    Returns:
        For each entry of `statistics` an array of shape ``(n_resamples, n_columns)``.
    """
    n_cases = bootstrap.clusters.size
    widths = [entry.columns(np.ones((1, n_cases))).shape[1] for entry in statistics]
    draws = bootstrap.draws(lambda weights: np.concatenate([entry.columns(weights) for entry in statistics], axis=1))
    return np.split(draws, np.cumsum(widths)[:-1], axis=1)
