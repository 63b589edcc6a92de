"""Curves of one label as lists of numbers that JSON can hold, thinned to what a figure can show."""

from __future__ import annotations

from typing import Any

import numpy as np

from lungscan_monai.evaluation.estimates import computed, rounded
from lungscan_monai.evaluation.predictions import Target
from lungscan_monai.evaluation.statistics import BAND_RATES
from lungscan_monai.metrics.calibration import reliability_curve
from lungscan_monai.metrics.curves import precision_recall_curve, roc_curve, thinned
from lungscan_monai.metrics.intervals import wilson_interval

_MAX_POINTS = 200
_N_HISTOGRAM_BINS = 20


def curve_points(target: Target, band_draws: np.ndarray, raw_score: np.ndarray | None = None) -> dict[str, Any]:
    """Return ROC (with its 95 % band), precision-recall and reliability curve and the histogram of the scores.

    Args:
        target: Labels and scores.
        band_draws: Sensitivity at `BAND_RATES` on each resample, NaN where not defined,
            shape ``(n_resamples, n_rates)``.
        raw_score: The network's own probabilities where the scores are calibrated, shape ``(n_cases,)``; they get a
            reliability curve of their own.

    Returns:
        Points by the name of the curve; ``{"not_computable": "because ..."}`` where the data define none.
    """
    raw = None if raw_score is None else Target(target.label, target.y_true, raw_score)
    return {
        "roc": computed(lambda: _roc_points(target, band_draws)),
        "precision_recall": computed(lambda: _precision_recall_points(target)),
        "reliability": computed(lambda: _reliability_points(target)),
        "reliability_before": None if raw is None else computed(lambda: _reliability_points(raw)),
        "histogram": _histogram(target),
    }


def _roc_points(target: Target, band_draws: np.ndarray) -> dict[str, Any]:
    curve = roc_curve(target.y_true, target.y_score)
    chosen = thinned(curve.false_positive_rate, curve.sensitivity, _MAX_POINTS)
    defined = band_draws[~np.isnan(band_draws).any(axis=1)]
    low, high = np.quantile(defined, [0.025, 0.975], axis=0) if len(defined) else ([], [])
    return {
        "false_positive_rate": _list(curve.false_positive_rate[chosen]),
        "sensitivity": _list(curve.sensitivity[chosen]),
        "thresholds": [None if np.isinf(value) else float(value) for value in curve.thresholds[chosen]],
        "band": {"false_positive_rate": _list(BAND_RATES[: len(low)]), "low": _list(low), "high": _list(high)},
    }


def _precision_recall_points(target: Target) -> dict[str, Any]:
    curve = precision_recall_curve(target.y_true, target.y_score)
    chosen = thinned(curve.recall, curve.precision, _MAX_POINTS)
    return {
        "recall": _list(curve.recall[chosen]),
        "precision": _list(curve.precision[chosen]),
        "thresholds": [float(value) for value in curve.thresholds[chosen]],
    }


def _reliability_points(target: Target) -> dict[str, Any]:
    curve = reliability_curve(target.y_true, target.y_score)
    limits = [
        wilson_interval(min(share * n, n), n)
        for share, n in zip(curve.observed, curve.n_cases.astype(float), strict=True)
    ]
    return {
        "mean_predicted": _list(curve.mean_predicted),
        "observed": _list(curve.observed),
        "low": [rounded(limit.low) for limit in limits],
        "high": [rounded(limit.high) for limit in limits],
        "cases": curve.n_cases.tolist(),
    }


def _histogram(target: Target) -> dict[str, Any]:
    edges = np.linspace(0.0, 1.0, _N_HISTOGRAM_BINS + 1)
    counts = {
        name: np.histogram(target.y_score[target.y_true == value], edges)[0].tolist()
        for name, value in (("positive", 1), ("negative", 0))
    }
    return {"edges": _list(edges), **counts}


def _list(values: np.ndarray) -> list[float]:
    return [rounded(value) for value in values]
