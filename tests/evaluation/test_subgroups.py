import numpy as np
import pytest
import sklearn.metrics
from evaluation.examples import binary, multilabel

from lungscan_monai.errors import DataError
from lungscan_monai.evaluation.report import build_report
from lungscan_monai.evaluation.settings import ReportSettings
from lungscan_monai.evaluation.subgroups import find_subgroups


def names(groups):
    return [(group.fact, group.value) for group in groups]


def test_a_fact_with_few_values_makes_groups_and_one_that_names_cases_does_not():
    facts = [{"sex": "FM"[number % 2], "file": f"f{number}", "site": "A"} for number in range(40)]
    assert names(find_subgroups(facts)) == [("sex", "F"), ("sex", "M")]
    assert names(find_subgroups(facts, ["site"])) == [("site", "A")]
    assert find_subgroups(facts, []) == []


def test_ages_are_cut_into_bands():
    facts = [{"age": age} for age in (0, 17, 18, 39.5, 40, 59, 60, 79, 80, 101)]
    groups = find_subgroups(facts)
    bands = ["0 to 17", "18 to 39", "40 to 59", "60 to 79", "80 and over"]
    assert names(groups) == [("age", band) for band in bands]
    assert [group.members.sum() for group in groups] == [2] * 5


def test_cases_without_the_fact_are_a_group_of_their_own():
    facts = [{"view": "PA"}, {"view": "AP"}, {"view": None}, {}, {"view": ""}, {"view": float("nan")}]
    groups = find_subgroups(facts)
    assert names(groups) == [("view", "AP"), ("view", "PA"), ("view", "not recorded")]
    assert groups[-1].members.tolist() == [False, False, True, True, True, True]


def test_a_fact_that_no_case_has_is_refused():
    with pytest.raises(DataError, match="no test case has the fact scanner; there are: sex"):
        find_subgroups([{"sex": "F"}], ["scanner"])


def report_with(predictions, facts, **settings):
    case_facts = dict(zip(predictions.case_ids, facts, strict=True))
    return build_report(predictions, ReportSettings(n_resamples=200, **settings), case_facts=case_facts)


def test_numbers_of_a_group_are_those_of_its_cases_with_intervals():
    predictions = binary()
    report = report_with(predictions, [{"sex": "FM"[number % 2]} for number in range(150)])
    (sex,) = report["subgroups"]
    tested = np.array(predictions.sections) == "test"
    threshold = report["labels"][0]["operating_point"]["threshold"]
    for index, group in enumerate(sex["groups"]):
        chosen = tested & (np.arange(150) % 2 == index)
        y_true, score = predictions.y_true[chosen], predictions.probabilities[chosen, 1]
        (label,) = group["labels"]
        assert (group["cases"], group["patients"]) == (45, 30)
        assert label["roc_auc"]["value"] == pytest.approx(sklearn.metrics.roc_auc_score(y_true, score), abs=1e-6)
        recall = sklearn.metrics.recall_score(y_true, score >= threshold)
        assert label["sensitivity"]["value"] == pytest.approx(recall, abs=1e-6)
        assert label["roc_auc"]["low"] < label["roc_auc"]["value"] < label["roc_auc"]["high"]


def test_a_group_of_one_class_or_nobody_assessed_says_why():
    predictions = multilabel()
    facts = [{"source": "rare" if number == 149 else "common"} for number in range(150)]
    (source,) = report_with(predictions, facts)["subgroups"]
    rare = next(group for group in source["groups"] if group["value"] == "rare")
    assert rare["cases"] == 1
    assert "only one class" in rare["labels"][0]["roc_auc"]["not_computable"]
    assert "no case is assessed" in rare["labels"][3]["sensitivity"]["not_computable"]


def test_only_the_facts_asked_for_make_groups():
    facts = [{"sex": "FM"[number % 2], "view": "PA"} for number in range(150)]
    report = report_with(binary(), facts, subgroups=("view",))
    assert [found["fact"] for found in report["subgroups"]] == ["view"]
    assert report_with(binary(), facts, subgroups=())["subgroups"] == []
