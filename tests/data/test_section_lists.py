from __future__ import annotations

import gzip

import pytest

from lungscan_monai.data.section_lists import beside, official_lists_in, read_section_lists
from lungscan_monai.errors import DatalistError


def test_official_lists_are_found_plain_or_compressed(tmp_path):
    assert beside(tmp_path) == {}
    (tmp_path / "train_val_list.txt").write_text("a.png\n")
    assert beside(tmp_path) == {}
    with gzip.open(tmp_path / "test_list.txt.gz", "wt") as stream:
        stream.write("b.png\r\nc.png")
    found = official_lists_in(tmp_path)
    assert {section: file.name for section, file in found.items()} == {
        "training": "train_val_list.txt",
        "test": "test_list.txt.gz",
    }
    assert read_section_lists(found) == {"a": "training", "b": "test", "c": "test"}


def test_absent_lists_are_named(tmp_path):
    with pytest.raises(DatalistError, match=r"train_val_list\.txt and test_list\.txt"):
        official_lists_in(tmp_path)


@pytest.mark.parametrize(
    ("first", "second", "sentence"),
    [
        (b"a.png\nb.png", b"b.jpg", r"1 image\(s\) are in first\.txt, too, for instance b"),
        (b"a.png", b"\n\n", "the list is empty"),
        (b"a.png", b"\xff\xfe", "cannot be read as a list"),
    ],
)
def test_lists_that_cannot_be_used_are_described(tmp_path, first, second, sentence):
    (tmp_path / "first.txt").write_bytes(first)
    (tmp_path / "second.txt").write_bytes(second)
    with pytest.raises(DatalistError, match=sentence):
        read_section_lists({"training": tmp_path / "first.txt", "test": tmp_path / "second.txt"})
    with pytest.raises(DatalistError, match="cannot be read as a list"):
        read_section_lists({"training": tmp_path / "absent.txt"})


def test_the_official_lists_hold_all_films(real_data):
    sections = read_section_lists(official_lists_in(real_data / "nih_csv"))
    assert len(sections) == 112_120
    assert sum(section == "test" for section in sections.values()) == 25_596
