"""Confidence intervals by a bootstrap over patients.

Patients, not cases, are drawn with replacement (cluster bootstrap: Field and Welsh, J. R. Stat. Soc. B 2007; 69:
369-390), because the images of one patient resemble each other. A resample is a row of weights, how often each case was
drawn, and no case is ever copied.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from threadpoolctl import threadpool_limits

from lungscan_monai.errors import NotComputableError, ShapeError

_WEIGHTS_AT_ONCE = 500_000


@dataclass(frozen=True)
class Interval:
    """A number with its confidence interval.

    Args:
        value: The number.
        low: Lower limit.
        high: Upper limit.
        n_left_out: Resamples that did not define the number; the limits come from the others.
    """

    value: float
    low: float
    high: float
    n_left_out: int = 0


def patient_clusters(patients: Sequence[str | None]) -> np.ndarray:
    """Number the patients of the cases.

    Args:
        patients: The patient of each case; None where unknown: such a case stands for itself.

    Returns:
        Indices ``0 .. n_clusters - 1`` by first appearance, int64, shape ``(n_cases,)``.

    Example:
        >>> patient_clusters(["p1", None, "p1", None]).tolist()
        [0, 1, 0, 2]
    """
    numbers: dict[object, int] = {}
    keys = [("case", index) if patient is None else ("patient", patient) for index, patient in enumerate(patients)]
    return np.array([numbers.setdefault(key, len(numbers)) for key in keys], dtype=np.int64)


@dataclass(frozen=True, eq=False)
class Bootstrap:
    """Resamples of clusters of cases, the same ones for every statistic.

    Args:
        clusters: Cluster of each case, as :func:`patient_clusters` gives it, shape ``(n_cases,)``.
        n_resamples: Number of resamples.
        seed: Of the random draw; equal seeds give equal resamples.

    Raises:
        ShapeError: If there is no case, or the clusters are not numbered from 0.
        NotComputableError: If fewer than one resample is asked for.
    """

    clusters: np.ndarray
    n_resamples: int = 2000
    seed: int = 0

    def __post_init__(self) -> None:
        if self.clusters.ndim != 1 or self.clusters.size == 0 or self.clusters.min() != 0:
            raise ShapeError(f"clusters have shape {self.clusters.shape}, expected (n_cases,) with numbers from 0")
        if self.n_resamples < 1:
            raise NotComputableError(f"{self.n_resamples} resamples asked for, expected at least 1")

    @property
    def n_clusters(self) -> int:
        """Number of clusters."""
        return int(self.clusters.max()) + 1

    def weights(self) -> Iterator[np.ndarray]:
        """Give the resamples, some at a time: how often each case was drawn, shape ``(n_some, n_cases)``, float64."""
        rng = np.random.default_rng(self.seed)
        at_once = max(1, _WEIGHTS_AT_ONCE // self.clusters.size)
        for start in range(0, self.n_resamples, at_once):
            n_rows = min(at_once, self.n_resamples - start)
            drawn = rng.integers(self.n_clusters, size=(n_rows, self.n_clusters))
            drawn += np.arange(n_rows)[:, None] * self.n_clusters
            times = np.bincount(drawn.ravel(), minlength=n_rows * self.n_clusters).reshape(n_rows, self.n_clusters)
            yield np.take(times.astype(np.float64), self.clusters, axis=1)

    def draws(self, statistic: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
        """Compute a statistic on every resample.

        Args:
            statistic: Takes weights ``(n_some, n_cases)`` and returns an array ``(n_some, ...)``.

        Returns:
            Array of shape ``(n_resamples, ...)``; NaN where the statistic is not defined.
        """
        return _stacked(statistic, self.weights())

    def without_one(self) -> Iterator[np.ndarray]:
        """Give the jackknife's samples, some at a time: each lacks one cluster; shape ``(n_some, n_cases)``."""
        at_once = max(1, _WEIGHTS_AT_ONCE // self.clusters.size)
        for start in range(0, self.n_clusters, at_once):
            left_out = np.arange(start, min(start + at_once, self.n_clusters))
            yield (self.clusters != left_out[:, None]).astype(np.float64)

    def jackknife(self, statistic: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
        """Compute a statistic without each cluster in turn.

        Args:
            statistic: Takes weights ``(n_some, n_cases)`` and returns an array ``(n_some, ...)``.

        Returns:
            Array of shape ``(n_clusters, ...)``; NaN where the statistic is not defined.
        """
        return _stacked(statistic, self.without_one())


def _stacked(statistic: Callable[[np.ndarray], np.ndarray], samples: Iterator[np.ndarray]) -> np.ndarray:
    with threadpool_limits(1, user_api="blas"):  # threads of so small products only wait for each other
        return np.concatenate([statistic(weights) for weights in samples])


def percentile_interval(value: float, draws: np.ndarray, level: float = 0.95) -> Interval:
    """Return the percentile bootstrap interval (Efron and Tibshirani, An Introduction to the Bootstrap, 1993, ch. 13).

    Args:
        value: The statistic on the cases themselves.
        draws: The statistic on each resample, NaN where not defined, shape ``(n_resamples,)``.
        level: Confidence level in (0, 1).

    Raises:
        NotComputableError: If more than half of the resamples do not define the statistic, or all of them give the
            same value, so that they say nothing of its uncertainty.
    """
    low, high, n_left_out = _limits(draws, level)
    return Interval(value, low, high, n_left_out)


def reverse_percentile_interval(value: float, draws: np.ndarray, level: float = 0.95) -> Interval:
    """Return the reverse percentile ("basic") interval (Davison and Hinkley, Bootstrap Methods, 1997, ch. 5.2).

    For a number that resampling itself pushes to one side, as it does the calibration error: the percentile interval
    doubles that push, this one takes it back.

    Args:
        value: The statistic on the cases themselves.
        draws: The statistic on each resample, NaN where not defined, shape ``(n_resamples,)``.
        level: Confidence level in (0, 1).

    Raises:
        NotComputableError: As :func:`percentile_interval`.
    """
    low, high, n_left_out = _limits(draws, level)
    return Interval(value, 2 * value - high, 2 * value - low, n_left_out)


def bca_interval(value: float, draws: np.ndarray, without_one: np.ndarray, level: float = 0.95) -> Interval:
    """Return the bias-corrected and accelerated interval (Efron, J. Am. Stat. Assoc. 1987; 82: 171-185).

    Args:
        value: The statistic on the cases themselves.
        draws: The statistic on each resample, NaN where not defined, shape ``(n_resamples,)``.
        without_one: The statistic without each cluster, NaN where not defined, shape ``(n_clusters,)``.
        level: Confidence level in (0, 1).

    Raises:
        NotComputableError: As :func:`percentile_interval`, or if all resamples lie on one side of the value.
    """
    defined = _defined(draws)
    below = (np.count_nonzero(defined < value) + np.count_nonzero(defined <= value)) / (2 * defined.size)
    if below in (0, 1):
        raise NotComputableError("all resamples lie on one side of the value")
    normal = NormalDist()
    bias, acceleration = normal.inv_cdf(below), _acceleration(without_one[~np.isnan(without_one)])
    shares = []
    for z in (normal.inv_cdf((1 - level) / 2), normal.inv_cdf((1 + level) / 2)):
        shares.append(normal.cdf(bias + (bias + z) / (1 - acceleration * (bias + z))))
    low, high = _spread(defined, shares)
    return Interval(value, low, high, draws.size - defined.size)


def _acceleration(without_one: np.ndarray) -> float:
    influence = without_one.mean() - without_one if without_one.size else without_one
    squares = float(np.sum(influence**2))
    return float(np.sum(influence**3)) / (6 * squares**1.5) if squares > 0 else 0.0


def _limits(draws: np.ndarray, level: float) -> tuple[float, float, int]:
    defined = _defined(draws)
    return *_spread(defined, [(1 - level) / 2, (1 + level) / 2]), draws.size - defined.size


def _defined(draws: np.ndarray) -> np.ndarray:
    defined = draws[~np.isnan(draws)]
    n_left_out = draws.size - defined.size
    if 2 * n_left_out > draws.size:
        raise NotComputableError(f"{n_left_out} of {draws.size} resamples do not define the number")
    return defined


def _spread(defined: np.ndarray, shares: Sequence[float]) -> tuple[float, float]:
    low, high = np.quantile(defined, shares)
    if high - low < 1e-12:
        raise NotComputableError("all resamples give the same value, which says nothing of its uncertainty")
    return float(low), float(high)


def wilson_interval(successes: float, n: float, level: float = 0.95) -> Interval:
    """Return the score interval of a proportion (Wilson, J. Am. Stat. Assoc. 1927; 22: 209-212).

    Args:
        successes: Number of successes.
        n: Number of independent trials.
        level: Confidence level in (0, 1).

    Raises:
        NotComputableError: If there is no trial, or there are more successes than trials.

    Example:
        >>> round(wilson_interval(20, 20).low, 3)
        0.839
    """
    if n <= 0 or not 0 <= successes <= n:
        raise NotComputableError(f"{successes} successes of {n} trials do not define a proportion")
    z = NormalDist().inv_cdf((1 + level) / 2)
    share = successes / n
    centre = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half_width = z / (1 + z**2 / n) * ((share * (1 - share) / n + z**2 / (4 * n**2)) ** 0.5)
    return Interval(share, min(share, max(0.0, centre - half_width)), max(share, min(1.0, centre + half_width)))
