"""Numbers with intervals, as the report holds them.

An estimate is ``{"value": .., "low": .., "high": .., "resamples_left_out": ..}``. Where the data give a value and no
interval, both limits are None and ``"no_interval"`` says why; where the interval is not the report's usual one,
``"interval"`` names its method. Where they give no value, it is ``{"not_computable": "because ..."}``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from lungscan_monai.errors import NotComputableError
from lungscan_monai.metrics.intervals import Interval, percentile_interval, reverse_percentile_interval, wilson_interval

_DECIMALS = 6


def rounded(value: float) -> float:
    """Return the number with six decimals, so that reports do not differ by the order of a sum."""
    return round(float(value), _DECIMALS)


def not_computable(error: NotComputableError) -> dict[str, str]:
    """Return the entry of a number that the data do not define."""
    return {"not_computable": f"because {error}"}


def estimate(compute: Callable[[], float], draws: np.ndarray, n_units: int = 0) -> dict[str, Any]:
    """Return a number with its percentile interval.

    A proportion of 0 or 1 comes out the same in every resample; its interval is Wilson's, with `n_units` trials.

    Args:
        compute: Gives the number, or raises NotComputableError.
        draws: The number on each resample, NaN where not defined, shape ``(n_resamples,)``.
        n_units: Independent units (patients) behind a proportion; 0 if the number is no proportion.
    """
    try:
        value = compute()
    except NotComputableError as error:
        return not_computable(error)
    if n_units and value in (0, 1):
        return _entry(wilson_interval(value * n_units, n_units)) | {"interval": f"Wilson, {n_units} independent units"}
    return with_interval(value, draws, percentile_interval)


def calibration_error(
    compute: Callable[[], float], draws: np.ndarray, if_calibrated: Callable[[], np.ndarray]
) -> dict[str, Any]:
    """Return a calibration error with its interval and what chance alone would give.

    The error is never below 0 and resampling pushes it up, so the interval is the reverse percentile one, kept within
    [0, 1] and around the value; it reaches down to 0 if the value is no higher than perfectly calibrated probabilities
    would give by chance.

    Args:
        compute: Gives the error, or raises NotComputableError.
        draws: The error on each resample, NaN where not defined, shape ``(n_resamples,)``.
        if_calibrated: Gives errors that perfectly calibrated probabilities would show, shape ``(n_draws,)``.
    """
    try:
        value = compute()
    except NotComputableError as error:
        return not_computable(error)
    by_chance = float(np.quantile(if_calibrated(), 0.975))

    def around_value(value: float, draws: np.ndarray) -> Interval:
        raw = reverse_percentile_interval(value, draws)
        low = 0.0 if value <= by_chance else min(max(raw.low, 0.0), value)
        return Interval(value, low, max(min(raw.high, 1.0), value), raw.n_left_out)

    entry = with_interval(value, draws, around_value)
    return entry | {"interval": "reverse percentile", "by_chance_up_to": rounded(by_chance)}


def with_interval(value: float, draws: np.ndarray, interval: Callable[[float, np.ndarray], Interval]) -> dict[str, Any]:
    """Return a value with the interval that `interval` finds from the draws, or with the reason why there is none."""
    try:
        return _entry(interval(value, draws))
    except NotComputableError as error:
        n_left_out = int(np.isnan(draws).sum())
        return {
            "value": rounded(value),
            "low": None,
            "high": None,
            "resamples_left_out": n_left_out,
            "no_interval": f"because {error}",
        }


def _entry(interval: Interval) -> dict[str, Any]:
    return {
        "value": rounded(interval.value),
        "low": rounded(interval.low),
        "high": rounded(interval.high),
        "resamples_left_out": interval.n_left_out,
    }
