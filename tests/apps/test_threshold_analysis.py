"""A threshold's numbers are those of scikit-learn, and predictive values those of Bayes' theorem."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix

from lungscan_monai.apps.threshold_analysis import ThresholdAnalysis, threshold_analyses
from lungscan_monai.errors import NotComputableError
from lungscan_monai.evaluation.predictions import Predictions, Target

RNG = np.random.default_rng(0)
Y_TRUE = np.repeat([0.0, 1.0], 50)
Y_SCORE = np.clip(RNG.normal(0.4 + 0.2 * Y_TRUE, 0.15), 0, 1)


@pytest.mark.parametrize("threshold", [0.0, 0.3, 0.5, 0.8, 1.0])
def test_sensitivity_and_specificity_are_those_of_scikit_learn(threshold):
    found = ThresholdAnalysis(Target("x", Y_TRUE, Y_SCORE)).at(threshold, 0.5)
    tn, fp, fn, tp = confusion_matrix(Y_TRUE, threshold <= Y_SCORE).ravel()
    assert found.sensitivity.value == tp / (tp + fn)
    assert found.specificity.value == tn / (tn + fp)


def test_at_the_prevalence_of_the_cases_predictive_values_are_their_counts():
    found = ThresholdAnalysis(Target("x", Y_TRUE, Y_SCORE)).at(0.5, 0.5)
    tn, fp, fn, tp = confusion_matrix(Y_TRUE, Y_SCORE >= 0.5).ravel()
    assert found.ppv == pytest.approx(tp / (tp + fp))
    assert found.npv == pytest.approx(tn / (tn + fn))


def test_a_rare_finding_has_a_lower_predictive_value():
    # sensitivity 0.9, specificity 0.9, prevalence 1 %: PPV = 0.009 / (0.009 + 0.099) = 1 / 12
    scores = np.concatenate([np.full(9, 0.8), [0.2], np.full(9, 0.2), [0.8]])
    analysis = ThresholdAnalysis(Target("x", np.repeat([1.0, 0.0], 10), scores))
    assert analysis.at(0.5, 0.01).ppv == pytest.approx(1 / 12)


def test_what_nobody_is_called_has_no_predictive_value():
    analysis = ThresholdAnalysis(Target("x", Y_TRUE, Y_SCORE))
    assert analysis.at(1.01, 0.5).ppv is None
    assert analysis.at(0.0, 0.5).npv is None


def test_an_impossible_prevalence_is_refused():
    with pytest.raises(NotComputableError, match=r"\[0, 1\]"):
        ThresholdAnalysis(Target("x", Y_TRUE, Y_SCORE)).at(0.5, 1.2)


def test_the_validation_cases_of_an_evaluation_are_taken_and_no_others(tmp_path):
    n = len(Y_TRUE)
    sections = tuple("validation" if index % 2 else "test" for index in range(n))
    probabilities = np.stack([1 - Y_SCORE, Y_SCORE], axis=1)
    names = tuple(f"c{index}" for index in range(n))
    Predictions(names, (None,) * n, sections, Y_TRUE.astype(int), probabilities, ("No", "Yes"), "binary").save(tmp_path)
    analyses = threshold_analyses(tmp_path)
    assert list(analyses) == ["Yes"]
    assert analyses["Yes"].cases == (25, 25)


def test_without_an_evaluation_there_is_nothing_to_analyse(tmp_path):
    assert threshold_analyses(tmp_path) == {}
