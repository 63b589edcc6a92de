import json

import numpy as np
import pytest
import sklearn.metrics
from evaluation.examples import ALL, binary, multiclass, multilabel

from lungscan_monai.errors import DataError, NotComputableError
from lungscan_monai.evaluation.averages import AVERAGED
from lungscan_monai.evaluation.calibrating import calibrated, fit_calibration
from lungscan_monai.evaluation.report import build_report
from lungscan_monai.evaluation.settings import ReportSettings
from lungscan_monai.evaluation.statistics import LABEL_STATISTICS


def report_of(predictions, *, facts=None, **settings):
    return build_report(predictions, ReportSettings(**({"n_resamples": 200} | settings)), facts=facts or {"seed": 7})


def calibrated_report(predictions):
    calibration = fit_calibration(predictions, "validation")
    settings = ReportSettings(n_resamples=200)
    return build_report(calibrated(predictions, calibration), settings, calibration=calibration), calibration


def in_section(predictions, name):
    return np.array(predictions.sections) == name


@pytest.mark.parametrize("kind", ALL)
def test_equal_input_gives_equal_bytes(kind):
    first, again = (json.dumps(report_of(ALL[kind]()), allow_nan=False) for _ in range(2))
    assert first == again


@pytest.mark.parametrize("kind", ALL)
def test_every_kind_of_task_has_the_same_keys(kind):
    report = report_of(ALL[kind]())
    assert list(report) == [
        "report_version", "kind", "label_names", "sections", "intervals", "calibration", "overall",
        "confusion_matrix", "labels", "subgroups", "warnings", "facts",
    ]  # fmt: skip
    curves = ["roc", "precision_recall", "reliability", "reliability_before", "histogram", "decision"]
    for label in report["labels"]:
        assert tuple(label["metrics"]) == LABEL_STATISTICS
        assert list(label["curves"]) == curves
        assert label["operating_point"]["rule"] in ("youden", "default")
        assert [point["test"].keys() for point in label["other_operating_points"]]
    overall = ["macro", "micro", "weighted", "classes", "calibration", "selective", "prediction_sets"]
    assert list(report["overall"]) == overall
    assert tuple(report["overall"]["macro"]) == AVERAGED
    assert report["facts"] == {"model_sha256": "ab12", "seed": 7}


def test_the_threshold_is_chosen_on_validation_and_applied_to_test():
    predictions = binary()
    label = report_of(predictions)["labels"][0]
    y_true, score = predictions.y_true, predictions.probabilities[:, 1]
    chosen, tested = in_section(predictions, "validation"), in_section(predictions, "test")
    fpr, tpr, thresholds = sklearn.metrics.roc_curve(y_true[chosen], score[chosen], drop_intermediate=False)
    threshold = label["operating_point"]["threshold"]
    last = np.flatnonzero(thresholds >= threshold)[-1]
    assert (tpr - fpr)[last] == pytest.approx((tpr - fpr).max())
    called = score[tested] >= threshold
    assert label["metrics"]["sensitivity"]["value"] == pytest.approx(
        sklearn.metrics.recall_score(y_true[tested], called), abs=1e-6
    )
    assert label["operating_point"]["fitted_on"] == "validation"
    assert label["operating_point"]["n"] == chosen.sum()


def test_values_equal_scikit_learn_and_lie_in_their_intervals():
    predictions = binary()
    tested = in_section(predictions, "test")
    y_true, score = predictions.y_true[tested], predictions.probabilities[tested, 1]
    metrics = report_of(predictions)["labels"][0]["metrics"]
    assert metrics["roc_auc"]["value"] == pytest.approx(sklearn.metrics.roc_auc_score(y_true, score), abs=1e-6)
    assert metrics["brier"]["value"] == pytest.approx(sklearn.metrics.brier_score_loss(y_true, score), abs=1e-6)
    for entry in metrics.values():
        assert entry["low"] <= entry["value"] <= entry["high"]
        assert entry["resamples_left_out"] == 0


def test_intervals_are_over_patients_where_known():
    by_patient = report_of(binary(), n_resamples=1000)
    by_case = report_of(binary(patients=(None,) * 150), n_resamples=1000)
    assert by_patient["intervals"]["unit"] == "patient"
    assert by_case["intervals"]["unit"] == "case"
    assert by_patient["labels"][0]["patients"] == 30
    assert by_case["labels"][0]["patients"] == 90
    assert by_case["sections"]["test"]["cases_of_unknown_patient"] == 90
    assert by_patient["labels"][0]["metrics"]["roc_auc"] != by_case["labels"][0]["metrics"]["roc_auc"]


def test_without_validation_the_threshold_is_one_half_and_the_report_says_so():
    predictions = binary(sections=("test",) * 150)
    report = report_of(predictions)
    point = report["labels"][0]["operating_point"]
    assert (point["threshold"], point["rule"], point["fitted_on"]) == (0.5, "default", None)
    assert report["warnings"] == [
        "Pneumonia: the threshold is 0.5, not chosen, because there is no section 'validation' to choose it in"
    ]
    assert report["sections"]["threshold"]["cases"] == 0


def test_a_target_sensitivity_is_reached_on_validation():
    point = report_of(binary(), rule="target_sensitivity", target=0.95)["labels"][0]["operating_point"]
    assert point["sensitivity"] >= 0.95
    assert (point["rule"], point["target"]) == ("target_sensitivity", 0.95)


def test_confusion_matrices_equal_scikit_learn():
    predictions = binary()
    report, tested = report_of(predictions), in_section(predictions, "test")
    called = predictions.probabilities[tested, 1] >= report["labels"][0]["operating_point"]["threshold"]
    expected = sklearn.metrics.confusion_matrix(predictions.y_true[tested], called)
    assert report["confusion_matrix"]["counts"] == expected.tolist()
    predictions = multiclass()
    best = predictions.probabilities[tested].argmax(axis=1)
    expected = sklearn.metrics.confusion_matrix(predictions.y_true[tested], best)
    assert report_of(predictions)["confusion_matrix"]["counts"] == expected.tolist()
    assert report_of(multilabel())["confusion_matrix"] is None


def test_exclusive_classes_have_common_numbers_and_a_mean_of_one_against_the_rest():
    predictions = multiclass()
    tested = in_section(predictions, "test")
    y_true, probabilities = predictions.y_true[tested], predictions.probabilities[tested]
    report = report_of(predictions)
    overall, classes = report["overall"], report["overall"]["classes"]
    macro = sklearn.metrics.roc_auc_score(y_true, probabilities, multi_class="ovr", average="macro")
    assert overall["macro"]["roc_auc"]["value"] == pytest.approx(macro, abs=1e-6)
    assert overall["macro"]["roc_auc"]["low"] < macro < overall["macro"]["roc_auc"]["high"]
    accuracy = sklearn.metrics.accuracy_score(y_true, probabilities.argmax(axis=1))
    assert classes["accuracy"]["value"] == pytest.approx(accuracy, abs=1e-6)
    kappa = sklearn.metrics.cohen_kappa_score(y_true, probabilities.argmax(axis=1))
    assert classes["kappa"]["value"] == pytest.approx(kappa, abs=1e-6)
    assert list(classes) == ["accuracy", "balanced_accuracy", "mcc", "kappa", "ece_top_class"]
    sensitivity = sklearn.metrics.recall_score(y_true, probabilities.argmax(axis=1), average=None)
    found = [label["metrics"]["sensitivity"]["value"] for label in report["labels"]]
    assert found == pytest.approx(sensitivity.tolist(), abs=1e-6)


def test_findings_that_cannot_be_measured_say_why_and_are_left_out_of_the_mean():
    report = report_of(multilabel())
    mass, edema, hernia, fibrosis = report["labels"]
    assert mass["not_assessed"] > 0
    assert "only one class" in hernia["metrics"]["roc_auc"]["not_computable"]
    assert hernia["metrics"]["sensitivity"] == {"not_computable": "because there is no positive case"}
    assert "value" in hernia["metrics"]["specificity"]
    assert "no case is assessed" in fibrosis["metrics"]["brier"]["not_computable"]
    assert fibrosis["prevalence"] is None
    assert "not_computable" in fibrosis["curves"]["roc"]
    auc = report["overall"]["macro"]["roc_auc"]
    assert auc["labels_left_out"] == ["Hernia", "Fibrosis"]
    values = [label["metrics"]["roc_auc"]["value"] for label in (mass, edema)]
    assert auc["value"] == pytest.approx(np.mean(values), abs=1e-6)


def test_perfect_scores_still_have_an_interval():
    y_true = np.arange(150) % 2
    positive = np.where(y_true == 1, 0.9, 0.1)
    predictions = binary(y_true=y_true, probabilities=np.column_stack([1 - positive, positive]), patients=(None,) * 150)
    metrics = report_of(predictions)["labels"][0]["metrics"]
    for name in ("roc_auc", "sensitivity", "specificity", "accuracy"):
        assert metrics[name]["value"] == 1
        assert 0.9 < metrics[name]["low"] < 1
        assert "Wilson" in metrics[name]["interval"]
    assert metrics["f1"]["low"] is None
    assert "no_interval" in metrics["f1"]


@pytest.mark.parametrize("positive", [0, 1])
def test_a_single_test_case_is_reported_without_a_crash(positive):
    y_true = binary().y_true.copy()
    y_true[0] = positive
    sections = ("test",) + ("validation",) * 149
    label = report_of(binary(y_true=y_true, sections=sections))["labels"][0]
    assert label["cases"] == 1
    assert "not_computable" in label["metrics"]["roc_auc"]
    assert "value" in label["metrics"]["accuracy"]
    json.dumps(label, allow_nan=False)


def test_resamples_without_a_positive_patient_are_counted():
    y_true = np.zeros(150, dtype=int)
    y_true[[0, 1, 100, 130]] = 1
    metrics = report_of(binary(y_true=y_true, patients=(None,) * 150))["labels"][0]["metrics"]
    assert 10 <= metrics["roc_auc"]["resamples_left_out"] <= 45  # (1 - 2/90) ** 90 = 13 % of 200
    assert metrics["roc_auc"]["no_interval"] == "because 2 patients of a class are too few to resample, it needs 5"
    assert metrics["sensitivity"]["interval"] == "Wilson, 2 independent units"
    assert metrics["specificity"]["low"] is not None


def test_a_patient_in_two_sections_is_a_warning():
    report = report_of(binary(patients=("same",) * 150))
    assert report["warnings"][0].startswith("1 patient(s) are in validation and in test")


def test_no_case_and_no_patient_is_named():
    text = json.dumps(report_of(binary()))
    assert "case6" not in text
    assert "patient6" not in text


def test_curves_are_thinned_and_end_where_they_must():
    rng = np.random.default_rng(0)
    y_true, positive = rng.integers(0, 2, 3000), rng.random(3000)
    predictions = binary(
        case_ids=tuple(map(str, range(3000))),
        patients=(None,) * 3000,
        sections=("test",) * 3000,
        y_true=y_true,
        probabilities=np.column_stack([1 - positive, positive]),
    )
    curves = report_of(predictions, n_resamples=50)["labels"][0]["curves"]
    roc = curves["roc"]
    assert len(roc["sensitivity"]) <= 200
    assert (roc["sensitivity"][0], roc["false_positive_rate"][0], roc["thresholds"][0]) == (0, 0, None)
    assert (roc["sensitivity"][-1], roc["false_positive_rate"][-1]) == (1, 1)
    assert len(roc["band"]["low"]) == len(roc["band"]["false_positive_rate"]) == 51
    assert sum(curves["histogram"]["positive"]) == y_true.sum()
    assert sum(curves["reliability"]["cases"]) == 3000


def test_the_roc_curve_lies_in_its_band():
    roc = report_of(binary(), n_resamples=500)["labels"][0]["curves"]["roc"]
    band = roc["band"]
    middle = np.interp(band["false_positive_rate"], roc["false_positive_rate"], roc["sensitivity"])
    inside = (np.array(band["low"]) <= middle + 1e-6) & (middle <= np.array(band["high"]) + 1e-6)
    assert inside.all()


def test_settings_that_make_no_sense_are_refused():
    with pytest.raises(DataError, match="flatter"):
        report_of(binary(), threshold_section="test")
    with pytest.raises(DataError, match="no prediction is from section 'holdout'"):
        report_of(binary(), test_section="holdout")
    with pytest.raises(NotComputableError, match="expected one of youden"):
        report_of(binary(), rule="best")


@pytest.mark.parametrize("kind", ALL)
def test_calibrated_numbers_have_those_before_beside_them(kind):
    predictions = ALL[kind]()
    plain, (report, _) = report_of(predictions), calibrated_report(predictions)
    assert report["calibration"]["applied"] and report["calibration"]["fitted_on"] == "validation"
    assert plain["calibration"]["applied"] is False and plain["labels"][0]["calibration"] is None
    for before, after in zip(plain["labels"], report["labels"], strict=True):
        assert after["calibration"]["before"]["brier"] == before["metrics"]["brier"]
        assert after["calibration"]["before"]["ece"] == before["metrics"]["ece"]
        if "value" in before["metrics"]["brier"]:
            change = after["metrics"]["brier"]["value"] - before["metrics"]["brier"]["value"]
            assert after["calibration"]["change"]["brier"]["value"] == pytest.approx(change, abs=2e-6)
    json.dumps(report, allow_nan=False)


def test_thresholds_are_on_the_scale_of_the_calibrated_probabilities():
    report, calibration = calibrated_report(binary())
    raw, point = report_of(binary())["labels"][0], report["labels"][0]["operating_point"]
    expected = calibration.apply(np.array([[0, raw["operating_point"]["threshold"]]]))[0, 1]
    assert point["threshold"] == pytest.approx(expected, abs=0.02)
    assert point["test"]["sensitivity"]["value"] == raw["operating_point"]["test"]["sensitivity"]["value"]


def test_a_calibration_that_could_not_be_fitted_is_a_warning():
    report, _ = calibrated_report(binary(sections=("test",) * 150))
    assert report["calibration"]["applied"] is False
    assert "Pneumonia: the probabilities are not calibrated, because there is no section" in report["warnings"][1]


def test_every_rule_is_shown_beside_the_chosen_one():
    label = report_of(binary(), rule="target_sensitivity", target=0.9)["labels"][0]
    shown = [(point["rule"], point["target"]) for point in label["other_operating_points"]]
    assert shown == [("youden", None), ("target_specificity", 0.95)]
    tested = in_section(binary(), "test")
    y_true, score = binary().y_true[tested], binary().probabilities[tested, 1]
    for point in (label["operating_point"], *label["other_operating_points"]):
        expected = sklearn.metrics.recall_score(y_true, score >= point["threshold"])
        assert point["test"]["sensitivity"]["value"] == pytest.approx(expected, abs=1e-6)
        assert point["test"]["specificity"]["low"] < point["test"]["specificity"]["value"]


def test_delong_stands_beside_the_bootstrap():
    label = report_of(binary(patients=(None,) * 150), n_resamples=2000)["labels"][0]
    assert label["delong"]["value"] == label["metrics"]["roc_auc"]["value"]
    assert label["delong"]["low"] == pytest.approx(label["metrics"]["roc_auc"]["low"], abs=0.02)
    assert label["delong"]["high"] == pytest.approx(label["metrics"]["roc_auc"]["high"], abs=0.02)
    assert "only" not in label["delong"]["assumes"]


def test_the_report_says_which_interval_it_has():
    percentile, bca = (report_of(binary(), interval=name) for name in ("percentile", "bca"))
    assert percentile["intervals"]["method"].startswith("percentile bootstrap")
    assert bca["intervals"]["method"].startswith("BCa bootstrap")
    auc = [report["labels"][0]["metrics"]["roc_auc"] for report in (percentile, bca)]
    assert auc[0]["value"] == auc[1]["value"] and auc[0]["low"] != auc[1]["low"]


def test_numbers_of_exclusive_classes_are_not_repeated_for_each_class():
    report = report_of(multiclass())
    assert report["labels"][0]["selective"] is None and report["overall"]["selective"]["aurc"]["value"] > 0
    assert report["labels"][0]["prediction_sets"] is None
    assert report["overall"]["prediction_sets"]["stated_coverage"] == 0.95


@pytest.mark.parametrize("kind", ALL)
def test_tied_and_constant_scores_crash_nothing(kind):
    predictions = ALL[kind]()
    constant = np.full(predictions.probabilities.shape, 0.5 if kind != "multiclass" else 1 / 3)
    report = report_of(ALL[kind](probabilities=constant))
    json.dumps(report, allow_nan=False)
    assert report["labels"][0]["metrics"]["roc_auc"]["value"] == 0.5


@pytest.mark.parametrize("kind", ALL)
def test_a_single_test_case_of_every_kind_is_reported(kind):
    report = report_of(ALL[kind](sections=("test",) + ("validation",) * 149))
    assert report["sections"]["test"]["cases"] == 1
    json.dumps(report, allow_nan=False)


def test_a_threshold_that_chance_chose_is_a_warning():
    y_true = np.zeros(150, dtype=int)
    y_true[[0, 1, *range(60, 90)]] = 1
    expected = "Pneumonia: the threshold was chosen on 2 positive and 58 negative cases; chance decided much"
    assert report_of(binary(y_true=y_true))["warnings"] == [expected]
