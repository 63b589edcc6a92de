import numpy as np
import pytest
import sklearn.metrics

from lungscan_monai.errors import NotComputableError
from lungscan_monai.metrics.curves import precision_recall_curve, rank, roc_curve, sensitivity_at, thinned


@pytest.fixture(params=["distinct", "tied"])
def sample(request):
    rng = np.random.default_rng(5)
    y_true = rng.random(300) < 0.3
    y_score = rng.normal(size=300) + y_true
    return y_true.astype(float), np.round(y_score, 1) if request.param == "tied" else y_score


def test_roc_curve_equals_scikit_learn(sample):
    ours = roc_curve(*sample)
    fpr, tpr, thresholds = sklearn.metrics.roc_curve(*sample, drop_intermediate=False)
    np.testing.assert_allclose(ours.false_positive_rate, fpr)
    np.testing.assert_allclose(ours.sensitivity, tpr)
    np.testing.assert_allclose(ours.thresholds, thresholds)


def test_precision_recall_curve_equals_scikit_learn_without_its_last_point(sample):
    ours = precision_recall_curve(*sample)
    precision, recall, thresholds = sklearn.metrics.precision_recall_curve(*sample)
    np.testing.assert_allclose(ours.precision[::-1], precision[:-1])
    np.testing.assert_allclose(ours.recall[::-1], recall[:-1])
    np.testing.assert_allclose(ours.thresholds[::-1], thresholds)


@pytest.mark.parametrize("curve", [roc_curve, precision_recall_curve])
def test_one_class_has_no_curve(curve):
    with pytest.raises(NotComputableError, match=r"only one class is present \(0 positive, 2 negative cases\)"):
        curve(np.zeros(2), np.array([0.1, 0.2]))


def test_weights_count_like_repeated_cases(sample):
    y_true, y_score = sample
    weights = np.random.default_rng(1).integers(0, 4, (3, y_true.size))
    counts = rank(y_true, y_score).counts(weights)
    for row, times in enumerate(weights):
        repeated = np.repeat(np.arange(y_true.size), times)
        for index, threshold in enumerate(counts.thresholds):
            called = y_score[repeated] >= threshold
            assert counts.true_positives[row, index] == (called & (y_true[repeated] == 1)).sum()
            assert counts.false_positives[row, index] == (called & (y_true[repeated] == 0)).sum()


def test_a_condensed_ranking_keeps_every_threshold_where_a_positive_case_lies(sample):
    y_true, y_score = sample
    condensed = rank(y_true, y_score).condensed()
    assert set(y_score[y_true == 1]) <= set(condensed.thresholds)
    assert condensed.n_called[-1] == y_true.size


def test_a_condensed_ranking_draws_the_same_roc_curve(sample):
    y_true, y_score = sample
    weights = np.random.default_rng(1).integers(0, 4, (3, y_true.size))
    rates = np.linspace(0, 1, 51)
    full, condensed = rank(y_true, y_score), rank(y_true, y_score).condensed()
    np.testing.assert_allclose(
        sensitivity_at(full.counts(weights), rates), sensitivity_at(condensed.counts(weights), rates), atol=1e-12
    )


def test_sensitivity_at_a_rate_is_read_off_the_curve():
    counts = rank(np.array([0, 0, 1, 1]), np.array([0.1, 0.4, 0.35, 0.8])).counts(
        np.array([[1, 1, 1, 1], [1, 1, 0, 0]])
    )
    read = sensitivity_at(counts, np.array([0.0, 0.25, 0.5, 1.0]))
    assert read[0].tolist() == [0.5, 0.5, 1.0, 1.0]
    assert np.isnan(read[1]).all()


def test_a_thinned_curve_keeps_its_ends_and_its_shape():
    x = np.linspace(0, 1, 5000)
    y = np.sqrt(x)
    chosen = thinned(x, y, 200)
    assert chosen.size <= 200
    assert chosen[0] == 0
    assert chosen[-1] == 4999
    assert np.abs(np.interp(x, x[chosen], y[chosen]) - y).max() < 0.01


def test_a_thinned_curve_with_few_corners_keeps_exactly_them():
    assert thinned(np.array([0, 0, 0, 0.5, 1]), np.array([0, 0.5, 1, 1, 1]), 200).tolist() == [0, 2, 4]
    assert thinned(np.array([0.5]), np.array([0.5]), 200).tolist() == [0]
