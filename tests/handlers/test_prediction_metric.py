"""All predictions of an epoch, each case once, and their macro ROC AUC."""

import math

import numpy as np
import pytest
from ignite.engine import Engine
from sklearn.metrics import roc_auc_score

from lungscan_monai.errors import MetricError
from lungscan_monai.handlers import predictions as module
from lungscan_monai.handlers.predictions import PredictionMetric
from lungscan_monai.task import TaskSpec


def metric_after(kind, cases, batch_size=2, epochs=1):
    """Run an engine over (case, label, probabilities) and return its metric and value; later epochs see one batch."""
    labels = tuple(f"label {index}" for index in range(len(cases[0][2])))
    task = TaskSpec("t", "?", "1", kind, labels, (8, 8), 1, ("DX",), "Research only.")

    def step(engine, batch):
        engine.state.batch = [
            {"case": case, "label": label, "patient": case[:1], "section": "validation"} for case, label, _ in batch
        ]
        return [{"pred": np.array(row)} for *_, row in batch]

    engine, metric = Engine(step), PredictionMetric(task)
    metric.attach(engine, "roc_auc")
    batches = [cases[start : start + batch_size] for start in range(0, len(cases), batch_size)]
    for count in [len(batches)] + [1] * (epochs - 1):
        engine.run(batches[:count], epoch_length=count)
    return metric, engine.state.metrics["roc_auc"]


def binary_cases(n=30):
    random = np.random.default_rng(0)
    positive = random.random(n)
    truth = (positive + random.normal(0, 0.4, n) > 0.5).astype(int)
    return [(f"{i:02d}.png", [t], [1 - p, p]) for i, (t, p) in enumerate(zip(truth, positive, strict=True))]


def test_the_value_is_the_roc_auc_over_all_batches():
    cases = binary_cases()
    expected = roc_auc_score([label[0] for _, label, _ in cases], [row[1] for *_, row in cases])
    assert metric_after("binary", cases)[1] == pytest.approx(expected, abs=1e-12)


def test_of_several_classes_it_is_the_mean_of_one_against_the_rest():
    random = np.random.default_rng(1)
    rows, truth = random.dirichlet([1, 1, 1], 40), random.integers(0, 3, 40)
    cases = [(f"{i:02d}.png", label, row) for i, (label, row) in enumerate(zip(truth, rows, strict=True))]
    expected = roc_auc_score(truth, rows, multi_class="ovr", average="macro")
    assert metric_after("multiclass", cases)[1] == pytest.approx(expected, abs=1e-12)


def test_findings_that_were_not_assessed_or_have_one_class_only_are_left_out():
    nan = math.nan
    cases = [
        ("a", [0, 1, nan], [0.2, 0.5, 0.5]),
        ("b", [1, 1, nan], [0.7, 0.5, 0.5]),
        ("c", [nan, 1, 0], [0.9, 0.1, 0.1]),
    ]
    assert metric_after("multilabel", cases)[1] == 1.0


def test_a_case_that_a_padded_sampler_drew_twice_counts_once():
    cases = binary_cases(5)
    metric, value = metric_after("binary", [*cases, cases[0]])
    assert metric.predictions().case_ids == tuple(case for case, *_ in cases)
    assert value == metric_after("binary", cases)[1]


def test_predictions_of_all_ranks_are_put_together(monkeypatch):
    first, second = binary_cases()[:7], binary_cases()[7:]
    rows = metric_after("binary", second)[0]._rows
    monkeypatch.setattr(module, "gather", lambda own: [own, rows])
    assert metric_after("binary", first)[1] == pytest.approx(metric_after("binary", binary_cases())[1])


def test_it_is_nan_where_no_label_has_both_classes():
    assert math.isnan(metric_after("binary", [("a", [1], [0.5, 0.5]), ("b", [1], [0.1, 0.9])])[1])


def test_the_predictions_are_sorted_and_an_unknown_patient_is_none():
    metric, _ = metric_after("binary", binary_cases(4)[::-1])
    metric._rows["zz"] = ("", "test", np.array([1.0]), np.array([0.2, 0.8]))
    predictions = metric.predictions()
    assert predictions.case_ids == ("00.png", "01.png", "02.png", "03.png", "zz")
    assert predictions.patients == ("0", "0", "0", "0", None)
    assert predictions.y_true.dtype.kind == "i" and predictions.y_true.shape == (5,)


def test_each_epoch_starts_without_the_cases_of_the_one_before():
    metric, _ = metric_after("binary", binary_cases(6), epochs=2)
    assert metric.predictions().case_ids == ("00.png", "01.png")


def test_a_probability_that_is_no_number_is_refused():
    with pytest.raises(MetricError):
        metric_after("binary", [("a", [1], [math.nan, math.nan]), ("b", [0], [0.5, 0.5])])
