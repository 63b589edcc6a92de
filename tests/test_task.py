import dataclasses
import json

import pytest

from lungscan_monai.errors import TaskError
from lungscan_monai.task import TaskSpec, load_task

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
