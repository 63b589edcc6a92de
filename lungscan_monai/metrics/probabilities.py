"""From a network's logits to one probability for each label."""

from __future__ import annotations

import numpy as np
from scipy.special import expit, softmax


def label_probabilities(logits: np.ndarray, kind: str) -> np.ndarray:
    """Return the network's own probabilities.

    Args:
        logits: Shape ``(..., num_outputs)``.
        kind: ``"binary"`` (one logit), ``"multiclass"`` (softmax) or ``"multilabel"`` (a sigmoid each).

    Returns:
        Shape ``(..., n_labels)``, float64 (in float32 a sure model's probabilities would all be 1), in [0, 1]; for a
        binary task the two columns are ``1 - p`` and ``p``. A case's numbers do not depend on what stands beside it.

    Example:
        >>> label_probabilities(np.array([[0.0]]), "binary")
        array([[0.5, 0.5]])
    """
    exact = np.asarray(logits, dtype=np.float64)
    if kind == "multiclass":
        return softmax(exact, axis=-1)
    positive = expit(exact)
    return np.concatenate([1 - positive, positive], axis=-1) if kind == "binary" else positive
