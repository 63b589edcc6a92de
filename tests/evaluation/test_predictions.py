import csv
import dataclasses
import json

import numpy as np
import pytest
from evaluation.examples import ALL, N_TEST, binary, multiclass, multilabel

from lungscan_monai.errors import DataError, NotComputableError, OutputError, ShapeError
from lungscan_monai.evaluation.predictions import Predictions, load_predictions
from lungscan_monai.storage import sha256_file


@pytest.mark.parametrize("kind", ALL)
def test_what_is_saved_is_what_is_loaded(kind, tmp_path):
    original = ALL[kind](patients=("p1", None) * 75)
    loaded = load_predictions(original.save(tmp_path))
    for field in dataclasses.fields(Predictions):
        np.testing.assert_array_equal(getattr(loaded, field.name), getattr(original, field.name))
    assert load_predictions(tmp_path).case_ids == original.case_ids


def test_the_table_has_one_row_for_each_case_and_names_the_classes(tmp_path):
    with binary().save(tmp_path).open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 150
    assert list(rows[0]) == ["case", "patient", "section", "label", "probability Normal", "probability Pneumonia"]
    assert {row["label"] for row in rows} == {"Normal", "Pneumonia"}


@pytest.mark.parametrize("kind", ALL)
def test_calibrated_probabilities_have_the_networks_own_beside_them(kind, tmp_path):
    raw = ALL[kind]().probabilities
    original = ALL[kind](raw_probabilities=raw, probabilities=raw**2 / (raw**2).sum(axis=1, keepdims=True))
    path = original.save(tmp_path)
    with path.open(newline="") as stream:
        row = next(csv.DictReader(stream))
    assert float(row[f"raw probability {original.label_names[1]}"]) == raw[0, 1]
    assert json.loads(path.with_suffix(".json").read_text())["calibrated"] is True
    loaded = load_predictions(path)
    np.testing.assert_array_equal(loaded.raw_probabilities, raw)
    np.testing.assert_array_equal(loaded.probabilities, original.probabilities)
    np.testing.assert_array_equal(loaded.section("test").raw_probabilities, raw[-N_TEST:])
    with pytest.raises(ShapeError, match="raw_probabilities"):
        ALL[kind](raw_probabilities=raw[:3])


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n", "'"])
def test_no_cell_starts_a_formula_and_yet_every_name_comes_back(start, tmp_path):
    nasty = f"{start}cmd|' /C calc'!A0"
    names = (f"{start}Normal", "Pneumonia")
    original = binary(case_ids=(nasty, *binary().case_ids[1:]), patients=(nasty,) * 150, label_names=names)
    path = original.save(tmp_path)
    with path.open(newline="", encoding="utf-8") as stream:
        cells = [cell for row in csv.reader(stream) for cell in row]
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n"))]
    loaded = load_predictions(path)
    assert loaded.case_ids == original.case_ids
    assert loaded.patients == original.patients
    assert loaded.label_names == names


def test_a_section_holds_its_cases_and_no_others():
    test = multilabel().section("test")
    assert len(test) == N_TEST
    assert test.section_names == ("test",)
    assert test.case_ids[0] == "case60.png"
    with pytest.raises(DataError, match=r"no prediction is from section 'tset'; there are: validation, test"):
        multilabel().section("tset")


def test_a_binary_task_asks_one_question_and_the_others_one_for_each_label():
    (only,) = binary().targets()
    assert only.label == "Pneumonia"
    np.testing.assert_array_equal(only.y_true, binary().y_true)
    np.testing.assert_array_equal(only.y_score, binary().probabilities[:, 1])
    assert [target.label for target in multiclass().targets()] == ["Normal", "Benign", "Malignant"]
    assert sum(target.y_true for target in multiclass().targets()).tolist() == [1.0] * 150
    fibrosis = list(multilabel().targets())[3]
    assert np.isnan(fibrosis.y_true).all()


def with_cell(probabilities, value):
    changed = probabilities.copy()
    changed[3, 0] = value
    return changed


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: binary(patients=(None,)), ShapeError, r"patients \(1,\) instead of \(150,\)"),
        (
            lambda: binary(probabilities=np.ones((150, 1))),
            ShapeError,
            r"probabilities \(150, 1\) instead of \(150, 2\)",
        ),
        (lambda: multilabel(y_true=np.zeros(150)), ShapeError, r"y_true \(150,\) instead of \(150, 4\)"),
        (lambda: multiclass(kind="binary"), ShapeError, "two labels, found 3"),
        (lambda: binary(kind="ordinal"), ShapeError, "expected one of binary, multiclass, multilabel"),
        (lambda: binary(case_ids=("a",) * 150), DataError, r"more than once: a;"),
        (lambda: binary(sections=("",) * 150), DataError, "needs a name and a section"),
        (
            lambda: binary(probabilities=with_cell(binary().probabilities, np.nan)),
            NotComputableError,
            r"numbers in \[0, 1\]; not so in case\(s\) case3.png",
        ),
        (lambda: multilabel(probabilities=with_cell(multilabel().probabilities, 1.5)), NotComputableError, "case3.png"),
        (lambda: multiclass(probabilities=with_cell(multiclass().probabilities, 0.0)), NotComputableError, "sum to 1"),
        (lambda: binary(y_true=np.full(150, 2)), NotComputableError, r"0 \.\. 1; not so in .* and 145 more"),
        (lambda: multilabel(y_true=np.full((150, 4), 0.5)), NotComputableError, "0, 1 or NaN"),
    ],
)
def test_what_does_not_fit_is_refused_and_the_cases_are_named(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_no_case_is_refused():
    with pytest.raises(ShapeError, match="no predictions"):
        Predictions((), (), (), np.zeros(0, int), np.zeros((0, 2)), ("a", "b"), "binary")


def test_a_table_that_was_changed_is_refused(tmp_path):
    path = binary().save(tmp_path)
    path.write_text(path.read_text().replace("Pneumonia", "Normal"))
    with pytest.raises(DataError, match="changed since predictions.json was written"):
        load_predictions(path)


def test_a_table_without_its_description_is_refused(tmp_path):
    path = binary().save(tmp_path)
    path.with_suffix(".json").unlink()
    with pytest.raises(DataError, match="predictions.json beside it"):
        load_predictions(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "first row must be case, patient, section, label"),
        ("HEADER\n", "no case"),
        ("HEADER\na.png,p,test\n", "wrong number of cells: 2"),
        ("HEADER\na.png,p,test,Normal,0.5,half\n", "half"),
        ("HEADER\na.png,p,test,Flu,0.5,0.5\n", "Flu|not in"),
    ],
)
def test_a_malformed_table_is_refused_with_its_name(content, message, tmp_path):
    path = binary().save(tmp_path)
    header = path.read_text().splitlines()[0]
    path.write_text(content.replace("HEADER", header))
    beside = json.loads(path.with_suffix(".json").read_text())
    path.with_suffix(".json").write_text(json.dumps(beside | {"sha256": sha256_file(path)}))
    with pytest.raises(DataError, match=message) as raised:
        load_predictions(path)
    assert "predictions.csv" in str(raised.value)


def test_an_output_folder_that_cannot_be_made_is_refused(tmp_path):
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(OutputError):
        binary().save(tmp_path / "taken")
