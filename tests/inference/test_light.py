"""An exported model without torch: the answers of the full way, or a refusal that says what is missing."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from lungscan_monai.checkpoints import CheckpointStore
from lungscan_monai.errors import CheckpointError, ConfigError
from lungscan_monai.fitted import save_calibration, save_input_check, save_operating_points
from lungscan_monai.inference.answering import Prediction, Reject
from lungscan_monai.inference.light import LightPredictor
from lungscan_monai.inference.predictor import Predictor
from lungscan_monai.metrics.familiarity import Familiarity
from lungscan_monai.metrics.operating_points import OperatingPoint
from lungscan_monai.metrics.scaling import Calibration, Scaling
from lungscan_monai.networks import TimmClassifier
from lungscan_monai.storage import sha256_file
from lungscan_monai.task import load_task

ROOT = Path(__file__).resolve().parents[2]
BUNDLES = {
    kind: ROOT / "monai_bundles" / f"{name}_classification"
    for kind, name in {"binary": "pneumonia_cxr", "multiclass": "kidney_ct", "multilabel": "nih14_cxr"}.items()
}

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "error::lungscan_monai.errors.LungScanWarning")


@pytest.fixture(scope="module")
def images(tmp_path_factory) -> list[Path]:
    folder, random = tmp_path_factory.mktemp("images"), np.random.default_rng(0)
    for number in range(5):
        picture = np.clip(random.normal(40 * number + 30, 5 * number + 3, (90 + number, 140)), 0, 255)
        Image.fromarray(picture.astype(np.uint8)).save(folder / f"{number}.png")
    return sorted(folder.glob("*.png"))


def made(kind: str, folder: Path) -> Path:
    """Return a bundle with a model, and an export of it."""
    for package in ("onnx", "onnxscript", "onnxruntime"):
        pytest.importorskip(package, reason=f"{package} is not installed: pip install 'lungscan-monai[export]'")
    root = shutil.copytree(BUNDLES[kind], folder / BUNDLES[kind].name)
    task = load_task(root)
    torch.manual_seed(0)
    network = TimmClassifier("test_efficientnet", task.num_outputs, weights="none", image_size=(64, 48))
    with torch.no_grad():
        network.head[-1].weight.mul_(100)
    path = root / "configs" / "inference.json"
    content = json.loads(path.read_text())
    content["network_def"].pop("hidden_features", None)
    content["network_def"].pop("head_norm", None)
    path.write_text(json.dumps(content))
    CheckpointStore(root / "models", task).save_model(network, epoch=1)
    Predictor(root, device="cpu", backend="onnx")
    return root


@pytest.fixture(scope="module")
def binary(tmp_path_factory) -> Path:
    return made("binary", tmp_path_factory.mktemp("binary"))


@pytest.fixture
def copied(binary, tmp_path) -> Path:
    return shutil.copytree(binary, tmp_path / binary.name)


@pytest.mark.parametrize("kind", BUNDLES)
def test_the_answers_are_those_of_the_full_way(kind, images, tmp_path):
    root = made(kind, tmp_path)
    expected = Predictor(root, device="cpu").predict(images)
    light = LightPredictor(root)
    for one, two in zip(expected, light.predict(images), strict=True):
        assert (one.case, one.label, one.threshold, one.findings) == (two.case, two.label, two.threshold, two.findings)
        assert one.probabilities == pytest.approx(two.probabilities, abs=1e-4)
    assert light.backend_facts["backend"] == "onnx" and light.backend_facts["largest_difference"] < 1e-3


def test_calibration_threshold_and_check_of_inputs_are_applied(copied, images):
    models, sha256 = copied / "models", sha256_file(copied / "models" / "model.pt")
    plain = LightPredictor(copied)
    features = plain.backend.forward(np.stack([plain._prepared(str(path)) for path in images])).features
    calibration = Calibration("binary", "validation", (Scaling("Pneumonia", 0.6, -0.4, 80),))
    save_calibration(models, calibration, sha256)
    point = OperatingPoint(0.3, "youden", 0.9, 0.8, "validation", 50)
    save_operating_points(models, {"Pneumonia": point}, sha256, calibration)
    near = Familiarity(np.repeat(features[:1], 10, axis=0).astype(np.float16), 1e-2, 0.99, 200)
    save_input_check(models, near, sha256)
    expected, found = Predictor(copied, device="cpu").predict(images), LightPredictor(copied).predict(images)
    assert isinstance(found[0], Prediction) and found[0].threshold == 0.3
    assert found[0].probabilities == pytest.approx(expected[0].probabilities, abs=1e-4)
    assert [type(answer) for answer in found] == [type(answer) for answer in expected]
    assert any(isinstance(answer, Reject) for answer in found)


def test_a_file_that_cannot_be_read_is_a_reject(binary, images, tmp_path):
    (tmp_path / "cut.png").write_bytes(images[0].read_bytes()[:60])
    answers = LightPredictor(binary).predict([tmp_path / "cut.png", images[0], tmp_path / "absent.png"])
    assert [type(answer) for answer in answers] == [Reject, Prediction, Reject]


def test_without_an_export_of_this_very_model_it_is_refused(copied):
    network = TimmClassifier("test_efficientnet", 1, weights="none", image_size=(64, 48))
    CheckpointStore(copied / "models", load_task(copied)).save_model(network, epoch=2)
    with pytest.raises(ConfigError, match="has not been exported yet"):
        LightPredictor(copied)


def test_a_damaged_model_is_refused(copied):
    path = copied / "models" / "model.pt"
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    with pytest.raises(CheckpointError, match="damaged"):
        LightPredictor(copied)


def test_a_model_of_other_labels_is_refused(copied):
    path = copied / "models" / "manifest.json"
    path.write_text(path.read_text().replace('"Pneumonia"', '"Effusion"'))
    with pytest.raises(ConfigError, match="does not record model.pt with the labels"):
        LightPredictor(copied)


def test_pytorch_is_no_backend_of_this_way(binary):
    with pytest.raises(ConfigError, match="backend torch needs torch; without it there are onnx and openvino"):
        LightPredictor(binary, "torch")


_WATCHED = """
import sys
from lungscan_monai.cli import app
try:
    app(sys.argv[1:], standalone_mode=False)
finally:
    print("HEAVY", sorted({"torch", "monai", "ignite", "SimpleITK", "sklearn"} & set(sys.modules)), file=sys.stderr)
"""


def lungscan(*arguments) -> subprocess.CompletedProcess:
    command = [sys.executable, "-c", _WATCHED, *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True)


@pytest.mark.parametrize(("backend", "package"), [("onnx", "onnxruntime"), ("openvino", "openvino")])
def test_the_command_imports_neither_torch_nor_monai(binary, images, backend, package):
    pytest.importorskip(package, reason=f"{package} is not installed")
    done = lungscan("predict", binary, images[0], "--backend", backend, "--json")
    assert "HEAVY []" in done.stderr
    (expected,) = Predictor(binary, device="cpu").predict(images[:1])
    found = json.loads(done.stdout)
    assert found["predictions"][0]["probabilities"] == pytest.approx(expected.probabilities, abs=1e-4)
    assert found["backend"]["backend"] == backend


def test_the_command_says_why_it_takes_the_full_way(copied, images):
    (copied / "models" / "model.onnx").unlink()
    done = lungscan("predict", copied, images[0], "--backend", "onnx")
    assert "PyTorch is started, since" in done.stderr and "has not been exported yet" in done.stderr
    assert "HEAVY []" in lungscan("predict", copied, images[0], "--backend", "onnx").stderr
