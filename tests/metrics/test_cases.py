import numpy as np
import pytest

from lungscan_monai.errors import NotComputableError, ShapeError
from lungscan_monai.metrics.cases import assessed, weights_of


def test_cases_that_were_not_assessed_are_left_out():
    labels, scores, kept = assessed(np.array([0, np.nan, 1]), np.array([0.1, 0.2, 0.3]))
    assert labels.tolist() == [False, True]
    assert scores.tolist() == [0.1, 0.3]
    assert kept.tolist() == [0, 2]
    assert weights_of(np.array([[1, 2, 3]]), kept, 3).tolist() == [[1, 3]]


@pytest.mark.parametrize("shapes", [((3,), (2,)), ((2, 2), (2, 2)), ((), ())])
def test_arrays_that_do_not_fit_are_refused_with_both_shapes(shapes):
    with pytest.raises(ShapeError, match="labels and scores have shapes"):
        assessed(np.zeros(shapes[0]), np.zeros(shapes[1]))


def test_weights_must_be_one_for_each_case():
    with pytest.raises(ShapeError, match=r"expected \(\.\.\., 3\)"):
        weights_of(np.ones(2), np.arange(3), 3)


@pytest.mark.parametrize(
    ("y_true", "y_score", "message"),
    [
        ([np.nan, np.nan], [0.1, 0.2], "no case is assessed"),
        ([], [], "no case is assessed"),
        ([0, 2], [0.1, 0.2], "must be 0, 1 or NaN, found 2.0"),
        ([0, 1], [0.1, np.nan], "1 of 2 scores are not finite"),
        ([0, 1], [0.1, np.inf], "1 of 2 scores are not finite"),
    ],
)
def test_what_cannot_be_scored_is_named(y_true, y_score, message):
    with pytest.raises(NotComputableError, match=message):
        assessed(np.array(y_true), np.array(y_score))


def test_the_score_of_a_case_not_assessed_may_be_anything():
    assert assessed(np.array([0, 1, np.nan]), np.array([0.1, 0.9, np.nan]))[1].tolist() == [0.1, 0.9]
