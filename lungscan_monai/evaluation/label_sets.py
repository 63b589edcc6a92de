"""Sets of labels with a stated coverage: fitted on one section, measured on the test cases."""

from __future__ import annotations

from typing import Any

import numpy as np

from lungscan_monai.errors import NotComputableError
from lungscan_monai.evaluation.estimates import computed, estimate, not_computable
from lungscan_monai.evaluation.predictions import Predictions, Target
from lungscan_monai.metrics.conformal import prediction_sets, smallest_by_class, smallest_probability
from lungscan_monai.metrics.draws import Draws

EACH_CLASS, ALL_CASES = "each class", "all cases together"
"""What the coverage is promised for."""

_SIZE = 1


class PredictionSets:
    """Sets of labels with a stated coverage: fitted on one section, measured on the test cases.

    Args:
        fitted_on: Class indices and probabilities ``(n_cases, n_classes)`` to fit on; None where there are none.
        tested: The same of the test cases; index -1 marks "not assessed".
        names: Names of the classes.
        coverage: Share of sets that shall hold the reference label, in (0, 1).
        clusters: Patient of each test case, as numbers, shape ``(n_cases,)``.
    """

    def __init__(
        self,
        fitted_on: tuple[np.ndarray, np.ndarray] | None,
        tested: tuple[np.ndarray, np.ndarray],
        names: tuple[str, ...],
        coverage: float,
        clusters: np.ndarray,
    ) -> None:
        self._names, self._coverage, self._clusters = names, coverage, clusters
        self._y_true, probabilities = tested
        self._reason: NotComputableError | None = None
        try:
            if fitted_on is None:
                raise NotComputableError("there is no section to fit it on")
            self._smallest, self._promised = _limits(*fitted_on, coverage)
            self._n = len(fitted_on[0])
        except NotComputableError as error:
            self._reason = error
        else:
            self._values = self._of_cases(prediction_sets(probabilities, self._smallest))

    def _of_cases(self, sets: np.ndarray) -> np.ndarray:
        """Return covered, size, one label, no label, then covered in each class (NaN elsewhere), for each case."""
        assessed = self._y_true >= 0
        covered = sets[np.arange(len(sets)), np.maximum(self._y_true, 0)].astype(np.float64)
        size = sets.sum(axis=1)
        of_classes = [np.where(self._y_true == index, covered, np.nan) for index in range(len(self._names))]
        values = np.column_stack([covered, size, size == 1, size == 0, *of_classes])
        values[~assessed] = np.nan
        return values

    def columns(self, weights: np.ndarray) -> np.ndarray:
        """Return the means of all values for weights ``(n_some, n_cases)``."""
        if self._reason is not None:
            return np.full((len(weights), 4 + len(self._names)), np.nan)
        known = ~np.isnan(self._values)
        total = weights @ known.astype(np.float64)
        sums = weights @ np.where(known, self._values, 0.0)
        return np.divide(sums, total, out=np.full(total.shape, np.nan), where=total > 0)

    def entry(self, draws: Draws) -> dict[str, Any]:
        """Return the limit that was fitted, and coverage and size of the sets of the test cases."""
        return computed(lambda: self._measured(draws))

    def _measured(self, draws: Draws) -> dict[str, Any]:
        if self._reason is not None:
            raise self._reason
        shown = [self._estimate(draws, index) for index in range(4 + len(self._names))]
        named = dict(zip(("coverage", "mean_size", "one_label", "no_label"), shown, strict=False))
        by_class = dict(zip(self._names, shown[4:], strict=True))
        limits = dict(zip(self._names, self._smallest.tolist(), strict=True))
        facts = {"stated_coverage": self._coverage, "promised_for": self._promised, "fitted_cases": self._n}
        facts["smallest_probability"] = limits
        return facts | named | {"coverage_by_class": by_class}

    def _estimate(self, draws: Draws, index: int) -> dict[str, Any]:
        value, known = float(draws.point[index]), ~np.isnan(self._values[:, index])
        if not known.any():
            return not_computable(NotComputableError("there is no such case"))
        n_patients = 0 if index == _SIZE else int(np.unique(self._clusters[known]).size)
        return estimate(lambda: value, draws.column(index), n_patients)


def _limits(y_true: np.ndarray, probabilities: np.ndarray, coverage: float) -> tuple[np.ndarray, str]:
    """Return the limit of each class and what the coverage is promised for; each class, if all have enough cases."""
    together = np.full(probabilities.shape[1], smallest_probability(y_true, probabilities, coverage))
    try:
        return smallest_by_class(y_true, probabilities, coverage), EACH_CLASS
    except NotComputableError:
        return together, ALL_CASES


def sets_of_classes(
    fitted_on: Predictions | None, tested: Predictions, coverage: float, clusters: np.ndarray
) -> PredictionSets:
    """Return the prediction sets of exclusive classes."""
    fit = None if fitted_on is None else (fitted_on.y_true, fitted_on.probabilities)
    return PredictionSets(fit, (tested.y_true, tested.probabilities), tested.label_names, coverage, clusters)


def sets_of_finding(fitted_on: Target | None, tested: Target, coverage: float, clusters: np.ndarray) -> PredictionSets:
    """Return the prediction sets of one finding: absent, present, both or none."""
    fit = None
    if fitted_on is not None:
        y_true, probabilities = _two_classes(fitted_on)
        fit = (y_true[y_true >= 0], probabilities[y_true >= 0])
    return PredictionSets(fit, _two_classes(tested), ("absent", "present"), coverage, clusters)


def _two_classes(target: Target) -> tuple[np.ndarray, np.ndarray]:
    y_true = np.where(np.isnan(target.y_true), -1, target.y_true).astype(np.int64)
    return y_true, np.column_stack([1 - target.y_score, target.y_score])
