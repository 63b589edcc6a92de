"""What deciding by a model is worth on the test cases, over all threshold probabilities."""

from __future__ import annotations

from typing import Any

import numpy as np

from lungscan_monai.evaluation.estimates import computed, rounded
from lungscan_monai.evaluation.predictions import Target
from lungscan_monai.metrics.decision_curve import net_benefit
from lungscan_monai.metrics.draws import Draws

THRESHOLD_PROBABILITIES = np.round(np.linspace(0.02, 0.98, 49), 2)
"""Threshold probabilities of the decision curve."""


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
