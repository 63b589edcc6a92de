import numpy as np
import pytest
from evaluation.examples import binary, multiclass, multilabel

from lungscan_monai.evaluation.label_sets import sets_of_classes, sets_of_finding
from lungscan_monai.metrics.draws import draws_of_all
from lungscan_monai.metrics.intervals import Bootstrap

EACH = np.arange(150)


def entry_of(part, n_cases=150):
    (draws,) = draws_of_all([part.columns], Bootstrap(np.arange(n_cases), 200))
    return part.entry(draws)


def test_sets_are_fitted_on_one_section_and_measured_on_the_other():
    fitted, tested = multiclass().section("validation"), multiclass().section("test")
    found = entry_of(sets_of_classes(fitted, tested, 0.9, EACH[:90]), 90)
    own = [np.sort(fitted.probabilities[fitted.y_true == index, index]) for index in range(3)]
    limits = [of_class[len(of_class) - int(np.ceil((len(of_class) + 1) * 0.9))] for of_class in own]
    assert list(found["smallest_probability"].values()) == limits
    assert found["promised_for"] == "each class"
    sets = tested.probabilities >= limits
    covered = sets[np.arange(90), tested.y_true]
    assert found["coverage"]["value"] == pytest.approx(covered.mean(), abs=1e-6)
    assert found["mean_size"]["value"] == pytest.approx(sets.sum(axis=1).mean(), abs=1e-6)
    by_class = [covered[tested.y_true == index].mean() for index in range(3)]
    assert [entry["value"] for entry in found["coverage_by_class"].values()] == pytest.approx(by_class, abs=1e-6)


def test_without_cases_to_fit_on_there_are_no_sets():
    found = entry_of(sets_of_classes(None, binary(), 0.9, EACH))
    assert found == {"not_computable": "because there is no section to fit it on"}
    few = binary(sections=("validation",) * 5 + ("test",) * 145)
    found = entry_of(sets_of_classes(few.section("validation"), few.section("test"), 0.9, EACH[:145]), 145)
    assert "5 cases are too few for a coverage of 0.9" in found["not_computable"]


def test_a_finding_may_be_absent_present_both_or_neither():
    mass, *_ = multilabel().targets()
    found = entry_of(sets_of_finding(mass, mass, 0.9, EACH))
    known = ~np.isnan(mass.y_true)
    assert found["fitted_cases"] == known.sum()
    assert found["coverage"]["value"] >= 0.9  # fitted on these very cases
    assert list(found["coverage_by_class"]) == ["absent", "present"]


def test_a_finding_that_nobody_assessed_has_no_sets():
    fibrosis = list(multilabel().targets())[3]
    assert "because" in entry_of(sets_of_finding(fibrosis, fibrosis, 0.9, EACH))["not_computable"]
    mass = next(multilabel().targets())
    found = entry_of(sets_of_finding(mass, fibrosis, 0.9, EACH))
    assert found["coverage"] == {"not_computable": "because there is no such case"}


def test_sets_that_never_miss_still_have_an_interval():
    y_true = binary().y_true
    sure = binary(probabilities=np.eye(2)[y_true] * 0.8 + 0.1)
    found = entry_of(sets_of_classes(sure, sure, 0.9, EACH // 3))
    assert found["coverage"]["value"] == 1 and found["coverage"]["interval"] == "Wilson, 50 independent units"
    assert found["mean_size"] == {**found["mean_size"], "value": 1, "low": None}


def test_a_class_with_too_few_cases_shares_one_limit_with_the_others():
    rare = multiclass(y_true=np.where(np.arange(150) % 30 == 0, 2, multiclass().y_true % 2))
    found = entry_of(sets_of_classes(rare.section("validation"), rare.section("test"), 0.9, EACH[:90]), 90)
    fitted = rare.section("validation")
    of_reference = fitted.probabilities[np.arange(60), fitted.y_true]
    assert set(found["smallest_probability"].values()) == {np.sort(of_reference)[60 - 55]}  # 55 = ceil(0.9 * 61)
    assert found["promised_for"] == "all cases together"
