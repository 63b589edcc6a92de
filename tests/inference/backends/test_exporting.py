"""A model is exported once, and anew when it changes."""

from __future__ import annotations

import importlib.util
import shutil

import numpy as np
import pytest
import torch

from lungscan_monai.errors import MissingDependencyError
from lungscan_monai.inference.backends import exporting
from lungscan_monai.inference.backends.exported import EXPORT_NAME, read_exported, sample_images
from lungscan_monai.storage import Manifest


@pytest.fixture
def folder(exported, tmp_path):
    return shutil.copytree(exported.path.parent, tmp_path / "models")


def test_the_manifest_binds_the_export_to_the_model(exported, model):
    entry = Manifest(model.folder).entries()[EXPORT_NAME]
    assert entry["model_sha256"] == model.sha256 == Manifest(model.folder).entries()["model.pt"]["sha256"]
    with torch.no_grad():
        expected = model.network(torch.from_numpy(sample_images(model.image_shape, 16))).numpy()
    np.testing.assert_allclose(exported.expected_logits, expected, atol=1e-5)
    found = read_exported(model.folder, model.sha256)
    np.testing.assert_array_equal(found.expected_logits, exported.expected_logits)


def test_an_export_that_is_there_is_taken(folder, model, monkeypatch):
    monkeypatch.setattr(exporting, "export_model", lambda *_: pytest.fail("exported again"))
    assert exporting.ensure_exported(model.network, folder, model.sha256, model.image_shape).path.parent == folder


@pytest.mark.parametrize("change", ["model", "size", "damage"])
def test_a_changed_model_another_size_or_a_damaged_file_is_exported_anew(folder, model, change, monkeypatch, caplog):
    made = []
    monkeypatch.setattr(exporting, "export_model", lambda *arguments: made.append(arguments))
    if change == "damage":
        (folder / EXPORT_NAME).write_bytes(b"cut short")
    sha256 = "ab" * 32 if change == "model" else model.sha256
    shape = (3, 32, 32) if change == "size" else model.image_shape
    exporting.ensure_exported(model.network, folder, sha256, shape)
    assert [arguments[1:] for arguments in made] == [(folder, sha256, shape)]
    assert ("damaged" in caplog.text) == (change == "damage")


def test_without_the_packages_their_extra_is_named(model, tmp_path, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingDependencyError, match=r"onnx and onnxscript.*lungscan-monai\[export\]"):
        exporting.export_model(model.network, tmp_path, model.sha256, model.image_shape)
    assert list(tmp_path.iterdir()) == []
