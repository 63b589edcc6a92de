from __future__ import annotations

import hashlib
import json
import warnings
from pathlib import Path

import numpy as np
import pytest

from lungscan_monai.data.datalist import (
    Case,
    Datalist,
    content_hash,
    datalist_sha256,
    load_datalist,
    monai_records,
)
from lungscan_monai.errors import DatalistError, LungScanWarning
from lungscan_monai.task import TaskSpec


def make_datalist(folder: Path, **changes) -> Datalist:
    parts = {
        "name": "toy",
        "kind": "binary",
        "labels": ("Normal", "Pneumonia"),
        "base_dir": folder,
        "sections": {
            "training": (Case("a.png", 0, "p1"), Case("b.png", 1, "p2", facts={"sex": "F"})),
            "validation": (Case("c.png", 0, "p3"),),
            "test": (Case("sub/d.png", 1, None, "study 7"),),
        },
        "split": {"method": "by hand"},
    }
    return Datalist(**(parts | changes))


def defects_of(folder: Path, **changes) -> str:
    with pytest.raises(DatalistError) as caught:
        make_datalist(folder, **changes)
    return "\n".join(caught.value.defects)


def test_a_saved_datalist_comes_back_as_it_was(tmp_path):
    datalist = make_datalist(tmp_path)
    sha256 = datalist.save(tmp_path / "datalist.json")
    loaded = load_datalist(tmp_path / "datalist.json")
    assert loaded.sections == datalist.sections
    assert (loaded.name, loaded.kind, loaded.labels, loaded.split) == ("toy", "binary", datalist.labels, datalist.split)
    assert loaded.sha256 == sha256


def test_the_file_is_what_monai_expects(tmp_path):
    make_datalist(tmp_path).save(tmp_path / "datalist.json")
    content = json.loads((tmp_path / "datalist.json").read_text())
    assert content["training"][1] == {"image": "b.png", "label": 1, "patient": "p2", "sex": "F"}
    assert content["test"] == [{"image": "sub/d.png", "label": 1, "case": "study 7"}]
    assert content["base_dir"] == "."


def test_the_hash_is_sha256_of_the_sorted_compact_json(tmp_path):
    content = {"name": "é", "labels": ["b", "a"], "sha256": "ignored"}
    text = '{"labels":["b","a"],"name":"é"}'
    assert content_hash(content) == hashlib.sha256(text.encode()).hexdigest()


def test_an_edited_file_is_refused_and_a_reformatted_one_is_not(tmp_path):
    path = tmp_path / "datalist.json"
    make_datalist(tmp_path).save(path)
    content = json.loads(path.read_text())
    path.write_text(json.dumps(content, sort_keys=True))
    load_datalist(path)
    content["training"][0]["label"] = 1
    path.write_text(json.dumps(content))
    with pytest.raises(DatalistError, match="edited after it was written"):
        load_datalist(path)


def test_a_file_without_hash_is_read_with_a_warning(tmp_path):
    path = tmp_path / "datalist.json"
    make_datalist(tmp_path).save(path)
    content = json.loads(path.read_text())
    del content["sha256"]
    path.write_text(json.dumps(content))
    with pytest.warns(LungScanWarning, match="no sha256"):
        assert load_datalist(path).sha256 is None


def test_folder_and_datalist_can_be_moved_together(tmp_path):
    images = tmp_path / "one" / "images"
    images.mkdir(parents=True)
    (images / "a.png").write_bytes(b"x")
    make_datalist(images).save(tmp_path / "one" / "datalist.json")
    (tmp_path / "one").rename(tmp_path / "two")
    record = load_datalist(tmp_path / "two" / "datalist.json").records("training")[0]
    assert Path(record["image"]) == tmp_path / "two" / "images" / "a.png"


def test_images_elsewhere_are_named_by_an_absolute_base_dir(tmp_path):
    make_datalist(tmp_path / "images").save(tmp_path / "lists" / "datalist.json")
    content = json.loads((tmp_path / "lists" / "datalist.json").read_text())
    assert content["base_dir"] == str(tmp_path / "images")


def test_dataset_dir_takes_the_place_of_base_dir(tmp_path):
    make_datalist(tmp_path / "gone").save(tmp_path / "datalist.json")
    datalist = load_datalist(tmp_path / "datalist.json", dataset_dir=tmp_path / "here")
    assert datalist.records("training")[0]["image"] == str(tmp_path / "here" / "a.png")
    assert datalist.records("training", dataset_dir="/other")[0]["image"] == "/other/a.png"


def test_records_have_what_a_loader_needs(tmp_path):
    record = make_datalist(tmp_path).records("test")
    assert record == [
        {
            "image": str(tmp_path / "sub/d.png"),
            "label": 1,
            "case": "study 7",
            "patient": "",
            "section": "test",
            "mask": "",
        }
    ]


def test_records_come_from_all_sections_if_none_is_named(tmp_path):
    records = make_datalist(tmp_path).records()
    assert [record["section"] for record in records] == ["training", "training", "validation", "test"]


def test_findings_become_an_array_with_nan_for_not_assessed(tmp_path):
    datalist = Datalist("toy", "multilabel", ("Mass", "Edema"), tmp_path, {"training": (Case("a.png", (1, None)),)})
    label = datalist.records("training")[0]["label"]
    assert label.dtype == np.float32
    np.testing.assert_array_equal(label, [1, np.nan])
    datalist.save(tmp_path / "datalist.json")
    assert load_datalist(tmp_path / "datalist.json").cases()[0].label == (1, None)


def test_all_defects_are_listed_at_once(tmp_path):
    sections = {"training": (Case("a.png", 0), Case("b.png", 5)), "test": (Case("a.png", (1, 0)),)}
    defects = defects_of(tmp_path, sections=sections)
    assert "b.png: label is 5" in defects
    assert "a.png: label is (1, 0)" in defects
    assert "image a.png stands 2 times: training, test" in defects
    assert "training has no case of class Pneumonia" in defects


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"kind": "ordinal"}, "kind is 'ordinal'"),
        ({"labels": ("A", "A")}, "not distinct"),
        ({"labels": ("A", "B", "C")}, "two labels, found 3"),
        ({"kind": "multiclass", "labels": ("A",)}, "too few"),
        ({"sections": {"train": ()}}, "no section 'train'"),
        ({"sections": {"training": ()}}, "there is no case"),
        ({"sections": {"training": (Case("a", 0, id="x"), Case("b", 1, id="x"))}}, "id x stands 2 times"),
    ],
)
def test_contradictions_are_refused(tmp_path, changes, sentence):
    assert sentence in defects_of(tmp_path, **changes)


def test_a_list_for_evaluation_only_needs_no_training_cases(tmp_path):
    assert len(make_datalist(tmp_path, sections={"test": (Case("a.png", 1),)})) == 1


def test_a_finding_without_case_is_no_defect(tmp_path):
    sections = {"training": (Case("a.png", (1, 0)),)}
    assert len(make_datalist(tmp_path, kind="multilabel", sections=sections)) == 1


LEAKING = {"training": (Case("a.png", 0, "Secret"), Case("b.png", 1, "q")), "test": (Case("c.png", 0, "Secret"),)}


def test_a_patient_in_two_sections_is_a_defect_that_names_the_images_only(tmp_path):
    defects = defects_of(tmp_path, sections=LEAKING)
    assert "a.png (training), c.png (test)" in defects
    assert "Secret" not in defects


def test_a_leak_in_a_given_split_is_loaded_with_a_warning(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        make_datalist(tmp_path, sections=LEAKING, split={"method": "given"}).save(tmp_path / "datalist.json")
    with pytest.warns(LungScanWarning, match=r"1 patient\(s\) in several sections"):
        assert len(load_datalist(tmp_path / "datalist.json")) == 3


@pytest.mark.parametrize("label", [-1, 1.0, True, "1", (), (0, 2), (0.0, 1), [0, 1]])
def test_labels_of_other_forms_are_refused(label):
    with pytest.raises(DatalistError, match="expected a class index or a tuple"):
        Case("a.png", label)


def test_facts_do_not_hide_the_entries_of_a_case():
    with pytest.raises(DatalistError, match="'label' has a reserved name"):
        Case("a.png", 0, facts={"label": 3})


def test_missing_images_are_listed_together_and_fragments_are_no_part_of_the_name(tmp_path):
    (tmp_path / "v.nii").write_bytes(b"x")
    cases = [Case("v.nii#slice=3", 0), *(Case(f"{number}.png", 1) for number in range(30))]
    datalist = make_datalist(tmp_path, sections={"training": cases})
    assert datalist.missing_files("training") == tuple(f"{number}.png" for number in range(30))
    with pytest.raises(
        DatalistError, match=r"19\.png\n  - \.\.\. and 10 more\n  - 30 image\(s\) were looked for below"
    ):
        datalist.require_files()


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("{", "not valid JSON"),
        ("[]", "a JSON list"),
        ('{"name": "x"}', "'labels' is missing"),
        ('{"name": "x", "kind": "binary", "labels": ["a", "b"], "training": [{"image": "a"}]}', "malformed"),
    ],
)
@pytest.mark.filterwarnings("ignore::lungscan_monai.errors.LungScanWarning")
def test_a_malformed_file_is_described(tmp_path, text, sentence):
    (tmp_path / "datalist.json").write_text(text)
    with pytest.raises(DatalistError, match=sentence):
        load_datalist(tmp_path / "datalist.json")


def test_an_absent_file_is_named(tmp_path):
    with pytest.raises(DatalistError, match=r"nowhere\.json.*\n.*no such file"):
        load_datalist(tmp_path / "nowhere.json")


@pytest.fixture
def hundred(tmp_path) -> Path:
    cases = [Case(f"{number:03d}.png", int(number >= 50)) for number in range(100)]
    for case in cases:
        (tmp_path / case.image).write_bytes(b"x")
    make_datalist(tmp_path, sections={"training": cases}).save(tmp_path / "datalist.json")
    return tmp_path / "datalist.json"


def test_a_limit_takes_records_of_all_classes(hundred):
    records = monai_records(hundred, "training", limit=10)
    assert [record["label"] for record in records] == [0] * 5 + [1] * 5
    assert len(monai_records(hundred, ["training", "test"], limit=1000)) == 100


def test_an_empty_section_or_missing_images_are_refused(hundred):
    with pytest.raises(DatalistError, match="no case in section test"):
        monai_records(hundred, "test")
    (hundred.parent / "007.png").unlink()
    with pytest.raises(DatalistError, match=r"no such image: 007\.png"):
        monai_records(hundred, "training")
    with pytest.raises(DatalistError, match="no section 'train'"):
        monai_records(hundred, "train")


def test_every_record_has_a_mask_entry_so_that_batches_can_hold_them(tmp_path):
    cases = (Case("a.png", 0), Case("b.png", 1, facts={"mask": "masks/b.png"}))
    records = make_datalist(tmp_path, sections={"training": cases}).records("training")
    assert [record["mask"] for record in records] == ["", str(tmp_path / "masks" / "b.png")]


def task_with(kind: str, *labels: str) -> TaskSpec:
    return TaskSpec("pneumonia", "?", "1", kind, labels, (8, 8), 1, ("DX",), "Research only.")


def test_records_for_a_task_need_its_labels_in_its_order(hundred):
    assert len(monai_records(hundred, "training", task=task_with("binary", "Normal", "Pneumonia"))) == 100
    with pytest.raises(DatalistError, match="labels are Normal, Pneumonia, expected Pneumonia, Normal in this order"):
        monai_records(hundred, "training", task=task_with("binary", "Pneumonia", "Normal"))


def test_names_of_labels_are_compared_without_case(hundred):
    load_datalist(hundred).require_task(task_with("binary", "NORMAL", "pneumonia"))


def test_another_kind_or_number_of_labels_is_refused_with_what_mends_it(hundred):
    with pytest.raises(DatalistError) as caught:
        load_datalist(hundred).require_task(task_with("multiclass", "Normal", "Pneumonia", "Tuberculosis"))
    assert caught.value.source == "toy"
    first, second = caught.value.defects
    assert first == "its kind is binary, expected multiclass"
    assert "--labels Normal,Pneumonia,Tuberculosis" in second


def test_the_hash_of_a_file_is_that_of_its_content_as_it_is_now(hundred):
    sha256 = load_datalist(hundred).sha256
    content = json.loads(hundred.read_text())
    del content["sha256"]
    hundred.write_text(json.dumps(content))
    assert datalist_sha256(hundred) == sha256
    hundred.write_text(json.dumps(content | {"name": "other"}))
    assert datalist_sha256(hundred) != sha256
