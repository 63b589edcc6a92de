"""Measures of a map, by hand and against scikit-learn."""

import numpy as np
import pytest
from sklearn.metrics import jaccard_score

from lungscan_monai.errors import NotComputableError, ShapeError
from lungscan_monai.saliency.measures import iou, peak, pointing_game


def test_the_peak_is_row_and_column():
    saliency = np.zeros((4, 6))
    saliency[1, 5] = 0.3
    assert peak(saliency) == (1, 5)
    assert peak(np.zeros((4, 6))) is None


def test_the_pointing_game_is_won_inside_the_mask_only():
    saliency = np.zeros((4, 4))
    saliency[2, 1] = 1
    mask = np.zeros((4, 4), dtype=np.uint8)
    mask[2, 1] = 255
    assert pointing_game(saliency, mask)
    assert not pointing_game(saliency, 255 - mask)
    assert not pointing_game(np.zeros((4, 4)), mask)


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


@pytest.mark.parametrize("measure", [pointing_game, iou])
def test_shapes_and_empty_masks_are_refused(measure):
    with pytest.raises(ShapeError, match=r"\(4, 4\) and mask \(4, 5\)"):
        measure(np.ones((4, 4)), np.ones((4, 5)))
    with pytest.raises(NotComputableError, match="empty"):
        measure(np.ones((4, 4)), np.zeros((4, 4)))
