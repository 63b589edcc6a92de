"""The surest wrong and right answers, chosen by hand-made predictions."""

import numpy as np
import pytest

from lungscan_monai.evaluation.error_gallery import KINDS, decisions, gallery_entries, surest_cases
from lungscan_monai.evaluation.predictions import Predictions

NAMES = {"binary": ("Normal", "Ill"), "multiclass": ("a", "b", "c"), "multilabel": ("Mass", "Edema")}


def predictions(kind, y_true, probabilities):
    count = len(y_true)
    cases = tuple(f"c{number}" for number in range(count))
    parts = (cases, (None,) * count, ("test",) * count, np.array(y_true), np.array(probabilities), NAMES[kind], kind)
    return Predictions(*parts)


@pytest.fixture
def binary():
    positive = np.array([0.1, 0.7, 0.95, 0.2, 0.6, 0.9, 0.05])
    return predictions("binary", [0, 0, 0, 1, 1, 1, 1], np.column_stack([1 - positive, positive]))


def lists(found):
    return {kind: [entry.case for entry in found if entry.kind == kind] for kind in KINDS}


def test_of_a_binary_task_the_positive_label_has_lists_with_the_surest_first(binary):
    found = surest_cases(binary, [0.5], 5)
    assert lists(found) == {"false_positives": ["c2", "c1"], "false_negatives": ["c6", "c3"], "confident": ["c5", "c4"]}
    assert {entry.label for entry in found} == {1}
    assert (found[0].reference, found[0].predicted, found[0].probability) == ("Normal", "Ill", 0.95)


def test_the_threshold_decides_and_the_lists_are_limited(binary):
    assert lists(surest_cases(binary, [0.65], 5))["false_negatives"] == ["c6", "c3", "c4"]
    assert lists(surest_cases(binary, [0.65], 1)) == {
        "false_positives": ["c2"],
        "false_negatives": ["c6"],
        "confident": ["c5"],
    }
    assert surest_cases(binary, [0.5], 0) == []


def test_exclusive_classes_are_called_by_the_highest_probability():
    rows = [[0.2, 0.5, 0.3], [0.6, 0.3, 0.1], [0.1, 0.1, 0.8]]
    found = surest_cases(predictions("multiclass", [0, 0, 2], rows), [0.9, 0.9, 0.9], 5)
    of_a = [entry for entry in found if entry.label == 0]
    assert lists(of_a) == {"false_positives": [], "false_negatives": ["c0"], "confident": ["c1"]}
    assert [(entry.case, entry.predicted) for entry in found if entry.label == 1] == [("c0", "b")]


def test_findings_are_judged_one_by_one_and_not_where_nobody_looked():
    y_true = [[1.0, 0.0], [0.0, np.nan], [1.0, 1.0]]
    test = predictions("multilabel", y_true, [[0.9, 0.6], [0.2, 0.9], [0.3, 0.1]])
    found = surest_cases(test, [0.5, 0.5], 5)
    assert lists([entry for entry in found if entry.label == 1]) == {
        "false_positives": ["c0"],
        "false_negatives": ["c2"],
        "confident": [],
    }
    assert [(entry.reference, entry.predicted) for entry in found if entry.case == "c2"][0] == ("Mass, Edema", "none")
    assert decisions(test, [0.25, 0.5])[2].tolist() == [True, False]


def test_equal_probabilities_are_ordered_by_name():
    test = predictions("binary", [0, 0, 0], [[0.1, 0.9]] * 3)
    assert lists(surest_cases(test, [0.5], 2))["false_positives"] == ["c0", "c1"]


def test_the_report_names_the_pictures_that_there_are(binary):
    files = {("c2", 1): {"picture": "p.png", "heatmap": "h.png"}}
    (gallery,) = gallery_entries(surest_cases(binary, [0.5], 1), binary, files)
    assert gallery["label"] == "Ill"
    assert gallery["false_positives"] == [
        {
            "case": "c2",
            "reference": "Normal",
            "predicted": "Ill",
            "probability": 0.95,
            "explained": "Ill",
            "picture": "p.png",
            "heatmap": "h.png",
        }
    ]
    assert gallery["confident"][0]["heatmap"] is None
    assert gallery_entries([], binary, files) == []
