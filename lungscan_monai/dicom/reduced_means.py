"""Means over areas of a frame that its decoder made smaller.

A sample of the small picture is a sum of pixels with known weights: the low-pass filter of the wavelet. The mean over
an area is another one. To get from these to those it takes an assumption of what pictures are like: the mean square
difference of two pixels grows with their distance, as in a random walk. Under it, the estimate that is linear in the
samples, right for constant pictures, and has the least mean square error is that of ordinary kriging (N. Cressie,
Statistics for Spatial Data, 1993, 3.2); rows and columns each on their own.

No estimate gives what the small picture does not hold: the noise at the edges of the areas.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from lungscan_monai.dicom.reduced import Reduction

_REVERSIBLE = np.array([-1, 2, 6, 2, -1]) / 8
_IRREVERSIBLE = np.array(
    [
        0.026748757410810,
        -0.016864118442875,
        -0.078223266528988,
        0.266864118442872,
        0.602949018236358,
        0.266864118442872,
        -0.078223266528988,
        -0.016864118442875,
        0.026748757410810,
    ]
)
"""Low-pass filters of analysis (ITU-T T.800 F.4.8, written out); their sums are 1."""

_BEYOND = 6
"""Samples beyond the ends of an area that count; those farther away would change no weight by more than 1e-5."""

_GEOMETRIES = 64


def means_of_reduced(values: np.ndarray, reduction: Reduction, size: tuple[int, int]) -> np.ndarray:
    """Return the means over the areas of :func:`~lungscan_monai.transforms.area.area_resize` of a frame in full.

    Args:
        values: What its decoder made of it, float32.
        reduction: How.
        size: Rows and columns of the grid of areas.

    Returns:
        Estimates of the means, shape `size`, float32.
    """
    down, across = (
        weights_of_samples(full, count, reduction.halvings, reduction.reversible)
        for full, count in zip((reduction.rows, reduction.columns), size, strict=True)
    )
    return down @ values @ across.T


@lru_cache(_GEOMETRIES)
def weights_of_samples(full: int, count: int, halvings: int, reversible: bool) -> np.ndarray:
    """Return how much each sample counts in the mean of each area.

    Beyond its ends the frame is mirrored, as the wavelet does.

    Args:
        full: Pixels along one side of the frame.
        count: Areas along it.
        halvings: How often it was halved.
        reversible: By which wavelet, as in :class:`~lungscan_monai.dicom.reduced.Reduction`.

    Returns:
        Shape ``(count, ceil(full / 2**halvings))``, float32; rows sum to 1.
    """
    step, taps = 2**halvings, _filter(halvings, reversible)
    numbers = np.arange(count)
    begin, end = numbers * full // count, -(-(numbers + 1) * full // count)
    first = begin // step - _BEYOND
    near = np.arange((-(-end // step) + _BEYOND - first).max())
    reach = step * (len(near) + 1)
    to_pixel = _seen_through(taps, np.abs(np.arange(-reach, reach + 1.0)))
    to_sample = _seen_through(taps, to_pixel)
    system = np.ones((len(near) + 1, len(near) + 1))
    system[:-1, :-1] = to_sample[reach + step * (near - near[:, None])]
    system[-1, -1] = 0
    sums = np.concatenate([[0.0], np.cumsum(to_pixel)])
    places = reach - step * (first + near[:, None])
    wanted = np.ones((len(near) + 1, count))
    wanted[:-1] = (sums[places + end] - sums[places + begin]) / (end - begin)
    weights = np.zeros((count, -(-full // step)), np.float32)
    sources = _mirrored(first[:, None] + near, full, step, weights.shape[1])
    np.add.at(weights, (np.arange(count)[:, None], sources), np.linalg.solve(system, wanted)[:-1].T)
    return weights


def _filter(halvings: int, reversible: bool) -> np.ndarray:
    """Return the filter of some halvings, one after the other, over pixels; its middle one lies on the sample."""
    once = _REVERSIBLE if reversible else _IRREVERSIBLE
    taps = np.ones(1)
    for _ in range(halvings):
        wider = np.zeros(2 * len(taps) - 1)
        wider[::2] = taps
        taps = np.convolve(wider, once)
    return taps


def _seen_through(taps: np.ndarray, distances: np.ndarray) -> np.ndarray:
    """Return a function of the distance, filtered; far from 0 it is the distance itself, and stays it."""
    half = len(taps) // 2
    filtered = distances.copy()
    filtered[half:-half] = np.convolve(distances, taps, "valid")
    return filtered


def _mirrored(numbers: np.ndarray, full: int, step: int, samples: int) -> np.ndarray:
    """Return the samples that stand for those beyond the ends: a frame is mirrored at its first and its last pixel."""
    numbers = np.abs(numbers)
    numbers = np.where(numbers < samples, numbers, 2 * (full - 1) // step - numbers)
    return np.clip(numbers, 0, samples - 1)
