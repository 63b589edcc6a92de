import numpy as np
import pytest
import sklearn.metrics
from evaluation.examples import ALL, binary, multilabel

from lungscan_monai.evaluation.calibrating import CalibrationEffect, calibrated, calibration_facts, fit_calibration
from lungscan_monai.metrics.draws import draws_of_all
from lungscan_monai.metrics.intervals import Bootstrap
from lungscan_monai.metrics.scaling_fits import fit_platt


@pytest.mark.parametrize("kind", ALL)
def test_a_calibration_is_fitted_on_one_section_and_applied_to_all(kind):
    predictions = ALL[kind]()
    calibration = fit_calibration(predictions, "validation")
    assert calibration == fit_calibration(predictions.section("validation"), "validation")
    found = calibrated(predictions, calibration)
    np.testing.assert_array_equal(found.raw_probabilities, predictions.probabilities)
    np.testing.assert_array_equal(found.probabilities, calibration.apply(predictions.probabilities))
    assert (found.probabilities != predictions.probabilities).any()


def test_each_finding_has_a_scaling_of_its_own_or_a_reason():
    scalings = fit_calibration(multilabel(), "validation").scalings
    mass = next(multilabel().section("validation").targets())
    assert scalings[0] == fit_platt(*mass)
    assert [scaling.label for scaling in scalings] == list(multilabel().label_names)
    assert "there are 0 of positive" in scalings[2].reason
    assert "no case is assessed" in scalings[3].reason


@pytest.mark.parametrize("kind", ALL)
def test_without_validation_cases_nothing_changes_and_the_facts_say_why(kind):
    predictions = ALL[kind](sections=("test",) * 150)
    calibration = fit_calibration(predictions, "validation")
    assert calibrated(predictions, calibration) is predictions
    facts = calibration_facts(calibration, kind)
    assert facts["applied"] is False
    assert facts["reason"] == "there is no section 'validation' to fit it on"
    assert calibration_facts(None, kind)["reason"] == "none was asked for"


def test_the_effect_is_the_change_of_both_scores_on_the_same_cases():
    y_true = binary().y_true.astype(float)
    before, after = binary().probabilities[:, 1], binary().probabilities[:, 1] ** 1.3
    effect = CalibrationEffect(y_true, before, after, seed=0)
    (draws,) = draws_of_all([effect.columns], Bootstrap(np.arange(150), 300))
    found = effect.entry(draws)
    scores = [sklearn.metrics.brier_score_loss(y_true, probability) for probability in (before, after)]
    assert found["before"]["brier"]["value"] == pytest.approx(scores[0], abs=1e-6)
    assert found["change"]["brier"]["value"] == pytest.approx(scores[1] - scores[0], abs=1e-6)
    assert found["change"]["brier"]["low"] < found["change"]["brier"]["value"] < found["change"]["brier"]["high"]
    assert found["before"]["ece"]["interval"] == "reverse percentile"


def test_a_finding_that_nobody_assessed_has_no_effect_and_says_why():
    effect = CalibrationEffect(np.full(9, np.nan), np.full(9, 0.5), np.full(9, 0.4), seed=0)
    (draws,) = draws_of_all([effect.columns], Bootstrap(np.arange(9), 5))
    assert effect.entry(draws)["change"]["ece"] == {"not_computable": "because no case is assessed (9 given)"}
