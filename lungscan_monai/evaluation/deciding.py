"""What the decisions on the test cases are worth: net benefit, errors among the surest cases, and sets of labels."""

from __future__ import annotations

from typing import Any

import numpy as np

from lungscan_monai.errors import NotComputableError
from lungscan_monai.evaluation.estimates import computed, rounded, with_interval
from lungscan_monai.evaluation.predictions import Predictions, Target
from lungscan_monai.metrics.conformal import prediction_sets, smallest_probability
from lungscan_monai.metrics.curves import thinned
from lungscan_monai.metrics.decision_curve import net_benefit
from lungscan_monai.metrics.draws import Draws
from lungscan_monai.metrics.scaling import log_odds
from lungscan_monai.metrics.selective import risk_coverage

THRESHOLD_PROBABILITIES = np.round(np.linspace(0.02, 0.98, 49), 2)
"""Threshold probabilities of the decision curve."""

COVERAGES = np.array([1.0, 0.9, 0.8, 0.5])
"""Shares of answered cases at which the risk is reported."""

_MAX_POINTS = 200


class DecisionCurve:
    """Net benefit of one label over `THRESHOLD_PROBABILITIES`, beside that of treating all and treating nobody.

    Args:
        target: Labels and calibrated probabilities of the test cases.
    """

    def __init__(self, target: Target) -> None:
        self._target = target

    def columns(self, weights: np.ndarray) -> np.ndarray:
        """Return the net benefit at each threshold for weights ``(n_some, n_cases)``."""
        if np.isnan(self._target.y_true).all():
            return np.full((len(weights), THRESHOLD_PROBABILITIES.size), np.nan)
        return net_benefit(self._target.y_true, self._target.y_score, THRESHOLD_PROBABILITIES, weights)

    def entry(self, draws: Draws) -> dict[str, Any]:
        """Return the points of the curve with its pointwise 95 % band."""
        return computed(lambda: self._points(draws))

    def _points(self, draws: Draws) -> dict[str, Any]:
        y_true = self._target.y_true
        all_treated = net_benefit(y_true, np.ones(y_true.size), THRESHOLD_PROBABILITIES)
        low, high = np.nanquantile(draws.resampled, [0.025, 0.975], axis=0)
        return {
            "thresholds": THRESHOLD_PROBABILITIES.tolist(),
            "net_benefit": [rounded(value) for value in draws.point],
            "low": [rounded(value) for value in low],
            "high": [rounded(value) for value in high],
            "treat_all": [rounded(value) for value in all_treated],
            "treat_none": 0.0,
        }


class SelectivePrediction:
    """Errors among the cases that the model is surest of.

    Args:
        y_true: 1.0, 0.0 or NaN (not assessed), shape ``(n_cases,)``; for exclusive classes ones.
        called: Whether each case is called positive; for exclusive classes whether the class named is right.
        confidence: How sure the model is, shape ``(n_cases,)``.
        means: What the confidence is, in words.
    """

    def __init__(self, y_true: np.ndarray, called: np.ndarray, confidence: np.ndarray, means: str) -> None:
        self._means = means
        self._reason: NotComputableError | None = None
        try:
            self._curve = risk_coverage(y_true, called, confidence)
        except NotComputableError as error:
            self._reason = error

    def columns(self, weights: np.ndarray) -> np.ndarray:
        """Return area under the curve and risk at `COVERAGES` for weights ``(n_some, n_cases)``."""
        if self._reason is not None:
            return np.full((len(weights), 1 + COVERAGES.size), np.nan)
        return self._curve.scores(weights, COVERAGES)

    def entry(self, draws: Draws) -> dict[str, Any]:
        """Return the area under the risk-coverage curve, the risk at some coverages, and points of the curve."""
        return computed(lambda: self._measured(draws))

    def _measured(self, draws: Draws) -> dict[str, Any]:
        if self._reason is not None:
            raise self._reason
        coverage, risk = self._curve.curve()
        shown = thinned(coverage, risk, _MAX_POINTS)
        risks = [with_interval(draws.point[index], draws.column(index)) for index in range(1, 1 + COVERAGES.size)]
        return {
            "confidence": self._means,
            "aurc": with_interval(draws.point[0], draws.column(0)),
            "risk_at": [
                {"coverage": share, "risk": risk} for share, risk in zip(COVERAGES.tolist(), risks, strict=True)
            ],
            "curve": {
                "coverage": [rounded(value) for value in coverage[shown]],
                "risk": [rounded(value) for value in risk[shown]],
            },
        }


def selective_label(target: Target, called: np.ndarray, threshold: float) -> SelectivePrediction:
    """Return the selective prediction of one label: the surer, the farther from its threshold."""
    distance = np.abs(log_odds(target.y_score) - log_odds(np.array(threshold)))
    return SelectivePrediction(target.y_true, called, distance, "distance of the log-odds from the threshold")


def selective_classes(y_true: np.ndarray, probabilities: np.ndarray) -> SelectivePrediction:
    """Return the selective prediction of exclusive classes: the surer, the higher the highest probability."""
    right = probabilities.argmax(axis=1) == y_true
    return SelectivePrediction(np.ones(y_true.size), right, probabilities.max(axis=1), "highest probability")


class PredictionSets:
    """Sets of labels with a stated coverage: fitted on one section, measured on the test cases.

    Args:
        fitted_on: Class indices and probabilities ``(n_cases, n_classes)`` to fit on; None where there are none.
        tested: The same of the test cases; index -1 marks "not assessed".
        names: Names of the classes.
        coverage: Share of sets that shall hold the reference label, in (0, 1).
    """

    def __init__(
        self,
        fitted_on: tuple[np.ndarray, np.ndarray] | None,
        tested: tuple[np.ndarray, np.ndarray],
        names: tuple[str, ...],
        coverage: float,
    ) -> None:
        self._names, self._coverage = names, coverage
        self._y_true, probabilities = tested
        self._reason: NotComputableError | None = None
        try:
            if fitted_on is None:
                raise NotComputableError("there is no section to fit it on")
            self._smallest = smallest_probability(*fitted_on, coverage)
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
        facts = {"stated_coverage": self._coverage, "smallest_probability": self._smallest, "fitted_cases": self._n}
        return facts | named | {"coverage_by_class": by_class}

    @staticmethod
    def _estimate(draws: Draws, index: int) -> dict[str, Any]:
        def measured() -> dict[str, Any]:
            if np.isnan(draws.point[index]):
                raise NotComputableError("there is no such case")
            return with_interval(draws.point[index], draws.column(index))

        return computed(measured)


def sets_of_classes(fitted_on: Predictions | None, tested: Predictions, coverage: float) -> PredictionSets:
    """Return the prediction sets of exclusive classes."""
    fit = None if fitted_on is None else (fitted_on.y_true, fitted_on.probabilities)
    return PredictionSets(fit, (tested.y_true, tested.probabilities), tested.label_names, coverage)


def sets_of_finding(fitted_on: Target | None, tested: Target, coverage: float) -> PredictionSets:
    """Return the prediction sets of one finding: absent, present, both or none."""
    fit = None
    if fitted_on is not None:
        y_true, probabilities = _two_classes(fitted_on)
        fit = (y_true[y_true >= 0], probabilities[y_true >= 0])
    return PredictionSets(fit, _two_classes(tested), ("absent", "present"), coverage)


def _two_classes(target: Target) -> tuple[np.ndarray, np.ndarray]:
    y_true = np.where(np.isnan(target.y_true), -1, target.y_true).astype(np.int64)
    return y_true, np.column_stack([1 - target.y_score, target.y_score])
