from __future__ import annotations

import json
from pathlib import Path

import pytest

from lungscan_monai.data.audit import audit
from lungscan_monai.data.datalist import Case, Datalist
from lungscan_monai.errors import DatalistError


def make(folder: Path, contents: dict[str, bytes], **sections: tuple[Case, ...]) -> Datalist:
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    return Datalist("toy", "binary", ("Normal", "Tumor"), folder, sections, {"method": "given"})


def test_a_clean_split_has_no_findings(tmp_path):
    datalist = make(
        tmp_path,
        {"a": b"1", "b": b"2", "c": b"3", "d": b"4"},
        training=(Case("a", 0, "p"), Case("b", 1, "q")),
        test=(Case("c", 0, "r"), Case("d", 1, "s")),
    )
    assert audit(datalist).findings() == []


def test_everything_is_counted(tmp_path):
    datalist = make(
        tmp_path,
        {"a": b"1", "b": b"22", "c": b"1", "d": b"22", "e": b"5"},
        training=(Case("a", 0, "p"), Case("b", 1, "q"), Case("d", 0, "q")),
        test=(Case("c", 0, "p"), Case("e", 0)),
    )
    report = audit(datalist)
    assert report.counts["training"].labels == {"Normal": 2, "Tumor": 1}
    assert (report.counts["test"].cases, report.counts["test"].patients, report.counts["test"].unknown_patient) == (
        2,
        1,
        1,
    )
    assert report.counts["validation"].cases == 0
    assert [found.images for found in report.duplicates_across] == [("a", "c")]
    assert {found.images: found.same_label for found in report.duplicates} == {("a", "c"): True, ("b", "d"): False}
    assert report.findings() == [
        "1 patient(s) in more than one section: results will look too good",
        "1 set(s) of identical images across sections: results will look too good",
        "1 set(s) of identical images inside one section",
        "1 set(s) of identical images with different labels",
        "1 of 5 cases without a patient: whether a patient is in two sections cannot be known",
        "no case in test of: Tumor",
    ]


def test_slices_of_one_volume_are_no_duplicates_but_those_of_its_copy_are(tmp_path):
    cases = (Case("v.nii#slice=1", 0, "p"), Case("v.nii#slice=2", 1, "p"), Case("w.nii#slice=2", 1, "p"))
    report = audit(make(tmp_path, {"v.nii": b"1", "w.nii": b"1"}, training=cases))
    assert [found.images for found in report.duplicates] == [("v.nii#slice=2", "w.nii#slice=2")]


def test_findings_are_counted_each(tmp_path):
    (tmp_path / "a").write_bytes(b"1")
    (tmp_path / "b").write_bytes(b"2")
    cases = (Case("a", (1, None), "p"), Case("b", (1, 1), "q"))
    report = audit(Datalist("toy", "multilabel", ("Mass", "Edema"), tmp_path, {"training": cases}))
    assert report.counts["training"].labels == {"Mass": 2, "Edema": 1}


def test_the_report_is_json(tmp_path):
    datalist = make(tmp_path, {"a": b"1", "b": b"2"}, training=(Case("a", 0), Case("b", 1)))
    assert json.loads(json.dumps(audit(datalist).to_json()))["counts"]["training"]["cases"] == 2


def test_missing_images_cannot_be_compared(tmp_path):
    datalist = make(tmp_path, {}, training=(Case("a", 0), Case("b", 1)))
    with pytest.raises(DatalistError, match="no such image: a"):
        audit(datalist)
