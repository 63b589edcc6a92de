"""The scaling of a task's probabilities, fitted by maximum likelihood.

One finding, or the positive class of two: slope and intercept (Platt, Advances in Large Margin Classifiers, 1999, with
his smoothed targets, which keep the likelihood's maximum finite where the cases are separated). Exclusive classes: one
temperature for all (Guo et al., ICML 2017); the slope is its inverse.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.optimize import minimize, minimize_scalar
from scipy.special import expit, log_softmax

from lungscan_monai.errors import NotComputableError
from lungscan_monai.metrics.cases import assessed
from lungscan_monai.metrics.scaling import SMALLEST, Scaling, log_odds

MIN_CASES = 50
"""Cases that a fit needs."""

MIN_OF_A_CLASS = 5
"""Cases of each class that a fit needs."""

_MAX_LOG_SLOPE = 3.0


def fit_platt(label: str, y_true: np.ndarray, probability: np.ndarray) -> Scaling:
    """Fit slope and intercept of one label by maximum likelihood.

    Args:
        label: Its name.
        y_true: Reference labels in {0, 1}, shape ``(n_cases,)``. NaN marks "not assessed" and is left out.
        probability: Probability of the positive class in [0, 1], shape ``(n_cases,)``.

    Returns:
        The scaling; one that changes nothing, with the reason, where the cases are too few or the slope is not above 0.

    Raises:
        ShapeError: If the arrays do not fit together.
    """
    try:
        labels, probability, _ = assessed(y_true, probability)
        _require_enough(labels.size, {"positive": int(labels.sum()), "negative": int((~labels).sum())})
        return _fitted_platt(label, labels, log_odds(probability))
    except NotComputableError as error:
        return Scaling(label, reason=str(error))


def fit_temperature(y_true: np.ndarray, probabilities: np.ndarray, label_names: Sequence[str]) -> Scaling:
    """Fit one temperature of exclusive classes by maximum likelihood.

    Args:
        y_true: Reference class indices, shape ``(n_cases,)``.
        probabilities: In [0, 1], shape ``(n_cases, n_classes)``.
        label_names: Names of the classes, for the reason where a class is too small.

    Returns:
        The scaling (slope = 1 / temperature); one that changes nothing, with the reason, where it cannot be fitted.
    """
    counts = np.bincount(y_true, minlength=len(label_names)).tolist()
    try:
        _require_enough(len(y_true), dict(zip(label_names, counts, strict=True)))
    except NotComputableError as error:
        return Scaling(None, reason=str(error))
    logits, rows = np.log(np.clip(probabilities, SMALLEST, None)), np.arange(len(y_true))

    def loss(log_slope: float) -> float:
        return -float(log_softmax(np.exp(log_slope) * logits, axis=1)[rows, y_true].mean())

    bounds = (-_MAX_LOG_SLOPE, _MAX_LOG_SLOPE)
    best = float(minimize_scalar(loss, bounds=bounds, method="bounded", options={"xatol": 1e-6}).x)
    if abs(best) > _MAX_LOG_SLOPE - 1e-3:
        return Scaling(None, reason="the likelihood has no maximum: the cases are told apart perfectly, or not at all")
    return Scaling(None, round(float(np.exp(best)), 6), 0.0, len(y_true))


def _require_enough(n_cases: int, counts: dict[str, int]) -> None:
    if n_cases < MIN_CASES:
        raise NotComputableError(f"{n_cases} cases are too few to fit a calibration, it needs {MIN_CASES}")
    few = [f"{count} of {name}" for name, count in counts.items() if count < MIN_OF_A_CLASS]
    if few:
        raise NotComputableError(
            f"a calibration needs {MIN_OF_A_CLASS} cases of each class, there are {', '.join(few)}"
        )


def _fitted_platt(label: str, labels: np.ndarray, odds: np.ndarray) -> Scaling:
    n_positive, n_negative = int(labels.sum()), int((~labels).sum())
    targets = np.where(labels, (n_positive + 1) / (n_positive + 2), 1 / (n_negative + 2))
    design = np.column_stack([odds, np.ones_like(odds)])

    def loss(parameters: np.ndarray) -> tuple[float, np.ndarray]:
        linear = design @ parameters
        value = np.mean(np.logaddexp(0, linear) - targets * linear)
        return float(value), design.T @ (expit(linear) - targets) / labels.size

    slope, intercept = minimize(loss, np.array([1.0, 0.0]), jac=True, method="BFGS", options={"gtol": 1e-8}).x
    if slope <= 0:
        raise NotComputableError(f"the fitted slope is {slope:.3g}: higher probabilities do not go with the finding")
    return Scaling(label, round(float(slope), 6), round(float(intercept), 6), int(labels.size))
