import numpy as np
import pytest
import sklearn.metrics
from evaluation.examples import multiclass, multilabel

from lungscan_monai.evaluation.averages import AVERAGED, averages
from lungscan_monai.evaluation.statistics import LabelStatistics, PooledStatistics
from lungscan_monai.metrics.draws import draws_of_all
from lungscan_monai.metrics.intervals import Bootstrap

SCORERS = {
    "sensitivity": sklearn.metrics.recall_score,
    "ppv": sklearn.metrics.precision_score,
    "f1": sklearn.metrics.f1_score,
}


def averages_of(predictions, called, interval="percentile", smaller=None):
    targets = list(predictions.targets())
    labels = [LabelStatistics(t.y_true, t.y_score, called[:, index]) for index, t in enumerate(targets)]
    pooled = PooledStatistics(np.column_stack([t.y_true for t in targets]), predictions.probabilities)
    bootstrap = Bootstrap(np.arange(len(predictions)), 100)
    *draws, last = draws_of_all([*(label.columns for label in labels), pooled.columns], bootstrap, interval)
    return averages([t.label for t in targets], draws, last, smaller or [20] * len(targets))


def of_classes(**options):
    best = multiclass().probabilities.argmax(axis=1)
    return averages_of(multiclass(), np.eye(3, dtype=bool)[best], **options), best


@pytest.mark.parametrize("mean", ["macro", "micro", "weighted"])
def test_means_of_exclusive_classes_equal_scikit_learn(mean):
    found, best = of_classes()
    y_true, probabilities = multiclass().y_true, multiclass().probabilities
    assert tuple(found[mean]) == AVERAGED
    for name, scorer in SCORERS.items():
        assert found[mean][name]["value"] == pytest.approx(scorer(y_true, best, average=mean), abs=1e-6)
    area = sklearn.metrics.roc_auc_score(np.eye(3)[y_true], probabilities, average=mean)
    precision = sklearn.metrics.average_precision_score(np.eye(3)[y_true], probabilities, average=mean)
    assert found[mean]["roc_auc"]["value"] == pytest.approx(area, abs=1e-6)
    assert found[mean]["average_precision"]["value"] == pytest.approx(precision, abs=1e-6)


@pytest.mark.parametrize("mean", ["macro", "micro", "weighted"])
def test_means_of_findings_equal_scikit_learn_where_all_are_assessed(mean):
    y_true = np.nan_to_num(multilabel().y_true)
    y_true[:, 2:] = multilabel().y_true[:, :1] == 1
    predictions = multilabel(y_true=y_true)
    called = predictions.probabilities >= 0.4
    found = averages_of(predictions, called)[mean]
    for name, scorer in SCORERS.items():
        assert found[name]["value"] == pytest.approx(scorer(y_true, called, average=mean), abs=1e-6)
    area = sklearn.metrics.roc_auc_score(y_true, predictions.probabilities, average=mean)
    assert found["roc_auc"]["value"] == pytest.approx(area, abs=1e-6)


def test_labels_that_do_not_define_a_number_are_left_out_and_named():
    found = averages_of(multilabel(), multilabel().probabilities >= 0.4)
    assert found["macro"]["roc_auc"]["labels_left_out"] == ["Hernia", "Fibrosis"]
    assert found["macro"]["specificity"]["labels_left_out"] == ["Fibrosis"]
    values = {name: found[name]["f1"]["value"] for name in found}
    assert len(set(values.values())) == 3  # gaps and prevalences differ, so the three means do


def test_micro_counts_every_assessed_decision_once():
    y_true, called = multilabel().y_true, multilabel().probabilities >= 0.4
    known = ~np.isnan(y_true)
    found = averages_of(multilabel(), called)["micro"]
    assert found["f1"]["value"] == pytest.approx(sklearn.metrics.f1_score(y_true[known], called[known]), abs=1e-6)
    mcc = sklearn.metrics.matthews_corrcoef(y_true[known], called[known])
    assert found["mcc"]["value"] == pytest.approx(mcc, abs=1e-6)
    brier = np.mean((multilabel().probabilities[known] - y_true[known]) ** 2)
    assert found["brier"]["value"] == pytest.approx(brier, abs=1e-6)


def test_where_no_label_defines_a_number_no_mean_does():
    found = averages_of(multilabel(y_true=np.full((150, 4), np.nan)), np.ones((150, 4), dtype=bool))
    for mean in found.values():
        assert all("not_computable" in entry for entry in mean.values())
    no_positive = averages_of(multilabel(y_true=np.zeros((150, 4))), np.ones((150, 4), dtype=bool))
    assert "no label that defines it has a positive case" in no_positive["weighted"]["specificity"]["not_computable"]
    assert no_positive["micro"]["sensitivity"] == {"not_computable": "because there is no positive case"}


def test_means_have_intervals_of_either_method():
    for method in ("percentile", "bca"):
        for mean in of_classes(interval=method)[0].values():
            assert all(entry["low"] < entry["value"] < entry["high"] for entry in mean.values())


def test_a_macro_mean_with_a_label_of_few_patients_has_no_interval():
    called = multilabel().probabilities >= 0.4
    found = averages_of(multilabel(), called, smaller=[30, 4, 0, 0])
    assert found["macro"]["f1"]["low"] is None
    assert "4 patients of a class are too few to resample, it needs 5" in found["macro"]["f1"]["no_interval"]
    assert found["macro"]["specificity"]["low"] is not None
    assert found["micro"]["f1"]["low"] is not None
