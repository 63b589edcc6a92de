import json
import shutil

import numpy as np
import pytest
import sklearn.metrics
from evaluation.examples import ALL, binary, multiclass, multilabel

from lungscan_monai.errors import DataError
from lungscan_monai.evaluation.comparing import compare, load_evaluation
from lungscan_monai.evaluation.comparison_page import render_comparison
from lungscan_monai.evaluation.report import build_report
from lungscan_monai.evaluation.settings import ReportSettings
from lungscan_monai.evaluation.writing import write_report
from lungscan_monai.metrics.delong import delong_difference
from lungscan_monai.storage import write_json


def evaluated(folder, predictions):
    predictions.save(folder)
    write_json(folder / "report.json", build_report(predictions, ReportSettings(n_resamples=20)))
    return load_evaluation(folder)


def better(kind):
    """Return predictions of the same cases by a model that is right more often."""
    predictions = ALL[kind]()
    if kind == "multilabel":
        probabilities = 0.7 * predictions.probabilities + 0.3 * np.nan_to_num(predictions.y_true)
    else:
        probabilities = 0.7 * predictions.probabilities + 0.3 * np.eye(len(predictions.label_names))[predictions.y_true]
    return ALL[kind](probabilities=probabilities, facts={"model_sha256": "cd34"})


@pytest.fixture(params=ALL)
def pair(request, tmp_path):
    kind = request.param
    return evaluated(tmp_path / "small", ALL[kind]()), evaluated(tmp_path / "large", better(kind))


def test_every_kind_of_task_is_compared_and_shown(pair):
    found = compare(*pair, n_resamples=100)
    json.dumps(found, allow_nan=False)
    assert (found["cases"], found["patients"]) == (90, 30)
    assert found["first"]["model_sha256"] == "ab12" and found["second"]["model_sha256"] == "cd34"
    auc = found["labels"][0]["metrics"]["roc_auc"]
    assert auc["difference"]["value"] == pytest.approx(auc["second"]["value"] - auc["first"]["value"], abs=2e-6)
    assert 0 <= auc["difference"]["low"] < auc["difference"]["value"] < auc["difference"]["high"]
    page = render_comparison(found)
    assert "Not for diagnosis" in page and "ROC AUC" in page and "DeLong" in page
    assert compare(*pair, n_resamples=100) == found


def test_differences_and_tests_are_those_of_the_two_models(tmp_path):
    first, second = evaluated(tmp_path / "a", binary()), evaluated(tmp_path / "b", better("binary"))
    (label,) = compare(first, second, n_resamples=50)["labels"]
    y_true, scores = first.test.y_true, [one.test.probabilities[:, 1] for one in (first, second)]
    aucs = [sklearn.metrics.roc_auc_score(y_true, score) for score in scores]
    assert label["metrics"]["roc_auc"]["difference"]["value"] == pytest.approx(aucs[1] - aucs[0], abs=1e-6)
    assert label["delong"]["standard_error"] == pytest.approx(
        delong_difference(y_true, *scores).standard_error, abs=1e-6
    )
    calls = [
        score >= one.report["labels"][0]["operating_point"]["threshold"]
        for score, one in zip(scores, (first, second), strict=True)
    ]
    right = [called == (y_true == 1) for called in calls]
    assert label["mcnemar"]["only_second_right"] == int((right[1] & ~right[0]).sum())
    recall = [sklearn.metrics.recall_score(y_true, called) for called in calls]
    assert label["metrics"]["sensitivity"]["second"]["value"] == pytest.approx(recall[1], abs=1e-6)


def test_many_labels_have_corrected_p_values_and_a_mean(tmp_path):
    first, second = evaluated(tmp_path / "a", multiclass()), evaluated(tmp_path / "b", better("multiclass"))
    found = compare(first, second, n_resamples=50)
    p_values = [label["delong"]["p"] for label in found["labels"]]
    assert [label["delong"]["p_holm"] for label in found["labels"]][np.argmin(p_values)] == 3 * min(p_values)
    means = [
        np.mean([label["metrics"]["f1"][use]["value"] for label in found["labels"]]) for use in ("first", "second")
    ]
    assert found["overall"]["macro"]["f1"]["difference"]["value"] == pytest.approx(means[1] - means[0], abs=3e-6)
    accuracy = found["overall"]["classes"]["metrics"]["accuracy"]
    errors = found["overall"]["classes"]["mcnemar"]
    gained = (errors["only_second_right"] - errors["only_first_right"]) / 90
    assert accuracy["difference"]["value"] == pytest.approx(gained, abs=1e-6)


def test_a_label_that_cannot_be_compared_says_why(tmp_path):
    first, second = evaluated(tmp_path / "a", multilabel()), evaluated(tmp_path / "b", better("multilabel"))
    hernia, fibrosis = compare(first, second, n_resamples=50)["labels"][2:]
    assert "because" in hernia["metrics"]["roc_auc"]["difference"]["not_computable"]
    assert "a variance needs 2 of each" in hernia["delong"]["not_computable"]
    assert "no case is assessed" in fibrosis["delong"]["not_computable"]


def test_a_model_compared_with_itself_differs_nowhere(tmp_path):
    first = evaluated(tmp_path / "a", binary())
    found = compare(first, first, n_resamples=50)
    assert found["warnings"] == ["both evaluations are of the same model"]
    assert found["labels"][0]["delong"] == {"not_computable": "because DeLong's variance is 0"}
    assert found["labels"][0]["metrics"]["f1"]["difference"]["value"] == 0
    assert "all resamples give the same value" in found["labels"][0]["metrics"]["f1"]["difference"]["no_interval"]
    assert "0.000 (no interval because all resamples give the same value" in render_comparison(found)


def test_cases_in_another_order_are_the_same_cases(tmp_path):
    first, second = evaluated(tmp_path / "a", binary()), evaluated(tmp_path / "b", better("binary"))
    turned = better("binary").chosen(list(range(149, -1, -1)))
    assert compare(first, evaluated(tmp_path / "c", turned), 50)["labels"] == compare(first, second, 50)["labels"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"case_ids": tuple(f"other{n}.png" for n in range(150))}, "90 are in .*/a only, 90 in .*/b only, 0 in both"),
        ({"sections": ("test",) * 150}, "0 are in .*/a only, 60 in .*/b only, 90 in both"),
        ({"y_true": 1 - binary().y_true}, "90 of 90 cases have other reference labels"),
        ({"patients": (None,) * 150}, "90 of 90 cases are of other patients"),
        ({"label_names": ("Normal", "Mass")}, "only evaluations of the same labels"),
    ],
)
def test_what_is_not_the_same_is_refused_and_counted(change, message, tmp_path):
    with pytest.raises(DataError, match=message):
        compare(evaluated(tmp_path / "a", binary()), evaluated(tmp_path / "b", binary(**change)))


def test_a_folder_without_an_evaluation_is_refused(tmp_path):
    with pytest.raises(DataError, match="give the folder that `lungscan evaluate` wrote"):
        load_evaluation(tmp_path)
    (tmp_path / "report.json").write_text("{}")
    with pytest.raises(DataError, match="not the report of an evaluation"):
        load_evaluation(tmp_path)
    write_json(tmp_path / "report.json", {"report_version": 1, "sections": {"test": {"name": "test"}}})
    with pytest.raises(DataError, match="is of version 1"):
        load_evaluation(tmp_path)


def test_a_whole_folder_of_an_evaluation_can_be_moved(tmp_path):
    binary().save(tmp_path / "here")
    write_report(build_report(binary(), ReportSettings(n_resamples=20)), tmp_path / "here")
    shutil.move(tmp_path / "here", tmp_path / "there")
    assert load_evaluation(tmp_path / "there").name == f"{tmp_path.name}/there"
