"""The assessed cases of one label: reference labels and scores that were checked, without those not assessed."""

from __future__ import annotations

import numpy as np

from lungscan_monai.errors import NotComputableError, ShapeError


def assessed(y_true: np.ndarray, y_score: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Check labels and scores and leave out the cases that were not assessed.

    Args:
        y_true: Reference labels in {0, 1}, shape ``(n_cases,)``. NaN marks "not assessed" and is left out.
        y_score: Scores of the positive class, any finite range, shape ``(n_cases,)``.

    Returns:
        Labels (bool), scores (float64) and indices of the assessed cases, each of shape ``(n_assessed,)``.

    Raises:
        ShapeError: If the arrays differ in shape or are not one-dimensional.
        NotComputableError: If no case was assessed, a label is not 0, 1 or NaN, or a score is not finite.
    """
    y_true = np.asarray(y_true, dtype=np.float64)
    y_score = np.asarray(y_score, dtype=np.float64)
    if y_true.ndim != 1 or y_true.shape != y_score.shape:
        raise ShapeError(
            f"labels and scores have shapes {y_true.shape} and {y_score.shape}, expected two times (n_cases,)"
        )
    kept = np.flatnonzero(~np.isnan(y_true))
    if kept.size == 0:
        raise NotComputableError(f"no case is assessed ({y_true.size} given)")
    y_true, y_score = y_true[kept], y_score[kept]
    strange = np.unique(y_true[(y_true != 0) & (y_true != 1)])
    if strange.size:
        raise NotComputableError(f"reference labels must be 0, 1 or NaN, found {', '.join(map(str, strange[:5]))}")
    if not np.isfinite(y_score).all():
        raise NotComputableError(
            f"{int((~np.isfinite(y_score)).sum())} of {y_score.size} scores are not finite numbers"
        )
    return y_true == 1, y_score, kept


def weights_of(weights: np.ndarray | None, kept: np.ndarray, n_cases: int) -> np.ndarray:
    """Return the weights of the assessed cases.

    Args:
        weights: How often each case counts, shape ``(n_cases,)`` or ``(n_resamples, n_cases)``; once each if None.
        kept: Indices of the assessed cases.
        n_cases: Number of all cases.

    Returns:
        Weights, shape ``(..., n_assessed)``.

    Raises:
        ShapeError: If there is not one weight for each case.
    """
    if weights is None:
        return np.ones(kept.size)
    weights = np.asarray(weights)
    if weights.ndim not in (1, 2) or weights.shape[-1] != n_cases:
        raise ShapeError(f"weights have shape {weights.shape}, expected (..., {n_cases}), one for each case")
    return weights if kept.size == n_cases else weights[..., kept]
