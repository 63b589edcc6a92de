"""From probabilities to the one label that a case is said to have."""

from __future__ import annotations

import numpy as np

DEFAULT_THRESHOLD = 0.5
"""Threshold of a binary task where no operating point was chosen."""


def leading_labels(probabilities: np.ndarray, kind: str, threshold: float = DEFAULT_THRESHOLD) -> np.ndarray:
    """Return the label that each case leads with.

    For exclusive classes this is the decision: by the threshold in a binary task, else the most probable class. Several
    findings have no single decision; the most probable one leads.

    Args:
        probabilities: In [0, 1], shape ``(n_cases, n_labels)``.
        kind: ``"binary"``, ``"multiclass"`` or ``"multilabel"``.
        threshold: Of a binary task: a case is positive (label 1) if its probability is at least this.

    Returns:
        Indices of labels, shape ``(n_cases,)``.

    Example:
        >>> leading_labels(np.array([[0.7, 0.3], [0.9, 0.1]]), "binary", threshold=0.3)
        array([1, 0])
    """
    if kind == "binary":
        return (probabilities[:, 1].astype(np.float64) >= threshold).astype(int)
    return probabilities.argmax(axis=1)
