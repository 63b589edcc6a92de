"""Statistics on the cases themselves, on every resample and, for BCa intervals, without each patient: one table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from lungscan_monai.errors import NotComputableError
from lungscan_monai.metrics.intervals import Bootstrap, Interval, bca_interval, percentile_interval

INTERVAL_METHODS = ("percentile", "bca")


@dataclass(frozen=True, eq=False)
class Draws:
    """Columns of statistics; NaN marks one that is not defined.

    Args:
        point: On the cases themselves, shape ``(n_columns,)``.
        resampled: On each resample, shape ``(n_resamples, n_columns)``.
        without_one: Without each patient, shape ``(n_patients, n_columns)``; None where intervals are percentile ones.
    """

    point: np.ndarray
    resampled: np.ndarray
    without_one: np.ndarray | None = None

    def columns(self, chosen: slice | Sequence[int]) -> Draws:
        """Return some of the columns."""
        left_out = None if self.without_one is None else self.without_one[:, chosen]
        return Draws(self.point[chosen], self.resampled[:, chosen], left_out)

    def column(self, index: int) -> Draws:
        """Return one column, as draws of one column."""
        return self.columns([index])

    def interval(self, column: int = 0) -> Interval:
        """Return the interval of one column, around its value on the cases themselves.

        Raises:
            NotComputableError: If the resamples give none.
        """
        value, draws = float(self.point[column]), self.resampled[:, column]
        if self.without_one is None:
            return percentile_interval(value, draws)
        return bca_interval(value, draws, self.without_one[:, column])


def combined(parts: Sequence[Draws], combine: Callable[[list[np.ndarray]], np.ndarray]) -> Draws:
    """Return new statistics that are functions of others.

    Args:
        parts: Of the same resamples.
        combine: Takes an array ``(n, n_columns)`` of each part and returns one ``(n,)`` or ``(n, n_new_columns)``.
    """

    def table(arrays: list[np.ndarray]) -> np.ndarray:
        return np.reshape(combine(arrays), (len(arrays[0]), -1))

    left_out = [part.without_one for part in parts if part.without_one is not None]
    return Draws(
        table([part.point[None] for part in parts])[0],
        table([part.resampled for part in parts]),
        table(left_out) if left_out else None,
    )


def draws_of_all(
    statistics: Sequence[Callable[[np.ndarray], np.ndarray]], bootstrap: Bootstrap, method: str = "percentile"
) -> list[Draws]:
    """Compute the columns of all statistics on the same resamples, in one pass.

    Args:
        statistics: Each takes weights ``(n_some, n_cases)`` and returns ``(n_some, n_columns)``.
        bootstrap: The resamples.
        method: How intervals are made; ``"bca"`` computes everything once more without each patient.

    Returns:
        One entry for each of `statistics`.

    Raises:
        NotComputableError: If the method is unknown.
    """
    require_method(method)

    def together(weights: np.ndarray) -> np.ndarray:
        return np.concatenate([columns(weights) for columns in statistics], axis=1)

    ones = np.ones((1, bootstrap.clusters.size))
    points = [columns(ones)[0] for columns in statistics]
    ends = np.cumsum([point.size for point in points])[:-1]
    resampled = np.split(bootstrap.draws(together), ends, axis=1)
    if method == "percentile":
        return [Draws(*parts) for parts in zip(points, resampled, strict=True)]
    left_out = np.split(bootstrap.jackknife(together), ends, axis=1)
    return [Draws(*parts) for parts in zip(points, resampled, left_out, strict=True)]


def require_method(method: str) -> None:
    """Check the name of an interval's method.

    Raises:
        NotComputableError: If it is unknown.
    """
    if method not in INTERVAL_METHODS:
        raise NotComputableError(f"interval method is {method!r}, expected one of {', '.join(INTERVAL_METHODS)}")
