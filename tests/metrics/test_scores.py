import numpy as np
import pytest
import sklearn.metrics
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from lungscan_monai.errors import NotComputableError, ShapeError
from lungscan_monai.metrics import scores
from lungscan_monai.metrics.curves import rank

ORACLES = {
    "sensitivity": sklearn.metrics.recall_score,
    "specificity": lambda y, p: sklearn.metrics.recall_score(y, p, pos_label=0),
    "ppv": sklearn.metrics.precision_score,
    "npv": lambda y, p: sklearn.metrics.precision_score(y, p, pos_label=0),
    "f1": sklearn.metrics.f1_score,
    "accuracy": sklearn.metrics.accuracy_score,
    "balanced_accuracy": sklearn.metrics.balanced_accuracy_score,
    "mcc": sklearn.metrics.matthews_corrcoef,
    "cohen_kappa": sklearn.metrics.cohen_kappa_score,
}

samples = st.integers(4, 40).flatmap(
    lambda n: st.tuples(
        hnp.arrays(np.int64, n, elements=st.integers(0, 1)).filter(lambda y: 0 < y.sum() < y.size),
        hnp.arrays(np.int64, n, elements=st.integers(0, 12)),
    )
)


@given(samples)
@settings(deadline=None, max_examples=60)
def test_areas_equal_scikit_learn_whatever_the_ties(sample):
    y_true, y_score = sample
    assert scores.roc_auc(y_true, y_score) == pytest.approx(sklearn.metrics.roc_auc_score(y_true, y_score))
    expected = sklearn.metrics.average_precision_score(y_true, y_score)
    assert scores.average_precision(y_true, y_score) == pytest.approx(expected)


@given(samples)
@settings(deadline=None, max_examples=60)
def test_auc_knows_only_the_order_of_the_scores(sample):
    y_true, y_score = sample
    assert scores.roc_auc(y_true, np.exp(y_score) - 7) == pytest.approx(scores.roc_auc(y_true, y_score))


@given(samples)
@settings(deadline=None, max_examples=60)
def test_auc_is_mirrored_when_scores_or_classes_are_swapped(sample):
    y_true, y_score = sample
    auc = scores.roc_auc(y_true, y_score)
    assert scores.roc_auc(y_true, -y_score) == pytest.approx(1 - auc)
    assert scores.roc_auc(1 - y_true, -y_score) == pytest.approx(auc)


@given(samples)
@settings(deadline=None, max_examples=60)
def test_weighted_areas_equal_scikit_learn_with_sample_weights(sample):
    y_true, y_score = sample
    weights = np.random.default_rng(y_true.size).integers(1, 4, (2, y_true.size))
    for counts in (rank(y_true, y_score).counts(weights), rank(y_true, y_score).condensed().counts(weights)):
        for row in range(2):
            auc = sklearn.metrics.roc_auc_score(y_true, y_score, sample_weight=weights[row])
            average = sklearn.metrics.average_precision_score(y_true, y_score, sample_weight=weights[row])
            assert scores.area_under_roc(counts)[row] == pytest.approx(auc)
            assert scores.area_under_precision_recall(counts)[row] == pytest.approx(average)


def test_a_resample_that_lacks_a_class_is_marked_and_the_others_are_right():
    weights = np.array([[1, 1, 0, 0], [0, 0, 1, 1], [0, 0, 0, 0], [1, 1, 1, 1]])
    counts = rank(np.array([0, 0, 1, 1]), np.array([0.1, 0.4, 0.35, 0.8])).counts(weights)
    for areas in (scores.area_under_roc(counts), scores.area_under_precision_recall(counts)):
        assert np.isnan(areas[:3]).all()
    assert scores.area_under_roc(counts)[3] == 0.75


def test_cases_not_assessed_do_not_count():
    y_true, y_score = np.array([0, 0, 1, 1, np.nan]), np.array([0.1, 0.4, 0.35, 0.8, 0.99])
    assert scores.roc_auc(y_true, y_score) == 0.75


@pytest.mark.parametrize("area", [scores.roc_auc, scores.average_precision])
@pytest.mark.parametrize("y_true", [[0, 0], [1, 1], [1]])
def test_one_class_has_no_area(area, y_true):
    with pytest.raises(NotComputableError, match="only one class is present"):
        area(np.array(y_true), np.linspace(0, 1, len(y_true)))


@pytest.mark.parametrize("name", scores.TABLE_SCORES)
def test_scores_of_a_table_equal_scikit_learn(name):
    rng = np.random.default_rng(3)
    y_true = rng.random(200) < 0.3
    y_score = np.clip(0.3 * y_true + 0.7 * rng.random(200), 0, 1)
    table = scores.confusion_at(y_true, y_score, 0.5)
    assert table.tolist() == sklearn.metrics.confusion_matrix(y_true, y_score >= 0.5).tolist()
    assert scores.TABLE_SCORES[name](table) == pytest.approx(ORACLES[name](y_true, y_score >= 0.5))


@pytest.mark.parametrize("name", ["accuracy", "balanced_accuracy", "mcc", "cohen_kappa"])
def test_scores_of_many_classes_equal_scikit_learn(name):
    rng = np.random.default_rng(4)
    y_true = rng.integers(0, 4, 300)
    y_pred = np.where(rng.random(300) < 0.6, y_true, rng.integers(0, 4, 300))
    table = scores.confusion_matrix(y_true, y_pred, 4)
    assert table.tolist() == sklearn.metrics.confusion_matrix(y_true, y_pred).tolist()
    assert getattr(scores, name)(table) == pytest.approx(ORACLES[name](y_true, y_pred))


@pytest.mark.parametrize("name", scores.TABLE_SCORES)
def test_a_stack_of_tables_gives_the_score_of_each(name):
    rng = np.random.default_rng(6)
    y_true, y_pred = rng.integers(0, 2, (2, 50))
    weights = rng.integers(0, 3, (5, 50))
    stack = scores.confusion_matrix(y_true, y_pred, 2, weights)
    single = [scores.TABLE_SCORES[name](scores.confusion_matrix(y_true, y_pred, 2, row)) for row in weights]
    np.testing.assert_allclose(scores.TABLE_SCORES[name](stack), single)


def test_a_score_at_the_threshold_is_positive():
    assert scores.confusion_at(np.array([1.0]), np.array([0.5]), 0.5).tolist() == [[0, 0], [0, 1]]


UNDEFINED = {
    "sensitivity": ([[3, 1], [0, 0]], "no positive case"),
    "specificity": ([[0, 0], [1, 3]], "no negative case"),
    "ppv": ([[3, 0], [1, 0]], "no case is called positive"),
    "npv": ([[0, 3], [0, 1]], "no case is called negative"),
    "f1": ([[3, 1], [0, 0]], "no positive case"),
    "accuracy": ([[0, 0], [0, 0]], "no case"),
    "balanced_accuracy": ([[3, 1], [0, 0]], "a class has no case"),
    "mcc": ([[3, 0], [1, 0]], "are called one class"),
}


@pytest.mark.parametrize("name", scores.TABLE_SCORES)
def test_what_a_table_does_not_define_is_an_error_and_never_a_zero(name):
    table, message = UNDEFINED[name]
    with pytest.raises(NotComputableError, match=message):
        scores.TABLE_SCORES[name](np.array(table, dtype=float))
    stack = np.array([table, [[5, 1], [1, 5]]], dtype=float)
    assert np.isnan(scores.TABLE_SCORES[name](stack)).tolist() == [True, False]


def test_confusion_matrix_refuses_what_does_not_fit():
    with pytest.raises(ShapeError, match="must agree in n_cases"):
        scores.confusion_matrix(np.zeros(3), np.zeros(2), 2)
    with pytest.raises(ShapeError, match=r"0 \.\. 1"):
        scores.confusion_matrix(np.array([0, 2]), np.array([0, 1]), 2)
