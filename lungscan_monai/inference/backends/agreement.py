"""Does a backend answer as PyTorch does in float32: numbers within tolerances, and every decision the same.

Probabilities are what counts; but those of a sure network are near 0 or 1 whatever happens, so logits are compared too.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass

import numpy as np

TOLERANCES = {"float32": 1e-3, "bfloat16": 2e-2}
"""Largest difference of any probability that is accepted, by the precision of the backend."""

LOGIT_TOLERANCES = {"float32": 1e-3, "bfloat16": 5e-2}
"""Largest difference of any logit that is accepted, as a share of the largest logit (of 1 where all are smaller)."""


@dataclass(frozen=True, eq=False)
class Judged:
    """What some logits mean.

    Args:
        probabilities: Shape ``(n_cases, n_labels)``, in [0, 1], calibrated where the model is.
        decisions: One for each case: the label, or the findings called present.
    """

    probabilities: np.ndarray
    decisions: tuple[Hashable, ...]


Judge = Callable[[np.ndarray], Judged]
"""From logits ``(n_cases, num_outputs)`` to what they mean for the task."""


@dataclass(frozen=True)
class Agreement:
    """How far the answers of a backend are from those of PyTorch in float32.

    Args:
        largest_difference: Of any probability, in [0, 1]; infinite if one is not a number.
        logit_difference: Of any logit, as a share of the largest; infinite if one is not a number.
        changed_decisions: Cases that are decided otherwise.
        samples: Cases compared.
        precision: A name in :data:`TOLERANCES`.
    """

    largest_difference: float
    logit_difference: float
    changed_decisions: int
    samples: int
    precision: str

    @property
    def tolerance(self) -> float:
        """Largest difference of any probability that is accepted."""
        return TOLERANCES[self.precision]

    @property
    def holds(self) -> bool:
        """Whether the backend may be used."""
        near = self.logit_difference <= LOGIT_TOLERANCES[self.precision]
        return near and self.largest_difference <= self.tolerance and self.changed_decisions == 0

    @property
    def facts(self) -> dict[str, float]:
        """For records: `largest_difference` and `tolerance`."""
        return {"largest_difference": self.largest_difference, "tolerance": self.tolerance}

    def __str__(self) -> str:
        return (
            f"probabilities differ by up to {self.largest_difference:.2g} from PyTorch's in float32 (accepted: "
            f"{self.tolerance:g}), logits by {self.logit_difference:.2g} of their size (accepted: "
            f"{LOGIT_TOLERANCES[self.precision]:g}), and {self.changed_decisions} of {self.samples} decisions change"
        )


def compare(expected: np.ndarray, found: np.ndarray, judge: Judge, precision: str) -> Agreement:
    """Compare logits with those of PyTorch in float32.

    Args:
        expected: Of PyTorch, shape ``(n_cases, num_outputs)``.
        found: Of the backend, same shape.
        judge: What logits mean.
        precision: A name in :data:`TOLERANCES`.
    """
    reference, other = judge(expected), judge(found)
    changed = sum(one != two for one, two in zip(reference.decisions, other.decisions, strict=True))
    return Agreement(
        _largest_difference(reference.probabilities, other.probabilities),
        _largest_difference(expected, found) / max(1.0, float(np.max(np.abs(expected)))),
        changed,
        len(expected),
        precision,
    )


def _largest_difference(one: np.ndarray, other: np.ndarray) -> float:
    difference = float(np.max(np.abs(one - other)))
    return difference if np.isfinite(difference) else float("inf")
