"""Measures of a map, by hand, against scikit-learn and SciPy."""

import numpy as np
import pytest
from scipy.ndimage import distance_transform_edt
from sklearn.metrics import jaccard_score

from lungscan_monai.errors import NotComputableError, ShapeError
from lungscan_monai.saliency.measures import agreement, energy_inside, iou, peak, pointing_game


def point(shape, row, column):
    saliency = np.zeros(shape)
    saliency[row, column] = 0.3
    return saliency


def test_the_peak_is_row_and_column():
    assert peak(point((4, 6), 1, 5)) == (1, 5)
    assert peak(np.zeros((4, 6))) is None


def test_the_pointing_game_is_won_inside_the_mask_only():
    saliency = point((4, 4), 2, 1)
    mask = np.zeros((4, 4), dtype=np.uint8)
    mask[2, 1] = 255
    assert pointing_game(saliency, mask)
    assert not pointing_game(saliency, 255 - mask)
    assert not pointing_game(np.zeros((4, 4)), mask)


def test_a_peak_within_the_tolerance_hits():
    mask = point((30, 30), 10, 10)
    distances = distance_transform_edt(mask == 0)
    for row, column in ((10, 12), (12, 12), (13, 10), (29, 29)):
        expected = distances[row, column] <= 2.5
        assert pointing_game(point((30, 30), row, column), mask, tolerance=2.5) == expected


def test_the_energy_inside_is_a_share_of_the_sum():
    saliency = np.array([[1.0, 2.0], [3.0, 4.0]])
    assert energy_inside(saliency, np.array([[0, 1], [0, 1]])) == pytest.approx(0.6)
    assert energy_inside(np.zeros((2, 2)), np.eye(2)) == 0


def test_iou_of_the_top_fifth_equals_scikit_learn():
    rng = np.random.default_rng(0)
    saliency = rng.permutation(100).reshape(10, 10) / 99
    mask = rng.random((10, 10)) > 0.6
    top = saliency.ravel().argsort()[-20:]
    salient = np.zeros(100, dtype=bool)
    salient[top] = True
    assert iou(saliency, mask) == pytest.approx(jaccard_score(mask.ravel(), salient))


def test_iou_does_not_count_zeros_as_salient():
    saliency = np.zeros((10, 10))
    saliency[0, 0] = 1
    mask = saliency > 0
    assert iou(saliency, mask) == 1
    assert iou(np.zeros((10, 10)), mask) == 0


def test_chance_is_what_random_maps_give_on_average():
    rng = np.random.default_rng(1)
    mask = np.zeros((40, 60), dtype=bool)
    mask[5:20, 10:35] = True
    found = [agreement(rng.random(mask.shape), mask) for _ in range(400)]
    for name, tolerance in (("hit", 0.06), ("inside", 0.002), ("iou", 0.002)):
        chance = {getattr(each, f"{name}_by_chance") for each in found}
        assert len(chance) == 1
        assert np.mean([getattr(each, name) for each in found]) == pytest.approx(chance.pop(), abs=tolerance)
    assert found[0].hit_by_chance == (distance_transform_edt(~mask) <= 0.03 * 40).mean()


def test_a_perfect_map_agrees_in_everything():
    mask = np.zeros((50, 50))
    mask[10:20, 10:20] = 1
    found = agreement(mask, mask)
    assert (found.hit, found.inside, found.iou) == (True, 1, 1)
    assert found.inside_by_chance == pytest.approx(0.04)


@pytest.mark.parametrize("measure", [pointing_game, energy_inside, iou, agreement])
def test_shapes_and_empty_masks_are_refused(measure):
    with pytest.raises(ShapeError, match=r"\(4, 4\) and mask \(4, 5\)"):
        measure(np.ones((4, 4)), np.ones((4, 5)))
    with pytest.raises(NotComputableError, match="empty"):
        measure(np.ones((4, 4)), np.zeros((4, 4)))
