from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from lungscan_monai.cli import app
from lungscan_monai.data.datalist import load_datalist


def run(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def class_folders(tmp_path):
    """Ten images of two patients in each class folder; two images of one class are equal byte for byte."""
    rng = np.random.default_rng(0)
    for label in ("Normal", "Pneumonia"):
        folder = tmp_path / "images" / label
        folder.mkdir(parents=True)
        for index in range(20):
            pixels = rng.integers(0, 255, (8, 8), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / f"{label[0]}{index // 2:02d}_{index % 2}.png")
    twin = (tmp_path / "images" / "Normal" / "N00_0.png").read_bytes()
    (tmp_path / "images" / "Normal" / "N00_1.png").write_bytes(twin)
    (tmp_path / "images" / "Normal" / "notes.txt").write_text("not an image", encoding="utf-8")
    return tmp_path / "images"


def test_import_writes_a_datalist_and_prints_the_counts_of_each_section_and_class(class_folders, tmp_path):
    output = tmp_path / "datalist.json"
    result = run("data", "import", class_folders, "--output", output, "--patient-regex", r"^([NP]\d+)_")
    assert result.exit_code == 0
    header, *rows = [line.split("\t") for line in result.stdout.splitlines()]
    assert header == ["section", "cases", "patients", "of unknown patient", "Normal", "Pneumonia"]
    assert [sum(int(row[column]) for row in rows) for column in range(1, 6)] == [40, 20, 0, 20, 20]
    assert "identical images" in result.stderr
    assert "notes.txt" in result.stderr
    assert len(load_datalist(output)) == 40


def test_import_gives_one_json_object_with_the_audit(class_folders, tmp_path):
    output = tmp_path / "datalist.json"
    result = run("data", "import", class_folders, "--output", output, "--json", "--split", "0.5,0.25,0.25")
    found = json.loads(result.stdout)
    assert found["datalist"] == str(output)
    assert found["labels"] == ["Normal", "Pneumonia"]
    assert sum(counts["cases"] for counts in found["counts"].values()) == 40
    assert found["sha256"] == load_datalist(output).sha256
    assert len(found["duplicates"]) == 1
    assert found["skipped"] == ["Normal/notes.txt"]


def test_labels_are_ordered_as_asked(class_folders, tmp_path):
    output = tmp_path / "datalist.json"
    assert run("data", "import", class_folders, "--output", output, "--labels", "Pneumonia, Normal").exit_code == 0
    assert load_datalist(output).labels == ("Pneumonia", "Normal")


def test_a_table_with_unusual_columns_is_imported(class_folders, tmp_path):
    rows = [f"{path.parent.name}/{path.name};{path.parent.name}" for path in sorted(class_folders.rglob("*.png"))]
    (tmp_path / "cases.csv").write_text("\n".join(["png_file;verdict", *rows]), encoding="utf-8")
    columns = ["--column", "image=png_file", "--column", "label=verdict", "--image-dir", class_folders]
    result = run("data", "import", tmp_path / "cases.csv", "--output", tmp_path / "datalist.json", *columns)
    assert result.exit_code == 0, result.stderr
    assert len(load_datalist(tmp_path / "datalist.json")) == 40


def test_data_that_cannot_be_used_end_with_5_and_nothing_is_written(tmp_path):
    result = run("data", "import", tmp_path / "absent", "--output", tmp_path / "datalist.json")
    assert result.exit_code == 5
    assert "there is no such file or folder" in result.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "option",
    [
        ["--column", "image"],
        ["--column", "=x"],
        ["--add", "Unknown"],
        ["--add", "Unknown="],
        ["--list", "dev=x.txt"],
        ["--blocks", "0"],
        ["--blocks", "some"],
        ["--split", "0.5,0.5"],
        ["--split", "a,b,c"],
    ],
)
def test_a_malformed_option_is_a_wrong_command_line(tmp_path, option):
    result = run("data", "import", tmp_path, "--output", tmp_path / "datalist.json", *option)
    assert result.exit_code == 2
    assert option[1].partition("=")[0] in result.stderr


def test_an_unknown_format_ends_with_4(class_folders, tmp_path):
    assert run("data", "import", class_folders, "--output", tmp_path / "d.json", "--format", "tiff").exit_code == 4


def test_phantoms_are_written_as_png_and_dicom(tmp_path):
    result = run("data", "phantoms", "pneumonia_cxr", tmp_path, "--count", 12, "--size", 32, "--dicom", "--json")
    assert result.exit_code == 0, result.stderr
    found = json.loads(result.stdout)
    assert sum(counts["cases"] for counts in found["counts"].values()) == 12
    assert found["patient_leaks"] == []
    assert len(list((tmp_path / "images").glob("*.png"))) == 12
    assert len(list((tmp_path / "dicom").glob("*.dcm"))) == 12
    assert load_datalist(found["datalist"]).sha256 == found["sha256"]
    assert "phantoms: 12 in" in result.stderr


def test_phantoms_are_taken_for_a_bundle_by_its_name_and_without_dicom_unless_asked(tmp_path):
    arguments = ["data", "phantoms", "pneumonia_cxr_classification", tmp_path, "--count", 12, "--size", 32]
    assert run(*arguments, "--seed", 3).exit_code == 0
    assert not (tmp_path / "dicom").exists()


def test_phantoms_of_an_unknown_task_end_with_4(tmp_path):
    result = run("data", "phantoms", "knee_mri", tmp_path)
    assert result.exit_code == 4
    assert "pneumonia_cxr" in result.stderr


@pytest.fixture
def bundle(tmp_path):
    """A bundle of which nothing but the metadata is there: three classes."""
    source = Path(__file__).parents[1] / "monai_bundles" / "pneumonia_cxr_classification" / "configs" / "metadata.json"
    metadata = json.loads(source.read_text(encoding="utf-8"))
    metadata["classification_kind"] = "multiclass"
    names = ("Pneumonia", "Normal", "Unknown")
    outputs = metadata["network_data_format"]["outputs"]["pred"]
    outputs |= {"num_channels": 3, "channel_def": {str(index): name for index, name in enumerate(names)}}
    (tmp_path / "my_task" / "configs").mkdir(parents=True)
    (tmp_path / "my_task" / "configs" / "metadata.json").write_text(json.dumps(metadata), encoding="utf-8")
    return tmp_path / "my_task"


def test_a_bundle_gives_labels_and_kind_and_strangers_are_added(class_folders, bundle, tmp_path):
    strangers, output = tmp_path / "strangers", tmp_path / "datalist.json"
    written = run("data", "strangers", strangers, "--count", 20, "--size", 32)
    assert written.exit_code == 0, written.stderr
    result = run(
        "data", "import", class_folders, "--output", output, "--task", bundle, "--add", f"Unknown={strangers}", "--json"
    )
    assert result.exit_code == 0, result.stderr
    found = json.loads(result.stdout)
    assert (found["labels"], found["kind"]) == (["Pneumonia", "Normal", "Unknown"], "multiclass")
    assert sum(counts["labels"]["Unknown"] for counts in found["counts"].values()) == 20
    assert len(load_datalist(output)) == 60


def test_labels_are_the_bundles_or_the_users_not_both(class_folders, bundle, tmp_path):
    result = run("data", "import", class_folders, "--task", bundle, "--labels", "A,B", "--output", tmp_path / "d.json")
    assert result.exit_code == 2
    assert "leave --labels" in " ".join(result.stderr.split())
    result = run("data", "import", class_folders, "--task", tmp_path / "no_task", "--output", tmp_path / "d.json")
    assert result.exit_code == 4
    assert "neither the path of a bundle" in result.stderr


def test_lists_and_present_images_are_asked_for_by_options(class_folders, tmp_path):
    names = sorted(path.relative_to(class_folders).as_posix() for path in class_folders.rglob("*.png"))
    rows = [f"{name},{name.partition('/')[0]}" for name in names]
    (tmp_path / "t.csv").write_text("\n".join(["image,label", *rows, "gone.png,Normal"]), encoding="utf-8")
    (tmp_path / "mine.txt").write_text("\n".join(names[::2]), encoding="utf-8")
    (tmp_path / "yours.txt").write_text("\n".join([*names[1::2], "gone.png"]), encoding="utf-8")
    lists = ["--list", f"train={tmp_path / 'mine.txt'}", "--list", f"test={tmp_path / 'yours.txt'}"]
    options = ["--image-dir", class_folders, "--present-only", "--json"]
    result = run("data", "import", tmp_path / "t.csv", "--output", tmp_path / "d.json", *lists, *options)
    assert result.exit_code == 0, result.stderr
    found = json.loads(result.stdout)
    assert [found["counts"][name]["cases"] for name in ("training", "validation", "test")] == [18, 2, 20]
    assert any(note.startswith("1 of 41 rows have no image") for note in found["notes"])


def test_the_folder_of_official_lists_must_hold_them(class_folders, tmp_path):
    (tmp_path / "t.csv").write_text("image,label\nNormal/N00_0.png,Normal\n", encoding="utf-8")
    result = run("data", "import", tmp_path / "t.csv", "--official-lists", tmp_path, "--output", tmp_path / "d.json")
    assert result.exit_code == 5
    assert "train_val_list.txt and test_list.txt" in result.stderr


def test_strangers_of_each_kind_are_counted(tmp_path):
    result = run("data", "strangers", tmp_path / "s", "--count", 14, "--size", 32, "--json")
    found = json.loads(result.stdout)
    assert set(found["kinds"].values()) == {2}
    assert sorted(found["files"]) == sorted(path.name for path in (tmp_path / "s").iterdir())
    again = run("data", "strangers", tmp_path / "s", "--count", 14, "--size", 32)
    assert again.exit_code == 8
    assert "is not empty" in again.stderr
