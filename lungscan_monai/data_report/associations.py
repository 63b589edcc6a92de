"""How well a fact predicts a label: a strong link is a shortcut that a model may learn in place of the disease."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import chi2

STRONG = 0.3
"""Cramér's V from which a link is warned of: a medium effect in J. Cohen, *Statistical power analysis* (1988), 7.2."""

SIGNIFICANT = 0.001
"""Only links that chance gives this rarely are warned of: many facts are tried against many labels."""


@dataclass(frozen=True)
class Association:
    """The link between a fact and a label.

    Args:
        cramers_v: 0 for none, 1 if the fact determines the label or the label the fact; corrected for bias.
        p_value: Of Pearson's chi-squared test; cases count as independent.
        guessed: Share of the cases whose label is right if each value of the fact is answered with its commonest label.
        commonest: The same if every case is answered with the commonest label.
    """

    cramers_v: float
    p_value: float
    guessed: float
    commonest: float

    @property
    def strong(self) -> bool:
        """Whether a reader should be warned."""
        return self.cramers_v >= STRONG and self.p_value <= SIGNIFICANT


def association(counts: np.ndarray) -> Association | None:
    """Measure the link in a table of counts.

    Cramér's V is corrected for its bias in small tables: W. Bergsma, *A bias-correction for Cramér's V and Tschuprow's
    T*, J. Korean Stat. Soc. 42 (2013) 323-328.

    Args:
        counts: Shape ``(n_values, n_labels)``: cases with this value and this label.

    Returns:
        The link, or None if there are not two values and two labels: then there is nothing to predict.

    Example:
        >>> association(np.array([[50, 0], [0, 50]])).cramers_v
        1.0
    """
    counts = np.asarray(counts, dtype=np.float64)
    counts = counts[counts.any(axis=1)][:, counts.any(axis=0)]
    rows, columns = counts.shape
    total = counts.sum()
    if min(rows, columns) < 2 or total < 3:
        return None
    expected = np.outer(counts.sum(axis=1), counts.sum(axis=0)) / total
    chi_squared = float(((counts - expected) ** 2 / expected).sum())
    degrees = (rows - 1) * (columns - 1)
    phi_squared = max(0.0, chi_squared / total - degrees / (total - 1))
    corrected = min(side - (side - 1) ** 2 / (total - 1) for side in (rows, columns)) - 1
    return Association(
        cramers_v=min(1.0, float(np.sqrt(phi_squared / corrected))) if corrected > 0 else 0.0,
        p_value=float(chi2.sf(chi_squared, degrees)),
        guessed=float(counts.max(axis=1).sum() / total),
        commonest=float(counts.sum(axis=0).max() / total),
    )
