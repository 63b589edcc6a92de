import numpy as np
import pytest
import scipy.stats

from lungscan_monai.errors import NotComputableError
from lungscan_monai.evaluation.estimates import calibration_error, computed, estimate, rounded
from lungscan_monai.metrics.draws import Draws


def draws(values):
    return Draws(np.array([0.5]), np.asarray(values, dtype=float)[:, None])


SPREAD = draws(np.linspace(0.4, 0.6, 101))


def undefined():
    raise NotComputableError("there is no positive case")


def test_an_estimate_has_value_limits_and_the_count_of_resamples_left_out():
    entry = estimate(lambda: 0.5, draws(np.append(np.linspace(0.4, 0.6, 101), np.nan)))
    assert entry == {"value": 0.5, "low": 0.405, "high": 0.595, "resamples_left_out": 1}


def test_what_is_not_defined_says_because():
    assert estimate(undefined, SPREAD) == {"not_computable": "because there is no positive case"}
    assert calibration_error(undefined, SPREAD, lambda: np.ones(3)) == {
        "not_computable": "because there is no positive case"
    }


def test_a_perfect_proportion_gets_the_interval_of_wilson():
    entry = estimate(lambda: 1.0, draws(np.ones(100)), n_units=20)
    expected = scipy.stats.binomtest(20, 20).proportion_ci(method="wilson")
    assert entry["low"] == pytest.approx(expected.low, abs=1e-6)
    assert entry["high"] == 1.0
    assert entry["interval"] == "Wilson, 20 independent units"


def test_a_number_without_spread_has_a_value_and_no_interval():
    entry = estimate(lambda: 1.0, draws(np.ones(100)))
    assert (entry["value"], entry["low"], entry["high"]) == (1.0, None, None)
    assert entry["no_interval"].startswith("because all resamples give the same value")


def test_a_calibration_error_that_chance_explains_reaches_down_to_zero():
    drawn = draws(np.linspace(0.03, 0.07, 101))
    explained = calibration_error(lambda: 0.04, drawn, lambda: np.full(10, 0.05))
    assert (explained["low"], explained["by_chance_up_to"]) == (0.0, 0.05)
    real = calibration_error(lambda: 0.04, drawn, lambda: np.full(10, 0.01))
    assert real["low"] == pytest.approx(2 * 0.04 - 0.069)
    assert real["low"] < real["value"] <= real["high"]


def test_the_interval_of_a_calibration_error_holds_its_value_though_resampling_pushes_it_up():
    entry = calibration_error(lambda: 0.02, draws(np.linspace(0.03, 0.07, 101)), lambda: np.full(10, 0.01))
    assert 0 <= entry["low"] <= entry["value"] <= entry["high"]


def test_numbers_have_six_decimals():
    assert rounded(1 / 3) == 0.333333
    assert str(rounded(-1e-9)) == "0.0"


def test_a_dictionary_that_cannot_be_computed_says_because():
    assert computed(lambda: {"points": [1]}) == {"points": [1]}
    assert computed(undefined) == {"not_computable": "because there is no positive case"}


def test_a_proportion_of_few_patients_gets_the_interval_of_wilson():
    entry = estimate(lambda: 0.5, SPREAD, n_units=8)
    expected = scipy.stats.binomtest(4, 8).proportion_ci(method="wilson")
    assert (entry["low"], entry["high"]) == pytest.approx((expected.low, expected.high), abs=1e-6)
    assert estimate(lambda: 0.5, SPREAD, n_units=10)["low"] == 0.405


def test_a_class_of_few_patients_gives_a_number_of_both_no_interval():
    entry = estimate(lambda: 0.8, SPREAD, n_smaller=4)
    assert entry["no_interval"] == "because 4 patients of a class are too few to resample, it needs 5"
    assert estimate(lambda: 0.8, SPREAD, n_smaller=5)["low"] == 0.405
