"""Do the probabilities mean what they say: Brier score, expected calibration error, reliability curve.

Bins are of equal mass: their edges are the quantiles of the scores, so that each holds about as many cases; equal
scores share a bin.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lungscan_monai.errors import NotComputableError
from lungscan_monai.metrics.cases import assessed, weights_of
from lungscan_monai.metrics.scores import ratio

N_BINS = 10
"""Bins of the reliability curve and of the expected calibration error."""


@dataclass(frozen=True, eq=False)
class ReliabilityCurve:
    """Points of a reliability diagram by rising probability, all of shape ``(n_filled_bins,)``.

    Args:
        mean_predicted: Mean probability of the cases in the bin.
        observed: Share of positive cases in the bin.
        n_cases: Number of cases in the bin.
    """

    mean_predicted: np.ndarray
    observed: np.ndarray
    n_cases: np.ndarray


def brier_score(y_true: np.ndarray, probability: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
    """Return the mean squared difference of probability and label (Brier, Mon. Weather Rev. 1950; 78: 1-3).

    Args:
        y_true: Reference labels in {0, 1}, shape ``(n_cases,)``. NaN marks "not assessed" and is left out.
        probability: Probability of the positive class in [0, 1], shape ``(n_cases,)``.
        weights: How often each case counts, shape ``(n_cases,)`` or ``(n_resamples, n_cases)``; once each if None.

    Returns:
        A number, or one for each resample (NaN where it holds no assessed case).

    Raises:
        ShapeError: If the arrays do not fit together.
        NotComputableError: If no case was assessed, or a probability is outside [0, 1].

    Example:
        >>> brier_score(np.array([0, 1]), np.array([.5, 1.]))
        0.125
    """
    labels, probability, weights = _probabilities(y_true, probability, weights)
    return ratio(weights @ np.square(probability - labels), weights.sum(axis=-1), "there is no case")


def expected_calibration_error(
    y_true: np.ndarray, probability: np.ndarray, weights: np.ndarray | None = None, n_bins: int = N_BINS
) -> np.ndarray:
    """Return the mean over the cases of ``|observed - mean predicted|`` of their bin; bins of equal mass.

    Binned calibration error after Naeini, Cooper and Hauskrecht (AAAI 2015), with equal-mass bins (Nixon et al., 2019).
    For exclusive classes give "the top class is right" as label and its probability as probability.

    Args:
        y_true: Reference labels in {0, 1}, shape ``(n_cases,)``. NaN marks "not assessed" and is left out.
        probability: Probability of the positive class in [0, 1], shape ``(n_cases,)``.
        weights: How often each case counts, shape ``(n_cases,)`` or ``(n_resamples, n_cases)``; once each if None.
            The bins are those of the unweighted cases.
        n_bins: Number of bins asked for; ties may leave fewer.

    Returns:
        A number in [0, 1], or one for each resample (NaN where it holds no assessed case).

    Raises:
        ShapeError: If the arrays do not fit together.
        NotComputableError: If no case was assessed, or a probability is outside [0, 1].
    """
    labels, probability, weights = _probabilities(y_true, probability, weights)
    bins = _bin_index(probability, n_bins)
    gaps = (bins[:, None] == np.arange(n_bins)) * (labels - probability)[:, None]
    return ratio(np.abs(weights @ gaps).sum(axis=-1), weights.sum(axis=-1), "there is no case")


def calibration_error_if_calibrated(
    probability: np.ndarray, n_draws: int = 500, seed: int = 0, n_bins: int = N_BINS
) -> np.ndarray:
    """Return calibration errors that chance alone gives where every probability is true.

    Labels are drawn from the probabilities (consistency resampling: Broecker and Smith, Weather Forecast. 2007; 22:
    651-661). The plug-in error of a perfectly calibrated model is above 0, the more so the fewer the cases.

    Args:
        probability: Probabilities in [0, 1], shape ``(n_cases,)``.
        n_draws: Number of draws.
        seed: Of the random draw.
        n_bins: As for :func:`expected_calibration_error`.

    Returns:
        Calibration errors in [0, 1], shape ``(n_draws,)``.

    Raises:
        NotComputableError: If there is no case, or a probability is outside [0, 1].
    """
    _, probability, _ = _probabilities(np.zeros(np.shape(probability)), probability, None)
    rng = np.random.default_rng(seed)
    bins = _bin_index(probability, n_bins)
    gaps = [np.bincount(bins, (rng.random(bins.size) < probability) - probability) for _ in range(n_draws)]
    return np.abs(gaps).sum(axis=1) / bins.size


def reliability_curve(y_true: np.ndarray, probability: np.ndarray, n_bins: int = N_BINS) -> ReliabilityCurve:
    """Return the points of the reliability diagram; empty bins are left out.

    Args:
        y_true: Reference labels in {0, 1}, shape ``(n_cases,)``. NaN marks "not assessed" and is left out.
        probability: Probability of the positive class in [0, 1], shape ``(n_cases,)``.
        n_bins: Number of bins asked for; ties may leave fewer.

    Raises:
        ShapeError: If the arrays do not fit together.
        NotComputableError: If no case was assessed, or a probability is outside [0, 1].
    """
    labels, probability, _ = _probabilities(y_true, probability, None)
    bins = _bin_index(probability, n_bins)
    cases = np.bincount(bins, minlength=n_bins)
    filled = cases > 0
    return ReliabilityCurve(
        np.bincount(bins, probability, n_bins)[filled] / cases[filled],
        np.bincount(bins, labels, n_bins)[filled] / cases[filled],
        cases[filled],
    )


def _probabilities(
    y_true: np.ndarray, probability: np.ndarray, weights: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    labels, probability, kept = assessed(y_true, probability)
    if probability.min() < 0 or probability.max() > 1:
        raise NotComputableError(
            f"probabilities must lie in [0, 1], found {probability.min():g} .. {probability.max():g}; "
            "give probabilities, not logits"
        )
    return labels.astype(np.float64), probability, weights_of(weights, kept, len(y_true))


def _bin_index(probability: np.ndarray, n_bins: int) -> np.ndarray:
    edges = np.quantile(probability, np.linspace(0, 1, n_bins + 1))
    return np.searchsorted(edges[1:-1], probability)
