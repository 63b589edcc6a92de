"""The export beside the model: found for that very model only, whole or not at all."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

from lungscan_monai.errors import CheckpointError
from lungscan_monai.inference.backends.exported import EXPORT_NAME, read_exported, sample_images
from lungscan_monai.storage import sha256_file


@pytest.fixture
def folder(exported, tmp_path):
    """A copy of the models folder, to be damaged."""
    return shutil.copytree(exported.path.parent, tmp_path / "models")


def changed_record(folder, **entries):
    path = folder / "manifest.json"
    content = json.loads(path.read_text())
    content["files"][EXPORT_NAME].update(entries)
    path.write_text(json.dumps(content))


def test_an_export_is_found_with_what_pytorch_answered(folder, exported, model):
    found = read_exported(folder, model.sha256)
    assert (found.path, found.image_shape) == (folder / EXPORT_NAME, (3, 64, 48))
    np.testing.assert_array_equal(found.expected_logits, exported.expected_logits)


def test_the_export_of_another_model_is_none(folder):
    assert read_exported(folder, "ab" * 32) is None


def test_without_a_file_there_is_none(folder, model):
    (folder / EXPORT_NAME).unlink()
    assert read_exported(folder, model.sha256) is None


def test_a_damaged_export_is_refused(folder, model):
    content = bytearray((folder / EXPORT_NAME).read_bytes())
    content[1000] ^= 1
    (folder / EXPORT_NAME).write_bytes(content)
    with pytest.raises(CheckpointError, match="damaged"):
        read_exported(folder, model.sha256)


def test_an_export_that_was_stopped_before_its_file_was_in_place_is_none(folder, model):
    changed_record(folder, previous_sha256=sha256_file(folder / EXPORT_NAME), sha256="cd" * 32)
    assert read_exported(folder, model.sha256) is None


def test_a_record_that_cannot_be_read_is_said(folder, model):
    changed_record(folder, expected_logits="none")
    with pytest.raises(CheckpointError, match="its record is not readable"):
        read_exported(folder, model.sha256)


def test_a_record_of_fewer_pictures_than_are_compared_now_is_said(folder, model):
    changed_record(folder, expected_logits=[[0.5], [0.25]])
    with pytest.raises(CheckpointError, match="its record is not readable"):
        read_exported(folder, model.sha256)


def test_sample_pictures_differ_and_are_the_same_each_time():
    images = sample_images((3, 40, 30), 4)
    assert images.shape == (4, 3, 40, 30) and images.dtype == np.float32
    assert images.min() >= 0 and images.max() <= 1
    np.testing.assert_array_equal(images, sample_images((3, 40, 30), 4))
    assert np.abs(images[0] - images[1]).mean() > 0.05
    np.testing.assert_array_equal(images[:2], sample_images((3, 40, 30), 2))
