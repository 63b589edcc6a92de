from __future__ import annotations

import pytest

from lungscan_monai.data.label_names import (
    OTHER_SPELLINGS,
    LabelNames,
    distinct_labels,
    is_normal,
    label_key,
    ordered_labels,
)


@pytest.mark.parametrize(
    ("names", "ordered"),
    [
        (["Tumor", "Cyst", "normal"], ("normal", "Cyst", "Tumor")),
        (["Mass", "No_Finding"], ("No_Finding", "Mass")),
        (["10", "9", "1"], ("1", "9", "10")),
        (["b", "a", "b"], ("a", "b")),
    ],
)
def test_the_normal_class_comes_first(names, ordered):
    assert ordered_labels(names) == ordered


def test_names_of_the_normal_class_are_compared_loosely():
    assert is_normal("NO-finding") and is_normal("Normal") and not is_normal("abnormal")


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("Bengin cases", "Benign"),
        ("Malignant cases", "Malignant"),
        ("NORMAL", "Normal"),
        ("No Finding", "Normal"),
        ("TB", "Tuberculosis"),
        ("Tumour", "Tumor"),
        ("pleural thickening", "Pleural_Thickening"),
        ("Pleural Effusion", "Effusion"),
    ],
)
def test_other_spellings_of_published_data_sets_are_known(name, label):
    labels = ["Mass", "Pleural_Thickening", "Effusion", "Tumor", "Tuberculosis", "Normal", "Malignant", "Benign"]
    assert LabelNames(labels).index(name) == labels.index(label)


def test_a_spelling_of_two_labels_means_the_one_that_is_written_so():
    labels = LabelNames(["Normal", "No Finding", "healthy"])
    assert [labels.index(name) for name in ("NORMAL", "no finding", "Healthy", "negative")] == [0, 1, 2, 0]


def test_what_is_no_label_has_no_index():
    assert LabelNames(["Normal", "Tumor"]).index("abnormal") is None
    assert LabelNames(["Normal", "Tumor"]).index("") is None


def test_one_label_in_several_spellings_is_one():
    assert distinct_labels(["TB", "tuberculosis", "normal", "Normal cases"]) == ("Normal cases", "TB")


def test_the_table_of_spellings_leads_nowhere_else():
    others = [other for found in OTHER_SPELLINGS.values() for other in found]
    assert len(set(others)) == len(others)
    assert all(label_key(label) == label for label in OTHER_SPELLINGS)
