"""Boxes around findings: shares of the image, whatever its size."""

import gzip
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lungscan_monai.data.boxes import box_mask, boxes_beside, read_boxes, with_boxes
from lungscan_monai.data.datalist import Case
from lungscan_monai.data.importing import import_dataset
from lungscan_monai.data.listing import Listing
from lungscan_monai.errors import ConfigError, DatalistError

HEADER = "Image Index,Finding Label,Bbox [x,y,w,h],,,\n"
LINES = """00000001_000.png,Infiltrate,256,512,128,64
00000001_000.png,Mass,0,0,1024,1024
00000002_000.png,Mass,1,2,3,4
"""


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "BBox_List_2017.csv"
    path.write_text(HEADER + LINES, encoding="utf-8")
    return path


def listing(**changes):
    cases = {"training": (Case("images/00000001_000.jpg", (1, 1)), Case("images/00000009_000.jpg", (0, 1)))}
    return Listing("nih", "multilabel", ("Infiltration", "Nodule"), Path(), given=cases, **changes)


def test_boxes_are_shares_of_width_and_height(file):
    boxes = read_boxes(file)
    assert boxes["00000001_000"][0] == {"label": "Infiltrate", "box": [0.25, 0.5, 0.125, 0.0625]}
    assert [len(found) for found in boxes.values()] == [2, 1]


def test_a_packed_file_beside_a_table_is_found(tmp_path, file):
    assert boxes_beside(tmp_path) == file
    packed = tmp_path / "packed" / "BBox_List_2017.csv.gz"
    packed.parent.mkdir()
    packed.write_bytes(gzip.compress((HEADER + LINES).encode()))
    assert read_boxes(boxes_beside(packed.parent)) == read_boxes(file)
    assert boxes_beside(tmp_path / "nowhere") is None


def test_cases_get_the_boxes_of_the_labels_that_the_task_has(file):
    boxed = with_boxes(listing(), file)
    first, second = boxed.given["training"]
    assert first.facts == {"boxes": [{"label": "Infiltration", "box": [0.25, 0.5, 0.125, 0.0625]}]}
    assert second.facts == {}
    assert boxed.notes == ("1 box(es) around findings of 1 image(s) are from BBox_List_2017.csv",)


def test_a_file_that_boxes_no_case_is_refused_if_it_was_asked_for(file):
    other = Listing("x", "multilabel", ("Hernia",), Path(), unsplit=(Case("00000001_000.png", (1,)),))
    with pytest.raises(DatalistError, match="none of its 2 images"):
        with_boxes(other, file)
    assert with_boxes(other, file, required=False) is other


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("a.png,Mass,1,2,3\n", "3 numbers"),
        ("a.png,Mass,1,2,3,x\n", "could not convert"),
        ("a.png,Mass,1,2,0,4\n", "no box within 1024 x 1024"),
        ("a.png,Mass,1030,2,3,4\n", "no box within"),
        ("", "no line with a box"),
    ],
)
def test_lines_that_are_no_boxes_are_named(tmp_path, line, message):
    (tmp_path / "b.csv").write_text(HEADER + line, encoding="utf-8")
    with pytest.raises(DatalistError, match=message):
        read_boxes(tmp_path / "b.csv")
    with pytest.raises(DatalistError, match="cannot be read"):
        read_boxes(tmp_path / "absent.csv")


def test_a_mask_covers_what_the_boxes_cover_in_rows_and_columns():
    mask = box_mask([{"label": "x", "box": [0.25, 0.5, 0.125, 0.0625]}], (512, 256))
    rows, columns = np.nonzero(mask)
    assert (rows.min(), rows.max() + 1, columns.min(), columns.max() + 1) == (256, 288, 64, 96)
    assert mask.sum() == 32 * 32
    assert box_mask([{"label": "x", "box": [0.9, 0.9, 0.01, 0.01]}], (8, 8)).sum() == 1
    assert not box_mask([], (4, 4)).any()


def test_an_import_stores_boxes_and_finds_the_official_file_by_itself(tmp_path, file):
    rows = ["Image Index,Finding Labels,Patient ID"]
    for number in (1, 2, 3, 4):
        Image.new("L", (8, 8)).save(tmp_path / f"0000000{number}_000.png")
        rows.append(f"0000000{number}_000.png,{'Mass|Infiltration' if number < 3 else 'Mass'},{number}")
    (tmp_path / "labels.csv").write_text("\n".join(rows), encoding="utf-8")
    options = {"labels": ["Infiltration", "Mass"], "kind": "multilabel", "fractions": (0.5, 0.25, 0.25)}
    found = import_dataset(tmp_path / "labels.csv", output=tmp_path / "a.json", **options)
    boxes = {case.image: case.facts.get("boxes") for case in found.datalist.cases()}
    assert [box["label"] for box in boxes["00000001_000.png"]] == ["Infiltration", "Mass"]
    assert boxes["00000003_000.png"] is None
    assert any("3 box(es)" in note for note in found.notes)
    elsewhere = file.rename(tmp_path / "elsewhere.csv")
    without = import_dataset(tmp_path / "labels.csv", output=tmp_path / "b.json", **options).datalist
    assert not any(case.facts for case in without.cases())
    given = import_dataset(tmp_path / "labels.csv", output=tmp_path / "c.json", boxes=elsewhere, **options)
    assert given.datalist.sha256 == found.datalist.sha256
    np.savez(tmp_path / "x.npz", a=np.zeros(1))
    with pytest.raises(ConfigError, match="boxes does not fit"):
        import_dataset(tmp_path / "x.npz", output=tmp_path / "d.json", boxes=elsewhere)


def test_the_official_file_has_984_boxes_of_880_images():
    data = os.environ.get("LUNGSCAN_TEST_DATA")
    if not data:
        pytest.skip("LUNGSCAN_TEST_DATA names no folder of real data")
    boxes = read_boxes(Path(data, "nih_csv", "BBox_List_2017.csv.gz"))
    assert (sum(map(len, boxes.values())), len(boxes)) == (984, 880)
