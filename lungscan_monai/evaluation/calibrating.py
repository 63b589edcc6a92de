"""Calibration of a task's probabilities: fitted on one section, applied to all, and its effect on the test cases."""

from __future__ import annotations

from dataclasses import asdict, replace
from functools import partial
from typing import Any

import numpy as np

from lungscan_monai.errors import NotComputableError
from lungscan_monai.evaluation.estimates import calibration_error, estimate, not_computable, with_interval
from lungscan_monai.evaluation.predictions import Predictions
from lungscan_monai.metrics.calibration import (
    brier_score,
    calibration_error_if_calibrated,
    expected_calibration_error,
)
from lungscan_monai.metrics.draws import Draws
from lungscan_monai.metrics.scaling import Calibration, Scaling
from lungscan_monai.metrics.scaling_fits import fit_platt, fit_temperature

METHODS = {
    "binary": "Platt scaling (slope and intercept of the log-odds)",
    "multilabel": "Platt scaling of each finding (slope and intercept of the log-odds)",
    "multiclass": "temperature scaling (slope = 1 / temperature)",
}


def fit_calibration(predictions: Predictions, section: str) -> Calibration:
    """Fit a calibration on the cases of one section by maximum likelihood.

    Args:
        predictions: With the network's own probabilities.
        section: Name of the section; where no case is from it, nothing is fitted, and the scalings say so.
    """
    if section not in predictions.section_names:
        reason = f"there is no section {section!r} to fit it on"
        labels = [None] if predictions.kind == "multiclass" else [target.label for target in predictions.targets()]
        return Calibration(predictions.kind, section, tuple(Scaling(label, reason=reason) for label in labels))
    cases = predictions.section(section)
    if cases.kind == "multiclass":
        scalings = (fit_temperature(cases.y_true, cases.probabilities, cases.label_names),)
    else:
        scalings = tuple(fit_platt(*target) for target in cases.targets())
    return Calibration(cases.kind, section, scalings)


def calibrated(predictions: Predictions, calibration: Calibration) -> Predictions:
    """Return the predictions with calibrated probabilities; the network's own are kept beside them."""
    if calibration.changes_nothing:
        return predictions
    raw = predictions.probabilities
    return replace(predictions, probabilities=calibration.apply(raw), raw_probabilities=raw)


def calibration_facts(calibration: Calibration | None, kind: str) -> dict[str, Any]:
    """Return what the report says of the calibration itself."""
    if calibration is None:
        return {"applied": False, "method": None, "fitted_on": None, "scalings": [], "reason": "none was asked for"}
    facts = {"method": METHODS[kind], "fitted_on": calibration.fitted_on}
    scalings = [asdict(scaling) for scaling in calibration.scalings]
    reason = calibration.scalings[0].reason if calibration.changes_nothing else None
    return {"applied": not calibration.changes_nothing, **facts, "scalings": scalings, "reason": reason}


class CalibrationEffect:
    """Brier score and calibration error before the calibration, and how the calibration changed them.

    Args:
        y_true: 1.0, 0.0 or NaN (not assessed), shape ``(n_cases,)``; or whether the most probable class is right.
        before: The network's own probabilities, shape ``(n_cases,)``.
        after: The calibrated ones.
        seed: Of the errors that chance gives.
    """

    def __init__(self, y_true: np.ndarray, before: np.ndarray, after: np.ndarray, seed: int) -> None:
        self._before = (y_true, before)
        self._after = (y_true, after)
        self._seed = seed

    def columns(self, weights: np.ndarray) -> np.ndarray:
        """Return Brier score and error before, then their changes, for weights ``(n_some, n_cases)``."""
        if np.isnan(self._after[0]).all():
            return np.full((len(weights), 4), np.nan)
        before = [score(*self._before, weights) for score in (brier_score, expected_calibration_error)]
        after = [score(*self._after, weights) for score in (brier_score, expected_calibration_error)]
        return np.column_stack([*before, after[0] - before[0], after[1] - before[1]])

    def entry(self, draws: Draws) -> dict[str, Any]:
        """Return `before` and `change` (after minus before; below 0 is better) of `brier` and `ece`."""
        if np.isnan(draws.point).any():
            reason = not_computable(NotComputableError(f"no case is assessed ({self._after[0].size} given)"))
            return {"before": {"brier": reason, "ece": reason}, "change": {"brier": reason, "ece": reason}}
        known = self._before[1][~np.isnan(self._before[0])]
        by_chance = partial(calibration_error_if_calibrated, known, seed=self._seed)
        error = partial(expected_calibration_error, *self._before)
        return {
            "before": {
                "brier": estimate(partial(brier_score, *self._before), draws.column(0)),
                "ece": calibration_error(error, draws.column(1), by_chance),
            },
            "change": {
                name: with_interval(draws.point[index], draws.column(index))
                for name, index in (("brier", 2), ("ece", 3))
            },
        }
