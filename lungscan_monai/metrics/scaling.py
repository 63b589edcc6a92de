"""Calibrated probabilities: a scaling of the log-odds that was fitted on cases the model had not learned from.

One finding, or the positive class of two: slope and intercept. Exclusive classes: one temperature for all; the slope is
its inverse. How they are fitted: :mod:`~lungscan_monai.metrics.scaling_fits`, which who only applies them is spared.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import expit, logit, softmax

from lungscan_monai.errors import NotComputableError, ShapeError

SMALLEST = 1e-15
"""Probabilities nearer to 0 or 1 are taken for this far from it, so that their log-odds are finite."""


@dataclass(frozen=True)
class Scaling:
    """``slope * log-odds + intercept``; what was not fitted leaves probabilities as they are, for the reason given.

    Args:
        label: The finding or positive class; None for exclusive classes together.
        slope: Above 0, so that the order of the cases stays.
        intercept: Added to the scaled log-odds.
        n: Cases that it was fitted on.
        reason: Why nothing was fitted, None where it was.

    Raises:
        NotComputableError: If the slope is not above 0, or a number is not finite.
    """

    label: str | None
    slope: float = 1.0
    intercept: float = 0.0
    n: int = 0
    reason: str | None = None

    def __post_init__(self) -> None:
        if not (np.isfinite([self.slope, self.intercept]).all() and self.slope > 0):
            raise NotComputableError(f"slope {self.slope} and intercept {self.intercept}: expected a slope above 0")


@dataclass(frozen=True)
class Calibration:
    """The scalings of a task.

    Args:
        kind: ``"binary"`` (one scaling, of the positive class), ``"multiclass"`` (one, of all classes) or
            ``"multilabel"`` (one for each finding).
        fitted_on: Name of the cases, for instance ``"validation"``.
        scalings: In the order of the labels.

    Raises:
        ShapeError: If exclusive classes do not have exactly one scaling.
    """

    kind: str
    fitted_on: str
    scalings: tuple[Scaling, ...]

    def __post_init__(self) -> None:
        if self.kind != "multilabel" and len(self.scalings) != 1:
            raise ShapeError(f"a {self.kind} calibration has one scaling, found {len(self.scalings)}")

    @property
    def changes_nothing(self) -> bool:
        """Whether nothing could be fitted."""
        return all(scaling.reason is not None for scaling in self.scalings)

    def apply(self, probabilities: np.ndarray) -> np.ndarray:
        """Return calibrated probabilities.

        Args:
            probabilities: As the network gives them, in [0, 1], shape ``(n_cases, n_labels)``; two columns for a binary
                task.

        Returns:
            The same shape, float64; each row of exclusive classes sums to 1.

        Raises:
            ShapeError: If there is not one column for each label.
        """
        raw = np.asarray(probabilities, dtype=np.float64)
        if self.kind == "multilabel" and raw.shape[-1] != len(self.scalings):
            raise ShapeError(f"probabilities have shape {raw.shape}, expected (n_cases, {len(self.scalings)})")
        if self.kind == "multiclass":
            return _tempered(raw, self.scalings[0])
        if self.kind == "binary":
            positive = _scaled(raw[:, 1], self.scalings[0])
            return np.column_stack([1 - positive, positive])
        return np.column_stack([_scaled(raw[:, index], scaling) for index, scaling in enumerate(self.scalings)])


def log_odds(probability: np.ndarray) -> np.ndarray:
    """Return the log-odds of probabilities, those of exactly 0 and 1 kept finite."""
    return logit(np.clip(probability, SMALLEST, 1 - SMALLEST))


def _scaled(probability: np.ndarray, scaling: Scaling) -> np.ndarray:
    if scaling.reason is not None:
        return probability
    return expit(scaling.slope * log_odds(probability) + scaling.intercept)


def _tempered(probabilities: np.ndarray, scaling: Scaling) -> np.ndarray:
    if scaling.reason is not None:
        return probabilities
    return softmax(scaling.slope * np.log(np.clip(probabilities, SMALLEST, None)), axis=-1)
