"""What deciding by a model is worth at a threshold probability: net benefit.

Vickers and Elkin, Med. Decis. Making 2006; 26: 565-574.

The threshold probability says how many false alarms one found case is worth; net benefit counts found cases minus false
alarms at that rate, for each case. Treating nobody is worth 0.
"""

from __future__ import annotations

import numpy as np

from lungscan_monai.errors import NotComputableError
from lungscan_monai.metrics.cases import assessed, weights_of
from lungscan_monai.metrics.scores import ratio


def net_benefit(
    y_true: np.ndarray, probability: np.ndarray, thresholds: np.ndarray, weights: np.ndarray | None = None
) -> np.ndarray:
    """Return the net benefit of calling a case positive where its probability reaches a threshold.

    Args:
        y_true: Reference labels in {0, 1}, shape ``(n_cases,)``. NaN marks "not assessed" and is left out.
        probability: Calibrated probability of the positive class in [0, 1], shape ``(n_cases,)``; ones for treating
            all.
        thresholds: Threshold probabilities in (0, 1), shape ``(n_thresholds,)``.
        weights: How often each case counts, shape ``(n_cases,)`` or ``(n_resamples, n_cases)``; once each if None.

    Returns:
        Net benefit, at most the prevalence, shape ``(..., n_thresholds)``; NaN for a resample without any case.

    Raises:
        ShapeError: If the arrays do not fit together.
        NotComputableError: If no case was assessed, or a threshold is not inside (0, 1).

    Example:
        >>> net_benefit(np.array([0, 1, 1, 0]), np.array([.1, .9, .6, .7]), np.array([0.5])).tolist()
        [0.25]
    """
    labels, probability, kept = assessed(y_true, probability)
    if not ((thresholds > 0) & (thresholds < 1)).all():
        raise NotComputableError("threshold probabilities must lie between 0 and 1")
    worth = np.where(labels[:, None], 1.0, -thresholds / (1 - thresholds))
    weights = weights_of(weights, kept, len(y_true))
    gained = weights @ (worth * (probability[:, None] >= thresholds))
    total = np.repeat(weights.sum(axis=-1)[..., None], thresholds.size, axis=-1)
    return ratio(gained, total, "there is no case")
