"""What can be said of a trained model without torch."""

import subprocess
import sys
from pathlib import Path

import pytest

from lungscan_monai.errors import CheckpointError
from lungscan_monai.model_files import (
    MODEL_NAME,
    STATE_NAME,
    recorded_architecture,
    require_unused,
    settle_architecture,
)
from lungscan_monai.storage import Manifest, replacing

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.parametrize("name", ["model.pt", "resume.pt"])
def test_files_of_an_earlier_training_are_named_with_the_two_ways_on(tmp_path, name):
    require_unused(tmp_path / "new")
    require_unused(tmp_path)
    (tmp_path / name).write_bytes(b"")
    with pytest.raises(CheckpointError, match=rf"{name}.*--resume.*--overwrite"):
        require_unused(tmp_path)


def test_the_architecture_is_read_from_the_manifest(tmp_path):
    assert recorded_architecture(tmp_path) == {}
    Manifest(tmp_path).record("model.pt", "ab" * 32, 7, architecture={"backbone": "resnet50"})
    assert recorded_architecture(tmp_path) == {"backbone": "resnet50"}


def test_it_needs_no_torch():
    code = "import sys, lungscan_monai.model_files; print('torch' in sys.modules)"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT).stdout
        == "False\n"
    )


def test_settings_of_a_trained_network_go_where_the_config_has_them(tmp_path):
    facts = {"architecture": {"backbone": "resnet34", "hidden_features": 16, "num_outputs": 4}}
    with replacing(tmp_path / "model.pt", Manifest(tmp_path), **facts) as part:
        part.write_bytes(b"weights")
    config = {"backbone": "resnet18", "network_def": {"backbone": "@backbone", "hidden_features": None}}
    settle_architecture(config, tmp_path)
    assert config == {"backbone": "resnet34", "network_def": {"backbone": "@backbone", "hidden_features": 16}}


def test_monai_label_chooses_the_weights_among_the_files_of_a_model():
    names = sorted([STATE_NAME, MODEL_NAME])
    names.sort(key=len)  # as its BundleInferTask does, which then takes the first
    assert names[0] == MODEL_NAME
