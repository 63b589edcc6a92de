import numpy as np
import pytest
import sklearn.metrics
from evaluation.examples import binary, multiclass, multilabel

from lungscan_monai.evaluation.deciding import (
    THRESHOLD_PROBABILITIES,
    DecisionCurve,
    selective_classes,
    selective_label,
    sets_of_classes,
    sets_of_finding,
)
from lungscan_monai.metrics.draws import draws_of_all
from lungscan_monai.metrics.intervals import Bootstrap


def entry_of(part, n_cases=150):
    (draws,) = draws_of_all([part.columns], Bootstrap(np.arange(n_cases), 200))
    return part.entry(draws)


def test_a_decision_curve_has_a_band_and_its_two_rivals():
    (target,) = binary().targets()
    found = entry_of(DecisionCurve(target))
    assert found["thresholds"] == THRESHOLD_PROBABILITIES.tolist()
    low, value, high = (np.array(found[name]) for name in ("low", "net_benefit", "high"))
    assert (low <= value + 1e-6).all() and (value <= high + 1e-6).all()
    prevalence = target.y_true.mean()
    assert found["treat_all"][24] == pytest.approx(prevalence - (1 - prevalence), abs=1e-6)  # at 0.5


def test_a_finding_that_nobody_assessed_has_neither_curve_nor_sets():
    fibrosis = list(multilabel().targets())[3]
    for part in (
        DecisionCurve(fibrosis),
        selective_label(fibrosis, fibrosis.y_score >= 0.5, 0.5),
        sets_of_finding(fibrosis, fibrosis, 0.9),
    ):
        assert "because" in entry_of(part)["not_computable"]


def test_the_surest_cases_are_the_farthest_from_the_threshold():
    (target,) = binary().targets()
    found = entry_of(selective_label(target, target.y_score >= 0.3, 0.3))
    distance = np.abs(np.log(target.y_score / (1 - target.y_score)) - np.log(0.3 / 0.7))
    wrong = (target.y_score >= 0.3) != (target.y_true == 1)
    half = np.argsort(-distance)[:75]
    assert found["risk_at"][0]["risk"]["value"] == pytest.approx(wrong.mean(), abs=1e-6)
    assert found["risk_at"][-1] == {"coverage": 0.5, "risk": found["risk_at"][-1]["risk"]}
    assert found["risk_at"][-1]["risk"]["value"] == pytest.approx(wrong[half].mean(), abs=1e-6)
    assert found["curve"]["coverage"][-1] == 1.0


def test_exclusive_classes_are_sure_where_the_highest_probability_is_high():
    y_true, probabilities = multiclass().y_true, multiclass().probabilities
    found = entry_of(selective_classes(y_true, probabilities))
    error = 1 - sklearn.metrics.accuracy_score(y_true, probabilities.argmax(axis=1))
    assert found["risk_at"][0]["risk"]["value"] == pytest.approx(error, abs=1e-6)
    assert found["aurc"]["value"] < error


def test_sets_are_fitted_on_one_section_and_measured_on_the_other():
    fitted, tested = multiclass().section("validation"), multiclass().section("test")
    found = entry_of(sets_of_classes(fitted, tested, 0.9), 90)
    of_reference = fitted.probabilities[np.arange(60), fitted.y_true]
    assert found["smallest_probability"] == np.sort(of_reference)[60 - 55]  # 55 = ceil(0.9 * 61)
    sets = tested.probabilities >= found["smallest_probability"]
    covered = sets[np.arange(90), tested.y_true]
    assert found["coverage"]["value"] == pytest.approx(covered.mean(), abs=1e-6)
    assert found["mean_size"]["value"] == pytest.approx(sets.sum(axis=1).mean(), abs=1e-6)
    by_class = [covered[tested.y_true == index].mean() for index in range(3)]
    assert [entry["value"] for entry in found["coverage_by_class"].values()] == pytest.approx(by_class, abs=1e-6)


def test_without_cases_to_fit_on_there_are_no_sets():
    found = entry_of(sets_of_classes(None, binary(), 0.9))
    assert found == {"not_computable": "because there is no section to fit it on"}
    few = binary(sections=("validation",) * 5 + ("test",) * 145)
    found = entry_of(sets_of_classes(few.section("validation"), few.section("test"), 0.9), 145)
    assert "5 cases are too few for a coverage of 0.9" in found["not_computable"]


def test_a_finding_may_be_absent_present_both_or_neither():
    mass, *_ = multilabel().targets()
    found = entry_of(sets_of_finding(mass, mass, 0.9))
    known = ~np.isnan(mass.y_true)
    assert found["fitted_cases"] == known.sum()
    assert found["coverage"]["value"] >= 0.9  # fitted on these very cases
    assert list(found["coverage_by_class"]) == ["absent", "present"]
