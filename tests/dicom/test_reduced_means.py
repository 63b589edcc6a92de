"""Means over areas of a frame in full, estimated from the small picture inside of it."""

from __future__ import annotations

import numpy as np
import pytest

from lungscan_monai.dicom.reduced import Reduction
from lungscan_monai.dicom.reduced_means import means_of_reduced, weights_of_samples
from lungscan_monai.transforms.area import area_resize
from tests.wavelets import small_picture, unrounded

FULL = [200, 201, 202, 203]
INNER = slice(3, -3)


def areas(full: int, count: int) -> np.ndarray:
    """Return how much each line counts in the mean of each area."""
    return np.array(
        [area_resize(line[None, :, None], (count, 1))[0, :, 0] for line in np.eye(full, dtype=np.float32)]
    ).T


@pytest.mark.parametrize("reversible", [True, False])
@pytest.mark.parametrize("halvings", [1, 2])
@pytest.mark.parametrize("full", [*FULL, 30, 17])
def test_the_mean_of_what_is_constant_is_that_constant(full, halvings, reversible):
    weights = weights_of_samples(full, 9, halvings, reversible)
    assert weights.shape == (9, -(-full // 2**halvings))
    np.testing.assert_allclose(weights.sum(axis=1), 1, atol=1e-6)


@pytest.mark.parametrize("reversible", [True, False])
@pytest.mark.parametrize("halvings", [1, 2])
@pytest.mark.parametrize("full", FULL)
def test_what_rises_steadily_stays_where_it_was(full, halvings, reversible):
    """Both low-pass filters are symmetric: away from the ends they leave a ramp as it is."""
    samples, expected = np.arange(0.0, full, 2**halvings), areas(full, 24) @ np.arange(full)
    found = weights_of_samples(full, 24, halvings, reversible) @ samples
    np.testing.assert_allclose(found[INNER], expected[INNER], atol=3e-3)


@pytest.mark.parametrize("halvings", [1, 2])
@pytest.mark.parametrize("full", FULL)
def test_weights_are_the_best_for_random_walks(full, halvings):
    """The regression of means on samples by the covariances of all lines, which say nothing of the first one."""
    walks = np.minimum.outer(np.arange(full), np.arange(full)) + 1e5
    low, wanted = unrounded(np.eye(full), 0, halvings), areas(full, 24)
    best = np.linalg.solve(low @ walks @ low.T, low @ walks @ wanted.T).T
    np.testing.assert_allclose(weights_of_samples(full, 24, halvings, True)[INNER], best[INNER], atol=1e-4)


def test_the_irreversible_filter_is_that_of_the_standard():
    """Lifted by the coefficients of ITU-T T.800 table F.4, low-pass samples divided by K (F.4.8.2)."""
    lines = np.eye(64)
    for first, factor in ((1, -1.586134342), (0, -0.052980118), (1, 0.882911075), (0, 0.443506852)):
        lines[first::2] += factor * (np.roll(lines, 1, 0) + np.roll(lines, -1, 0))[first::2]
    low = lines[::2] / 1.230174105
    walks = -np.abs(np.subtract.outer(np.arange(64), np.arange(64))) + 1e4
    inner, wanted = low[4:-4], np.zeros(64)
    wanted[28:36] = 1 / 8
    best = np.linalg.solve(inner @ walks @ inner.T, inner @ walks @ wanted)
    found = weights_of_samples(64, 16, 1, False)[7:9].mean(axis=0)  # the areas 28 to 31 and 32 to 35
    np.testing.assert_allclose(found[4:-4], best, atol=1e-4)


def picture(shape: tuple[int, int], noise: float) -> np.ndarray:
    """Return slow shades, a bright marker with hard edges, and noise."""
    random = np.random.default_rng(0)
    rows, columns = np.arange(shape[0])[:, None], np.arange(shape[1])
    shades = 2000 + 600 * np.sin(rows / 37) * np.cos(columns / 51)
    shades[40:70, 60:130] = 3800
    return np.round(shades + noise * random.normal(size=shape)).astype(np.int64)


@pytest.mark.parametrize("shape", [(400, 501), (402, 503)])
@pytest.mark.parametrize("halvings", [1, 2])
def test_means_are_nearer_than_if_samples_were_means_of_boxes(shape, halvings):
    values = picture(shape, 20)
    reduction = Reduction(halvings, *shape)
    samples = (small_picture(values, halvings) - reduction.excess).astype(np.float32)
    exact = area_resize(values[None].astype(np.float32), (50, 56))[0]
    found = means_of_reduced(samples, reduction, (50, 56))
    assert found.shape == (50, 56) and found.dtype == np.float32
    step = 2**halvings
    boxes = np.kron(samples, np.ones((step, step)))  # each sample stands for the pixels around the one it lies on
    boxes = np.pad(boxes, step)[step + step // 2 :, step + step // 2 :][: shape[0], : shape[1]]
    boxed = area_resize(boxes[None].astype(np.float32), (50, 56))[0]
    errors, boxed = np.abs(found - exact)[INNER, INNER], np.abs(boxed - exact)[INNER, INNER]
    assert errors.mean() < boxed.mean() / 1.5 and errors.max() < boxed.max()
    assert abs((found - exact).mean()) < 0.5


def test_weights_are_reckoned_once():
    assert weights_of_samples(2000, 224, 2, True) is weights_of_samples(2000, 224, 2, True)
