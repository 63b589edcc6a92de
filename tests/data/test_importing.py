from __future__ import annotations

import json
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from PIL import Image

from lungscan_monai.data.datalist import SECTIONS, load_datalist, monai_records
from lungscan_monai.data.importing import evaluation_set, import_dataset, recognised_format
from lungscan_monai.data.tables import TableOptions
from lungscan_monai.errors import ConfigError, DatalistError, LungScanWarning, OutputError, SplitError
from lungscan_monai.task import TaskSpec


def plant(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(name.encode())
    return root


def patients_folder(root: Path, sections: tuple[str, ...] = ("",)) -> Path:
    """Two classes, twenty patients each with two films, in each section."""
    names = [
        f"{section}/{label}/{section}{label}{patient}_{film}.png"
        for section in sections
        for label in ("Normal", "Tumor")
        for patient in range(20)
        for film in range(2)
    ]
    return plant(root, *(name.lstrip("/") for name in names))


def save_npz(path: Path, highest: int = 1) -> Path:
    arrays = {}
    for number, part in enumerate(("train", "val", "test")):
        arrays[f"{part}_images"] = np.arange(4 * 64, dtype=np.uint8).reshape(4, 8, 8) + np.uint8(10 * number)
        arrays[f"{part}_labels"] = np.array([[0], [1], [0], [highest]])
    np.savez(path, **arrays)
    return path


def test_a_folder_to_split_is_split_by_patient(tmp_path):
    imported = import_dataset(
        patients_folder(tmp_path / "set"), output=tmp_path / "datalist.json", patient_regex=r"^(\w+)_", seed=5
    )
    assert [counts.cases for counts in imported.audit.counts.values()] == [56, 8, 16]
    assert imported.audit.patient_leaks == ()
    assert imported.datalist.split["seed"] == 5
    assert imported.path.is_file()
    assert imported.audit.sha256 == imported.datalist.sha256


def test_importing_twice_gives_the_same_bytes(tmp_path):
    root = patients_folder(tmp_path / "set")
    for name in ("one.json", "two.json"):
        import_dataset(root, output=tmp_path / name, patient_regex=r"^(\w+)_")
    assert (tmp_path / "one.json").read_bytes() == (tmp_path / "two.json").read_bytes()


def test_a_missing_validation_section_is_split_off_from_training_by_patient(tmp_path):
    root = patients_folder(tmp_path / "set", ("train", "test"))
    imported = import_dataset(root, output=tmp_path / "datalist.json", patient_regex=r"^(\w+)_")
    assert [counts.cases for counts in imported.audit.counts.values()] == [70, 10, 80]
    assert all(case.image.startswith("test/") for case in imported.datalist.cases("test"))
    assert imported.datalist.split["method"] == "given"
    assert imported.datalist.split["validation"]["from"] == "training"
    assert imported.audit.patient_leaks == ()


def test_a_complete_split_is_kept(tmp_path):
    root = patients_folder(tmp_path / "set", ("train", "val", "test"))
    imported = import_dataset(root, output=tmp_path / "datalist.json")
    assert [counts.cases for counts in imported.audit.counts.values()] == [80, 80, 80]
    assert imported.datalist.split == {"method": "given"}


def test_a_given_split_that_leaks_is_told_and_fractions_mend_it(tmp_path):
    root = plant(
        tmp_path / "set",
        *(f"train/{label}/p{patient}_1.png" for label in "AB" for patient in range(10)),
        *(f"test/{label}/p{patient}_2.png" for label in "AB" for patient in range(10)),
    )
    options = {"output": tmp_path / "datalist.json", "patient_regex": r"^(p\d+)_"}
    with pytest.warns(LungScanWarning, match=r"10 patient\(s\) in several sections"):
        leaking = import_dataset(root, **options)
    assert len(leaking.audit.patient_leaks) == 10
    mended = import_dataset(root, fractions=(0.6, 0.2, 0.2), **options)
    assert mended.audit.patient_leaks == ()
    assert [counts.patients for counts in mended.audit.counts.values()] == [6, 2, 2]


def test_a_manifest_in_a_folder_is_read_unless_the_format_says_otherwise(tmp_path):
    root = patients_folder(tmp_path / "set")
    rows = [f"{path.relative_to(root).as_posix()},{path.parent.name},{path.stem[:-2]}" for path in root.rglob("*.png")]
    (root / "manifest.csv").write_text("\n".join(["path,label,patient", *rows]))
    imported = import_dataset(root, output=tmp_path / "a.json")
    assert sum(counts.patients for counts in imported.audit.counts.values()) == 40
    imported = import_dataset(root, output=tmp_path / "b.json", format="folder")
    assert imported.skipped == ("manifest.csv",)
    assert sum(counts.unknown_patient for counts in imported.audit.counts.values()) == 80


def test_a_table_with_fractions_is_split_again(tmp_path):
    root = plant(tmp_path / "set", *(f"{number}.png" for number in range(20)))
    rows = [f"{number}.png,{number % 2},p{number // 2},{'train' if number % 2 else 'test'}" for number in range(20)]
    (root / "t.csv").write_text("\n".join(["path,label,patient,split", *rows]))
    with pytest.raises(DatalistError, match="to split again by patient, give --split"):
        import_dataset(root / "t.csv", output=tmp_path / "datalist.json")
    assert not (tmp_path / "datalist.json").exists()
    imported = import_dataset(root / "t.csv", output=tmp_path / "datalist.json", fractions=(0.6, 0.2, 0.2))
    assert imported.audit.findings() == []


def test_medmnist_images_are_written_beside_the_datalist(tmp_path):
    imported = import_dataset(save_npz(tmp_path / "pneumoniamnist_8.npz"), output=tmp_path / "out" / "datalist.json")
    assert [counts.cases for counts in imported.audit.counts.values()] == [4, 4, 4]
    assert imported.datalist.split == {"method": "given"}
    assert (tmp_path / "out" / "pneumoniamnist_8" / "train" / "000000.png").is_file()
    (tmp_path / "out").rename(tmp_path / "moved")
    assert len(monai_records(tmp_path / "moved" / "datalist.json", ["training", "test"])) == 8


def test_nothing_is_written_if_there_is_a_defect(tmp_path):
    save_npz(tmp_path / "pneumoniamnist.npz", highest=3)
    with pytest.raises(DatalistError):
        import_dataset(tmp_path / "pneumoniamnist.npz", output=tmp_path / "out" / "datalist.json")
    with pytest.raises(DatalistError, match="no case of class Other"):
        import_dataset(
            save_npz(tmp_path / "x.npz"), output=tmp_path / "out" / "datalist.json", labels=["A", "B", "Other"]
        )
    with pytest.raises(SplitError, match="class Rare"):
        root = plant(patients_folder(tmp_path / "set"), "Rare/1.png")
        import_dataset(root, output=tmp_path / "out" / "datalist.json")
    assert not (tmp_path / "out").exists()


def test_an_earlier_import_is_not_overwritten_by_other_images(tmp_path):
    source = save_npz(tmp_path / "pneumoniamnist.npz")
    import_dataset(source, output=tmp_path / "out" / "datalist.json")
    with pytest.raises(OutputError, match="is there already"):
        import_dataset(source, output=tmp_path / "out" / "datalist.json")


@pytest.mark.parametrize(
    ("name", "expected"),
    [("a.csv", "csv"), ("a.csv.gz", "csv"), ("a.TSV", "csv"), ("a.npz", "npz"), ("folder/x.png", "folder")],
)
def test_the_format_is_known_by_the_source(tmp_path, name, expected):
    plant(tmp_path, name)
    assert recognised_format((tmp_path / name).parent if "/" in name else tmp_path / name) == expected


def test_the_name_of_a_medmnist_data_set_is_no_missing_file(tmp_path):
    assert recognised_format("pneumoniamnist") == "medmnist"
    with pytest.raises(DatalistError, match="no such file or folder"):
        recognised_format(tmp_path / "pneumoniamnist")
    with pytest.raises(DatalistError, match="or say the format"):
        recognised_format(plant(tmp_path, "x.pdf") / "x.pdf")


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"format": "excel"}, "format is 'excel', expected one of auto, folder"),
        ({"format": "npz", "patient_regex": "kermany"}, "patient_regex does not fit the format 'npz'"),
        ({"format": "folder", "table": TableOptions(present_only=True)}, "table does not fit the format 'folder'"),
    ],
)
def test_options_that_do_not_fit_are_refused(tmp_path, options, sentence):
    with pytest.raises(ConfigError, match=sentence):
        import_dataset(tmp_path, output=tmp_path / "datalist.json", **options)


@pytest.mark.parametrize(
    ("source", "counts", "patients", "across"),
    [
        ("pneumonia_224", [2283, 402, 564], [1488, 215, 320], 0),
        ("pneumonia_448", [181, 60, 64], [169, 54, 59], 0),
        ("kidney_ct", [789, 256, 318], [22, 6, 13], 0),
        ("cxr4", [909, 157, 249], [420, 66, 100], 0),
        ("nih_512/labels.csv", [438, 67, 133], [322, 46, 83], 0),
        ("pneumoniamnist/pneumoniamnist_dev.npz", [4143, 524, 565], [0, 0, 0], 8),
    ],
)
def test_real_data_come_in(real_data, tmp_path, source, counts, patients, across):
    report = import_dataset(real_data / source, output=tmp_path / "datalist.json").audit
    assert [section.cases for section in report.counts.values()] == counts
    assert [section.patients for section in report.counts.values()] == patients
    assert report.patient_leaks == ()
    assert len(report.duplicates_across) == across


def ct_folder(root: Path, count: int = 40) -> Path:
    """Three classes of numbered slices, as the lung cancer set has them."""
    rng = np.random.default_rng(0)
    for folder in ("Bengin cases", "Malignant cases", "Normal cases"):
        (root / folder).mkdir(parents=True)
        for number in range(1, count + 1):
            picture = Image.fromarray(rng.integers(0, 256, (16, 16), dtype=np.uint8))
            picture.save(root / folder / f"{folder[:-1]} ({number}).jpg")
    return root


def test_blocks_of_slices_are_split_as_patients_are(tmp_path):
    imported = import_dataset(
        ct_folder(tmp_path / "set"),
        output=tmp_path / "datalist.json",
        labels=["Normal", "Benign", "Malignant"],
        blocks=10,
        fractions=(0.6, 0.2, 0.2),
    )
    assert sum(counts.patients for counts in imported.audit.counts.values()) == 30
    assert imported.audit.patient_leaks == ()
    assert [counts.cases for counts in imported.audit.counts.values()] == pytest.approx([72, 24, 24], abs=6)
    assert imported.datalist.split["patients"] == "blocks of consecutive slices"
    assert imported.notes == ("30 blocks of consecutive slices stand for patients",)


def test_folders_are_added_under_a_label_and_split_with_the_rest(tmp_path):
    root = patients_folder(tmp_path / "set")
    strangers = plant(tmp_path / "strangers", *(f"{number}.png" for number in range(20)))
    imported = import_dataset(
        root,
        output=tmp_path / "datalist.json",
        labels=["Normal", "Tumor", "Unknown"],
        added=[("Unknown", strangers)],
        patient_regex=r"^(\w+)_",
    )
    assert [counts.labels["Unknown"] for counts in imported.audit.counts.values()] == [14, 2, 4]
    assert {case.facts["source"] for case in imported.datalist.cases()} == {"set", "strangers"}
    assert json.loads((tmp_path / "datalist.json").read_text())["base_dir"] == "."
    with pytest.raises(ConfigError, match="added label 'Unkown' is none of the labels; did you mean Unknown"):
        import_dataset(root, output=tmp_path / "x.json", labels=["Normal", "Unknown"], added=[("Unkown", strangers)])


def test_a_folder_with_the_table_of_chest_xray14_is_read_by_it(tmp_path):
    root = plant(tmp_path / "nih", *(f"images_00{1 + n % 2}/images/{n // 4:08d}_{n % 4:03d}.png" for n in range(120)))
    rows = [f"{n // 4:08d}_{n % 4:03d}.png,{'Mass|Hernia' if n % 3 else 'No Finding'},{n // 4}" for n in range(120)]
    (root / "Data_Entry_2017_v2020.csv").write_text("\n".join(["Image Index,Finding Labels,Patient ID", *rows]))
    (root / "train_val_list.txt").write_text("\n".join(row.split(",")[0] for row in rows[:80]))
    (root / "test_list.txt").write_text("\n".join(row.split(",")[0] for row in rows[80:]))
    imported = import_dataset(root, output=tmp_path / "a.json", labels=["Mass", "Hernia"])
    assert [counts.cases for counts in imported.audit.counts.values()] == [72, 8, 40]
    assert imported.audit.patient_leaks == ()
    assert imported.datalist.split["lists"] == "train_val_list.txt, test_list.txt"
    anew = import_dataset(root, output=tmp_path / "b.json", labels=["Mass", "Hernia"], fractions=(0.7, 0.1, 0.2))
    assert [counts.cases for counts in anew.audit.counts.values()] == [84, 12, 24]
    assert "lists" not in anew.datalist.split


@settings(max_examples=15, deadline=None)
@given(
    films=st.lists(st.tuples(st.integers(0, 25), st.integers(0, 3)), min_size=8, max_size=80),
    tested=st.sets(st.integers(0, 25), min_size=1, max_size=8),
    anew=st.booleans(),
)
def test_no_table_puts_a_patient_on_two_sides(films, tested, anew):
    names = [f"{patient:08d}_{number:03d}.png" for number, (patient, _) in enumerate(films)]
    test = [name for name, (patient, _) in zip(names, films, strict=True) if patient in tested]
    assume(0 < len(test) < len(names))
    with tempfile.TemporaryDirectory() as folder:
        root = plant(Path(folder), *names)
        findings = ("No Finding", "Mass", "Hernia", "Mass|Hernia")
        rows = [f"{name},{findings[kind]},{patient}" for name, (patient, kind) in zip(names, films, strict=True)]
        (root / "Data_Entry_2017.csv").write_text("\n".join(["Image Index,Finding Labels,Patient ID", *rows]))
        (root / "train_val_list.txt").write_text("\n".join(name for name in names if name not in test))
        (root / "test_list.txt").write_text("\n".join(test))
        fractions = (0.7, 0.1, 0.2) if anew else None
        options = {"kind": "multilabel", "labels": ["Mass", "Hernia"], "fractions": fractions}
        datalist = import_dataset(root, output=root / "datalist.json", **options).datalist
    patients = [{case.patient for case in datalist.cases(section)} for section in SECTIONS]
    assert sum(map(len, patients)) == len(set().union(*patients)) == len({patient for patient, _ in films})
    assert len(datalist) == len(films)
    if not anew:
        assert {case.image for case in datalist.cases("test")} == set(test)


def test_lists_and_a_new_split_exclude_each_other(tmp_path):
    options = TableOptions(section_lists={"test": tmp_path / "list.txt"})
    (tmp_path / "t.csv").write_text("path,label\n")
    with pytest.raises(ConfigError, match="leave one out"):
        import_dataset(tmp_path / "t.csv", output=tmp_path / "d.json", table=options, fractions=(0.7, 0.1, 0.2))


def test_data_without_a_test_section_are_told(tmp_path):
    imported = import_dataset(patients_folder(tmp_path / "set", ("train", "val")), output=tmp_path / "datalist.json")
    assert imported.notes[0].startswith("no case in test")


def test_a_data_set_of_kaggle_that_is_misspelt_is_refused_before_a_download(tmp_path):
    with pytest.raises(ConfigError, match="expected kaggle:owner/dataset"):
        import_dataset("kaggle:ct-kidney", output=tmp_path / "d.json")


def task_with(kind: str, *labels: str) -> TaskSpec:
    return TaskSpec("t", "T", "1.0.0", kind, labels, (8, 8), 1, ("DX",), "teaching")


@pytest.fixture
def task():
    return task_with("binary", "Normal", "Tumor")


def test_a_folder_of_classes_is_all_test_cases_and_is_not_divided(tmp_path, task):
    found = evaluation_set(patients_folder(tmp_path / "set"), task, r"^(\w+)_")
    assert {name: len(cases) for name, cases in found.sections.items()} == {"test": 80}
    assert len({case.patient for case in found.cases("test")}) == 40
    found.save(tmp_path / "datalist.json")
    load_datalist(tmp_path / "datalist.json").require_task(task)


def test_sections_that_a_folder_has_are_kept_as_they_are(tmp_path, task):
    found = evaluation_set(patients_folder(tmp_path / "set", ("val", "test")), task)
    assert {name: len(cases) for name, cases in found.sections.items()} == {"validation": 80, "test": 80}


def test_a_folder_to_judge_by_may_lack_a_class_but_have_no_strange_one(tmp_path, task):
    plant(tmp_path / "set", "normal/a.png", "normal/b.png")
    assert [case.label for case in evaluation_set(tmp_path / "set", task).cases("test")] == [0, 0]
    plant(tmp_path / "set", "Cyst/c.png")
    with pytest.raises(DatalistError, match="folder Cyst is none of the labels Normal, Tumor"):
        evaluation_set(tmp_path / "set", task)


def test_a_folder_without_test_cases_says_what_it_has(tmp_path, task):
    with pytest.raises(DatalistError, match="expected test cases, found 80 in training"):
        evaluation_set(patients_folder(tmp_path / "set", ("train",)), task)


def test_a_folder_with_its_table_is_read_through_the_table(tmp_path):
    plant(tmp_path / "set", "1.png", "2.png")
    (tmp_path / "set" / "manifest.csv").write_text("path,labels\n1.png,Mass\n2.png,Mass|Nodule\n")
    task = task_with("multilabel", "Mass", "Nodule")
    assert [case.label for case in evaluation_set(tmp_path / "set", task).cases("test")] == [(1, 0), (1, 1)]
    (tmp_path / "set" / "manifest.csv").unlink()
    with pytest.raises(ConfigError, match="give a table"):
        evaluation_set(tmp_path / "set", task)
