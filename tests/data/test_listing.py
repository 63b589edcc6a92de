from __future__ import annotations

import pytest

from lungscan_monai.data.listing import exclusive_kind, is_normal, ordered_labels, section_named
from lungscan_monai.errors import ConfigError


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
    ("name", "section"),
    [("TRAIN", "training"), ("Valid", "validation"), (" val ", "validation"), ("Testing", "test"), ("tests", None)],
)
def test_sections_have_many_names(name, section):
    assert section_named(name) == section


def test_two_classes_are_binary_unless_asked_otherwise():
    assert exclusive_kind(("a", "b"), None) == "binary"
    assert exclusive_kind(("a", "b"), "multiclass") == "multiclass"
    assert exclusive_kind(("a", "b", "c"), None) == "multiclass"
    with pytest.raises(ConfigError, match="exactly one class"):
        exclusive_kind(("a", "b"), "multilabel")
