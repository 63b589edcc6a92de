"""Selective prediction: how often a model errs among the cases it is surest of (El-Yaniv and Wiener, JMLR 2010; 11:
1605-1641; area under the curve: Geifman, Uziel and El-Yaniv, ICLR 2019).

Coverage is the share of cases that are answered, risk the share of wrong answers among them. Cases of equal confidence
are answered together.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lungscan_monai.errors import NotComputableError
from lungscan_monai.metrics.cases import assessed
from lungscan_monai.metrics.scores import ratio


@dataclass(frozen=True, eq=False)
class RiskCoverage:
    """Cases by falling confidence, to be counted under any weights.

    Args:
        cases: Indices of the assessed cases by falling confidence, shape ``(n_assessed,)``.
        wrong: Whether the answer to each of them is wrong, float, same shape.
        ends: For each of them the last position of equal confidence, same shape.
    """

    cases: np.ndarray
    wrong: np.ndarray
    ends: np.ndarray

    def _counts(self, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return weight, answered and wrong up to each case's ties, each of shape ``(n_some, n_assessed)``."""
        ranked = np.take(weights, self.cases, axis=-1)
        answered = np.take(np.cumsum(ranked, axis=-1), self.ends, axis=-1)
        return ranked, answered, np.take(np.cumsum(ranked * self.wrong, axis=-1), self.ends, axis=-1)

    def curve(self) -> tuple[np.ndarray, np.ndarray]:
        """Return coverage, rising, and risk at each distinct confidence."""
        _, answered, wrong = self._counts(np.ones((1, self.cases.max() + 1)))
        chosen = np.unique(self.ends)
        return answered[0, chosen] / self.cases.size, wrong[0, chosen] / answered[0, chosen]

    def scores(self, weights: np.ndarray, coverages: np.ndarray) -> np.ndarray:
        """Return the area under the curve, then the risk at given coverages.

        Args:
            weights: How often each case counts, shape ``(n_some, n_cases)``.
            coverages: In (0, 1], shape ``(n_coverages,)``; the smallest coverage reached that is no less is taken.

        Returns:
            Shape ``(n_some, 1 + n_coverages)``; NaN for a resample without any case.
        """
        ranked, answered, wrong = self._counts(weights)
        total = answered[:, -1:]
        risk = wrong / np.maximum(answered, np.finfo(np.float64).tiny)
        at = [np.argmax(answered >= share * total - 1e-9, axis=1) for share in coverages]
        risks = np.take_along_axis(risk, np.column_stack(at), axis=1)
        values = np.column_stack([np.sum(ranked * risk, axis=1), risks * total])
        return ratio(values, np.repeat(total, values.shape[1], axis=1), "there is no case")


def risk_coverage(y_true: np.ndarray, called: np.ndarray, confidence: np.ndarray) -> RiskCoverage:
    """Sort the assessed cases by falling confidence.

    Args:
        y_true: Reference labels in {0, 1}, shape ``(n_cases,)``. NaN marks "not assessed" and is left out. For
            exclusive classes give ones, and as `called` whether the class named is the right one.
        called: The answer in {0, 1}, same shape.
        confidence: Any finite range, same shape.

    Raises:
        ShapeError: If the arrays do not fit together.
        NotComputableError: If no case was assessed, or a confidence is not finite.
    """
    labels, confidence, kept = assessed(y_true, confidence)
    order = np.argsort(-confidence, kind="stable")
    wrong = (labels != np.asarray(called, dtype=bool)[kept])[order].astype(np.float64)
    ends = np.searchsorted(-confidence[order], -confidence[order], side="right") - 1
    return RiskCoverage(kept[order], wrong, ends)


def require_coverage(coverage: float) -> None:
    """Check a share of cases.

    Raises:
        NotComputableError: If it is not inside (0, 1).
    """
    if not 0 < coverage < 1:
        raise NotComputableError(f"coverage is {coverage}, expected a number between 0 and 1, for instance 0.9")
