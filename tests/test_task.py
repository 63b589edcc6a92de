import dataclasses
import json
from pathlib import Path

import pytest

from lungscan_monai.errors import TaskError
from lungscan_monai.task import TaskSpec, load_task, private_code

BUNDLES = sorted((Path(__file__).resolve().parents[1] / "monai_bundles").glob("*_classification"))
SPEC = TaskSpec("b", "title", "0.1.0", "multiclass", ("A", "B", "C"), (8, 8), 3, ("CR",), "tests")


def test_a_binary_task_has_one_output_and_a_positive_label():
    spec = dataclasses.replace(SPEC, kind="binary", label_names=("Normal", "Ill"))
    assert (spec.num_outputs, spec.positive_label) == (1, "Ill")


def test_other_kinds_have_an_output_for_each_label_and_no_positive_one():
    assert SPEC.num_outputs == 3
    with pytest.raises(TaskError, match="no single positive class"):
        _ = SPEC.positive_label


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "regression"}, "regression"),
        ({"label_names": ("A", "A")}, "not distinct"),
        ({"label_names": ("A",)}, "at least two"),
        ({"kind": "binary"}, "two labels, found 3"),
        ({"image_size": (8,)}, "rows, columns"),
    ],
)
def test_contradicting_facts_are_refused(change, message):
    with pytest.raises(TaskError, match=message):
        dataclasses.replace(SPEC, **change)


@pytest.mark.parametrize(("content", "message"), [(None, "no such file"), ("{", "JSON"), ("{}", "network_data_format")])
def test_unusable_metadata_are_named(tmp_path, content, message):
    (tmp_path / "configs").mkdir()
    if content is not None:
        (tmp_path / "configs" / "metadata.json").write_text(content)
    with pytest.raises(TaskError, match=message):
        load_task(tmp_path)


def test_labels_keep_the_order_of_their_numbers(tmp_path):
    labels = {str(index): f"label {index}" for index in range(12)}
    metadata = {
        "task": "t",
        "version": "1",
        "classification_kind": "multiclass",
        "dicom_modalities": ["CT"],
        "intended_use": "tests",
        "network_data_format": {
            "inputs": {"image": {"spatial_shape": [4, 6], "num_channels": 1}},
            "outputs": {"pred": {"channel_def": dict(sorted(labels.items()))}},
        },
    }
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "metadata.json").write_text(json.dumps(metadata))
    spec = load_task(tmp_path)
    assert spec.label_names == tuple(labels.values())
    assert spec.image_size == (4, 6)


@pytest.mark.parametrize("bundle", BUNDLES, ids=lambda path: path.name)
def test_every_bundle_says_in_indonesian_what_it_is_and_that_it_is_not_for_diagnosis(bundle):
    task = load_task(bundle)
    told = task.told_in("id")
    assert told.title != task.title
    assert "Bukan untuk diagnosis" in told.intended_use
    assert (task.told_in("fr").title, task.told_in("en").intended_use) == (task.title, task.intended_use)


def test_a_label_without_a_code_gets_a_private_one_of_its_name(tmp_path):
    codes = {"Stone": {"scheme": "SCT", "code": "95570007", "meaning": "Kidney stone"}}
    task = _task_with_codes(tmp_path, codes)
    assert [(one.scheme, one.code, one.meaning) for one in task.codes] == [
        ("99LUNGSCAN", "cyst", "Cyst"),
        ("99LUNGSCAN", "normal", "Normal"),
        ("SCT", "95570007", "Kidney stone"),
        ("99LUNGSCAN", "tumor", "Tumor"),
    ]


def test_names_too_long_for_a_code_value_stay_distinct():
    codes = {private_code(f"Pleural thickening, {side}").code for side in ("left", "right")}
    assert len(codes) == 2 and max(map(len, codes)) <= 16


@pytest.mark.parametrize(
    ("codes", "message"),
    [
        ({"Ston": {"scheme": "SCT", "code": "1", "meaning": "x"}}, "label_codes has Ston, which is no label"),
        ({"Stone": {"scheme": "SCT", "code": "1" * 17, "meaning": "x"}}, "expected 1 to 16 characters"),
        ({"Stone": {"scheme": "SCT", "code": "1", "meaning": ""}}, "expected 1 to 64 characters"),
        ({"Stone": {"scheme": "SCT"}}, "entry missing or malformed"),
    ],
)
def test_unusable_codes_are_named(tmp_path, codes, message):
    with pytest.raises(TaskError, match=message):
        _task_with_codes(tmp_path, codes)


def _task_with_codes(folder, codes):
    source = Path(__file__).resolve().parents[1] / "monai_bundles" / "kidney_ct_classification"
    metadata = json.loads((source / "configs" / "metadata.json").read_text())
    (folder / "configs").mkdir()
    (folder / "configs" / "metadata.json").write_text(json.dumps({**metadata, "label_codes": codes}))
    return load_task(folder)
