"""Does a backend answer as PyTorch does in float32: probabilities within a tolerance, and every decision the same."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass

import numpy as np

TOLERANCES = {"float32": 1e-3, "bfloat16": 2e-2}
"""Largest difference of any probability that is accepted, by the precision of the backend."""


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
        changed_decisions: Cases that are decided otherwise.
        samples: Cases compared.
        tolerance: Largest difference that is accepted.
    """

    largest_difference: float
    changed_decisions: int
    samples: int
    tolerance: float

    @property
    def holds(self) -> bool:
        """Whether the backend may be used."""
        return self.largest_difference <= self.tolerance and self.changed_decisions == 0

    @property
    def facts(self) -> dict[str, float]:
        """For records: `largest_difference` and `tolerance`."""
        return {"largest_difference": self.largest_difference, "tolerance": self.tolerance}

    def __str__(self) -> str:
        return (
            f"probabilities differ by up to {self.largest_difference:.2g} from PyTorch's in float32 (accepted: "
            f"{self.tolerance:g}), and {self.changed_decisions} of {self.samples} decisions change"
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
    difference = float(np.max(np.abs(reference.probabilities - other.probabilities)))
    changed = sum(one != two for one, two in zip(reference.decisions, other.decisions, strict=True))
    largest = difference if np.isfinite(difference) else float("inf")
    return Agreement(largest, changed, len(expected), TOLERANCES[precision])
