"""Does an input look like those that a model was validated on: the distance to its nearest neighbours among them.

Features are compared on the unit sphere, by the distance to the k-th nearest reference (Sun et al., Out-of-distribution
detection with deep nearest neighbors, ICML 2022). The limit is a high quantile of the distances that the validation
cases have to each other.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from lungscan_monai.errors import NotComputableError, ShapeError

NEIGHBOUR = 10
"""The neighbour whose distance counts."""

MAX_REFERENCES = 500
"""Features that are kept to compare with."""


@dataclass(frozen=True, eq=False)
class Familiarity:
    """References and limit that were fitted with one model.

    Args:
        references: Features of length 1, float16, shape ``(n_references, n_features)``.
        limit: Largest distance, in [0, 2], that counts as familiar.
        quantile: Share of the validation cases that lie within it, in (0, 1).
        n: Number of validation cases that it was fitted on.

    Raises:
        ShapeError: If the references are not a table, or are too few.
        NotComputableError: If the limit is not a number from 0 on.
    """

    references: np.ndarray
    limit: float
    quantile: float
    n: int

    def __post_init__(self) -> None:
        if self.references.ndim != 2 or len(self.references) < NEIGHBOUR:
            raise ShapeError(
                f"references have shape {self.references.shape}, expected at least {NEIGHBOUR} rows of features"
            )
        if not self.limit >= 0:
            raise NotComputableError(f"limit is {self.limit}, expected a distance from 0 on")

    def distances(self, features: np.ndarray) -> np.ndarray:
        """Return the distance of each case to its k-th nearest reference, in [0, 2].

        Args:
            features: Pooled features, shape ``(n_cases, n_features)``.

        Raises:
            ShapeError: If there are not as many features as the references have.
        """
        if features.ndim != 2 or features.shape[1] != self.references.shape[1]:
            raise ShapeError(f"features have shape {features.shape}, expected (n_cases, {self.references.shape[1]})")
        return _kth(_distances(features, self.references))


def fit_familiarity(features: np.ndarray, clusters: np.ndarray, quantile: float) -> Familiarity:
    """Choose references among the validation cases, and the limit.

    Args:
        features: Pooled features of the validation cases, shape ``(n_cases, n_features)``.
        clusters: Patient of each case, as numbers, shape ``(n_cases,)``: a patient's other images do not count as
            neighbours.
        quantile: Share of the cases that shall lie within the limit, in (0, 1).

    Raises:
        ShapeError: If the arrays do not fit together.
        NotComputableError: If the quantile is not inside (0, 1), or there are too few cases for it.
    """
    if features.ndim != 2 or clusters.shape != features.shape[:1]:
        raise ShapeError(f"features {features.shape} and patients {clusters.shape} must agree in n_cases")
    if not 0 < quantile < 1:
        raise NotComputableError(f"quantile is {quantile}, expected a number between 0 and 1, for instance 0.995")
    needed = math.ceil(1 / (1 - quantile) - 1e-6)
    if len(features) < needed:
        raise NotComputableError(f"{len(features)} cases are too few for a quantile of {quantile:g}, it needs {needed}")
    chosen = np.unique(np.linspace(0, len(features) - 1, MAX_REFERENCES).round().astype(int))
    references = _unit(features[chosen]).astype(np.float16)
    between = _distances(features, references)
    between[clusters[:, None] == clusters[chosen]] = np.inf
    own = _kth(between)
    if not np.isfinite(own).all():
        raise NotComputableError(f"too few patients: some case has fewer than {NEIGHBOUR} neighbours of other patients")
    return Familiarity(references, float(np.quantile(own, quantile, method="higher")), quantile, len(features))


def _unit(features: np.ndarray) -> np.ndarray:
    features = np.asarray(features, dtype=np.float32)
    return features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), np.finfo(np.float32).tiny)


def _distances(features: np.ndarray, references: np.ndarray) -> np.ndarray:
    cosines = _unit(features) @ _unit(references).T
    return np.sqrt(np.maximum(2 - 2 * cosines, 0.0))


def _kth(distances: np.ndarray) -> np.ndarray:
    return np.partition(distances, NEIGHBOUR - 1, axis=1)[:, NEIGHBOUR - 1]
