"""Numbers with intervals, as the report holds them.

An estimate is ``{"value": .., "low": .., "high": .., "resamples_left_out": ..}``. Where the data give a value and no
interval, both limits are None and ``"no_interval"`` says why; where the interval is not the report's usual one,
``"interval"`` names its method. Where they give no value, it is ``{"not_computable": "because ..."}``.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from lungscan_monai.errors import NotComputableError
from lungscan_monai.metrics.draws import Draws
from lungscan_monai.metrics.intervals import Interval, reverse_percentile_interval, wilson_interval

MIN_PATIENTS = 5
"""Patients of each class that resampling needs to say something of a number that both classes make."""

FEW_PATIENTS = 10
"""A proportion of fewer patients than this has Wilson's interval."""

_DECIMALS = 6


def rounded(value: float) -> float:
    """Return the number with six decimals, so that reports do not differ by the order of a sum."""
    return round(float(value), _DECIMALS) + 0.0


def not_computable(error: NotComputableError) -> dict[str, str]:
    """Return the entry of a number that the data do not define."""
    return {"not_computable": f"because {error}"}


def computed(compute: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Return what `compute` returns, or the entry that says why the data do not define it."""
    try:
        return compute()
    except NotComputableError as error:
        return not_computable(error)


def estimate(
    compute: Callable[[], float], draws: Draws, n_units: int = 0, n_smaller: int | None = None
) -> dict[str, Any]:
    """Return a number with its interval.

    A proportion of 0 or 1 comes out the same in every resample, and one of few patients in few ways; its interval is
    Wilson's, with `n_units` trials. A number that a class of fewer than `MIN_PATIENTS` patients decides has no
    interval: resampling one patient again and again says nothing of the next one.

    Args:
        compute: Gives the number, or raises NotComputableError.
        draws: The number on the resamples, one column.
        n_units: Independent units (patients) behind a proportion, or (pairs of patients) behind a ROC AUC; 0 if the
            number is neither.
        n_smaller: Patients of the smaller class, for a number that both classes make; None for any other.
    """
    try:
        value = compute()
    except NotComputableError as error:
        return not_computable(error)
    if n_units and (value in (0, 1) or (n_smaller is None and n_units < FEW_PATIENTS)):
        return _entry(wilson_interval(value * n_units, n_units)) | {"interval": f"Wilson, {n_units} independent units"}
    return with_interval(value, draws, partial(enough_patients, draws.interval, n_smaller))


def enough_patients(interval: Callable[[], Interval], n_smaller: int | None) -> Interval:
    """Return an interval that enough patients of each class stand behind.

    Args:
        interval: Gives it.
        n_smaller: Patients of the smaller class; None if that does not matter.

    Raises:
        NotComputableError: If they are fewer than `MIN_PATIENTS`, or `interval` gives none.
    """
    if n_smaller is not None and n_smaller < MIN_PATIENTS:
        raise NotComputableError(f"{n_smaller} patients of a class are too few to resample, it needs {MIN_PATIENTS}")
    return interval()


def calibration_error(
    compute: Callable[[], float], draws: Draws, if_calibrated: Callable[[], np.ndarray]
) -> dict[str, Any]:
    """Return a calibration error with its interval and what chance alone would give.

    The error is never below 0 and resampling pushes it up, so the interval is the reverse percentile one, kept within
    [0, 1] and around the value; it reaches down to 0 if the value is no higher than perfectly calibrated probabilities
    would give by chance.

    Args:
        compute: Gives the error, or raises NotComputableError.
        draws: The error on the resamples, one column.
        if_calibrated: Gives errors that perfectly calibrated probabilities would show, shape ``(n_draws,)``.
    """
    try:
        value = compute()
    except NotComputableError as error:
        return not_computable(error)
    by_chance = float(np.quantile(if_calibrated(), 0.975))

    def around_value() -> Interval:
        raw = reverse_percentile_interval(value, draws.resampled[:, 0])
        low = 0.0 if value <= by_chance else min(max(raw.low, 0.0), value)
        return Interval(value, low, max(min(raw.high, 1.0), value), raw.n_left_out)

    entry = with_interval(value, draws, around_value)
    return entry | {"interval": "reverse percentile", "by_chance_up_to": rounded(by_chance)}


def with_interval(value: float, draws: Draws, interval: Callable[[], Interval] | None = None) -> dict[str, Any]:
    """Return a value with its interval, or with the reason why there is none.

    Args:
        value: The number.
        draws: The number on the resamples, one column.
        interval: Gives an interval of another kind than that of the draws.
    """
    try:
        return _entry((interval or draws.interval)())
    except NotComputableError as error:
        return {
            "value": rounded(value),
            "low": None,
            "high": None,
            "resamples_left_out": int(np.isnan(draws.resampled[:, 0]).sum()),
            "no_interval": f"because {error}",
        }


def _entry(interval: Interval) -> dict[str, Any]:
    return {
        "value": rounded(interval.value),
        "low": rounded(interval.low),
        "high": rounded(interval.high),
        "resamples_left_out": interval.n_left_out,
    }
