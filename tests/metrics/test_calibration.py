import numpy as np
import pytest
import sklearn.calibration
import sklearn.metrics

from lungscan_monai.errors import NotComputableError
from lungscan_monai.metrics.calibration import (
    brier_score,
    calibration_error_if_calibrated,
    expected_calibration_error,
    reliability_curve,
)


@pytest.fixture(params=["distinct", "tied"])
def sample(request):
    rng = np.random.default_rng(7)
    probability = rng.beta(0.6, 1.2, 400)
    y_true = (rng.random(400) < probability**1.5).astype(float)
    return y_true, np.round(probability, 1) if request.param == "tied" else probability


def test_brier_score_equals_scikit_learn(sample):
    weights = np.random.default_rng(1).integers(0, 4, (2, 400))
    assert brier_score(*sample) == pytest.approx(sklearn.metrics.brier_score_loss(*sample))
    expected = [sklearn.metrics.brier_score_loss(*sample, sample_weight=row) for row in weights]
    np.testing.assert_allclose(brier_score(*sample, weights), expected)


def test_reliability_curve_equals_scikit_learn(sample):
    ours = reliability_curve(*sample)
    observed, predicted = sklearn.calibration.calibration_curve(*sample, n_bins=10, strategy="quantile")
    np.testing.assert_allclose(ours.observed, observed)
    np.testing.assert_allclose(ours.mean_predicted, predicted)
    assert ours.n_cases.sum() == 400


def test_distinct_probabilities_fill_bins_of_equal_mass():
    probability = np.random.default_rng(0).random(1000)
    assert set(reliability_curve(np.zeros(1000), probability).n_cases.tolist()) == {100}


def test_calibration_error_is_the_mean_gap_of_the_reliability_curve(sample):
    curve = reliability_curve(*sample)
    gap = np.average(np.abs(curve.observed - curve.mean_predicted), weights=curve.n_cases)
    assert expected_calibration_error(*sample) == pytest.approx(gap)


def test_calibration_error_by_hand():
    y_true, probability = np.array([0, 1, 1, 1]), np.array([0.2, 0.2, 0.9, 0.9])
    assert expected_calibration_error(y_true, probability, n_bins=2) == pytest.approx((0.3 + 0.1) / 2)
    twice_the_first = np.array([[2, 1, 1, 1], [0, 0, 0, 0]])
    error = expected_calibration_error(y_true, probability, twice_the_first, n_bins=2)
    assert error[0] == pytest.approx(abs(1 - 0.6) / 5 + abs(2 - 1.8) / 5)
    assert np.isnan(error[1])


def test_one_case_has_a_calibration_error():
    assert expected_calibration_error(np.array([1.0]), np.array([0.7])) == pytest.approx(0.3)


def test_true_probabilities_stay_within_what_chance_gives_and_false_ones_do_not():
    rng = np.random.default_rng(2)
    probability = rng.random(2000)
    y_true = (rng.random(2000) < probability).astype(float)
    by_chance = calibration_error_if_calibrated(probability, seed=1)
    assert by_chance.shape == (500,)
    assert by_chance.min() > 0
    assert expected_calibration_error(y_true, probability) < np.quantile(by_chance, 0.99)
    assert expected_calibration_error(y_true, probability**3) > 5 * np.quantile(by_chance, 0.99)


def test_equal_seeds_give_equal_chance():
    probability = np.linspace(0, 1, 50)
    first, again = (calibration_error_if_calibrated(probability, 20, seed=3) for _ in range(2))
    np.testing.assert_array_equal(first, again)


def test_logits_are_refused():
    with pytest.raises(NotComputableError, match="not logits"):
        brier_score(np.array([0, 1]), np.array([-2.0, 3.0]))
