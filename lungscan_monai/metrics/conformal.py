"""Sets of labels that hold the right one with a stated probability: split conformal prediction.

The score of a case is 1 minus the probability of its reference label (least ambiguous sets: Sadinle, Lei and Wasserman,
J. Am. Stat. Assoc. 2019; 114: 223-234). The coverage is promised on average over cases that are exchangeable with those
that the limit was fitted on.
"""

from __future__ import annotations

import math

import numpy as np

from lungscan_monai.errors import NotComputableError
from lungscan_monai.metrics.selective import require_coverage


def smallest_probability(y_true: np.ndarray, probabilities: np.ndarray, coverage: float) -> float:
    """Return the probability that a label must reach to be in the set.

    Args:
        y_true: Reference class indices of the cases to fit on, shape ``(n_cases,)``.
        probabilities: In [0, 1], shape ``(n_cases, n_classes)``.
        coverage: Share of sets that shall hold the reference label, in (0, 1).

    Raises:
        NotComputableError: If the coverage is not inside (0, 1), or there are too few cases for it.

    Example:
        >>> smallest_probability(np.array([0, 0, 1]), np.array([[.9, .1], [.6, .4], [.2, .8]]), 0.5)
        0.8
    """
    require_coverage(coverage)
    n_cases = len(y_true)
    rank = math.ceil((n_cases + 1) * coverage - 1e-9)
    if rank > n_cases:
        needed = math.ceil(coverage / (1 - coverage) - 1e-9)
        raise NotComputableError(f"{n_cases} cases are too few for a coverage of {coverage:g}, it needs {needed}")
    of_reference = probabilities[np.arange(n_cases), y_true]
    return float(np.sort(of_reference)[n_cases - rank])


def smallest_by_class(y_true: np.ndarray, probabilities: np.ndarray, coverage: float) -> np.ndarray:
    """Return the limit of each class, fitted on its own cases, so that the coverage is promised for each class.

    Mondrian conformal prediction (Vovk, Gammerman and Shafer, Algorithmic Learning in a Random World, 2005, ch. 4.5).

    Args:
        y_true: As for :func:`smallest_probability`.
        probabilities: As for :func:`smallest_probability`.
        coverage: As for :func:`smallest_probability`.

    Returns:
        Limits, shape ``(n_classes,)``.

    Raises:
        NotComputableError: If the coverage is not inside (0, 1), or a class has too few cases for it.
    """
    own = [y_true == index for index in range(probabilities.shape[1])]
    return np.array([smallest_probability(y_true[chosen], probabilities[chosen], coverage) for chosen in own])


def prediction_sets(probabilities: np.ndarray, smallest: float | np.ndarray) -> np.ndarray:
    """Return which labels are in the set of each case.

    Args:
        probabilities: In [0, 1], shape ``(n_cases, n_classes)``.
        smallest: As :func:`smallest_probability` or :func:`smallest_by_class` gives it.

    Returns:
        Booleans, shape ``(n_cases, n_classes)``; a set may be empty.
    """
    return probabilities >= smallest
