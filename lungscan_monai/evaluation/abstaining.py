"""How often a model errs on the test cases if it answers only those that it is surest of."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from lungscan_monai.errors import NotComputableError
from lungscan_monai.evaluation.estimates import computed, estimate, rounded, with_interval
from lungscan_monai.evaluation.predictions import Target
from lungscan_monai.metrics.curves import thinned
from lungscan_monai.metrics.draws import Draws
from lungscan_monai.metrics.scaling import log_odds
from lungscan_monai.metrics.selective import risk_coverage

COVERAGES = np.array([1.0, 0.9, 0.8, 0.5])
"""Shares of answered cases at which the risk is reported."""

_MAX_POINTS = 200


class SelectivePrediction:
    """Errors among the cases that the model is surest of.

    Args:
        y_true: 1.0, 0.0 or NaN (not assessed), shape ``(n_cases,)``; for exclusive classes ones.
        called: Whether each case is called positive; for exclusive classes whether the class named is right.
        confidence: How sure the model is, shape ``(n_cases,)``.
        clusters: Patient of each case, as numbers, shape ``(n_cases,)``.
        means: What the confidence is, in words.
    """

    def __init__(
        self, y_true: np.ndarray, called: np.ndarray, confidence: np.ndarray, clusters: np.ndarray, means: str
    ) -> None:
        self._clusters, self._means = clusters, means
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
        risks = [
            estimate(partial(float, draws.point[index]), draws.column(index), self._patients(share))
            for index, share in enumerate(COVERAGES, start=1)
        ]
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

    def _patients(self, share: float) -> int:
        """Count the patients among the surest cases."""
        answered = self._curve.cases[: int(np.ceil(share * self._curve.cases.size))]
        return int(np.unique(self._clusters[answered]).size)


def selective_label(target: Target, called: np.ndarray, threshold: float, clusters: np.ndarray) -> SelectivePrediction:
    """Return the selective prediction of one label: the surer, the farther from its threshold."""
    distance = np.abs(log_odds(target.y_score) - log_odds(np.array(threshold)))
    return SelectivePrediction(target.y_true, called, distance, clusters, "distance of the log-odds from the threshold")


def selective_classes(y_true: np.ndarray, probabilities: np.ndarray, clusters: np.ndarray) -> SelectivePrediction:
    """Return the selective prediction of exclusive classes: the surer, the higher the highest probability."""
    right = probabilities.argmax(axis=1) == y_true
    surest = probabilities.max(axis=1)
    return SelectivePrediction(np.ones(y_true.size), right, surest, clusters, "highest probability")
