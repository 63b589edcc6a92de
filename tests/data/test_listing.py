from __future__ import annotations

import pytest

from lungscan_monai.data.listing import exclusive_kind, section_named
from lungscan_monai.errors import ConfigError


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
