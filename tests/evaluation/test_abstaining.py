import numpy as np
import pytest
import sklearn.metrics
from evaluation.examples import binary, multiclass, multilabel

from lungscan_monai.evaluation.abstaining import selective_classes, selective_label
from lungscan_monai.metrics.draws import draws_of_all
from lungscan_monai.metrics.intervals import Bootstrap

EACH = np.arange(150)


def entry_of(part, n_cases=150):
    (draws,) = draws_of_all([part.columns], Bootstrap(np.arange(n_cases), 200))
    return part.entry(draws)


def test_the_surest_cases_are_the_farthest_from_the_threshold():
    (target,) = binary().targets()
    found = entry_of(selective_label(target, target.y_score >= 0.3, 0.3, EACH))
    distance = np.abs(np.log(target.y_score / (1 - target.y_score)) - np.log(0.3 / 0.7))
    wrong = (target.y_score >= 0.3) != (target.y_true == 1)
    half = np.argsort(-distance)[:75]
    assert found["risk_at"][0]["risk"]["value"] == pytest.approx(wrong.mean(), abs=1e-6)
    assert found["risk_at"][-1] == {"coverage": 0.5, "risk": found["risk_at"][-1]["risk"]}
    assert found["risk_at"][-1]["risk"]["value"] == pytest.approx(wrong[half].mean(), abs=1e-6)
    assert found["curve"]["coverage"][-1] == 1.0


def test_exclusive_classes_are_sure_where_the_highest_probability_is_high():
    y_true, probabilities = multiclass().y_true, multiclass().probabilities
    found = entry_of(selective_classes(y_true, probabilities, EACH))
    error = 1 - sklearn.metrics.accuracy_score(y_true, probabilities.argmax(axis=1))
    assert found["risk_at"][0]["risk"]["value"] == pytest.approx(error, abs=1e-6)
    assert found["aurc"]["value"] < error


def test_no_error_among_the_surest_patients_still_has_an_interval():
    (target,) = binary().targets()
    sure = target._replace(y_score=np.where(target.y_true == 1, 0.9, 0.1))
    found = entry_of(selective_label(sure, sure.y_score >= 0.5, 0.5, EACH // 3))
    risk = found["risk_at"][0]["risk"]
    assert (risk["value"], risk["low"]) == (0, 0)
    assert 0 < risk["high"] < 0.1
    assert risk["interval"] == "Wilson, 50 independent units"


def test_a_finding_that_nobody_assessed_has_no_surest_cases():
    fibrosis = list(multilabel().targets())[3]
    part = selective_label(fibrosis, fibrosis.y_score >= 0.5, 0.5, EACH)
    assert "because no case is assessed" in entry_of(part)["not_computable"]
