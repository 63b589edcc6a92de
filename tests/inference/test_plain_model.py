"""A bundle in PyTorch without MONAI: the very answers of the full way, from a batch that imports none of it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from small_bundle import small_bundle, write_png

from lungscan_monai.data.phantoms.generate import generate_phantoms
from lungscan_monai.errors import BackendError, CheckpointError, WeightsError
from lungscan_monai.fitted import save_calibration, save_input_check, save_operating_points
from lungscan_monai.inference.answering import Prediction, Reject
from lungscan_monai.inference.explaining_model import ExplainingModel
from lungscan_monai.inference.opening import open_model
from lungscan_monai.inference.plain_model import PlainModel
from lungscan_monai.inference.predictor import Predictor
from lungscan_monai.metrics.familiarity import Familiarity
from lungscan_monai.metrics.operating_points import OperatingPoint
from lungscan_monai.metrics.scaling import Calibration, Scaling
from lungscan_monai.storage import sha256_file

ROOT = Path(__file__).resolve().parents[2]
BUNDLES = ("pneumonia_cxr_classification", "kidney_ct_classification", "nih14_cxr_classification")

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "error::lungscan_monai.errors.LungScanWarning")


@pytest.fixture(scope="module")
def phantoms(tmp_path_factory) -> list[Path]:
    """Simulated radiographs, of each one PNG and one DICOM file, and a file that cannot be read."""
    folder = tmp_path_factory.mktemp("phantoms")
    generate_phantoms("pneumonia_cxr", folder, count=6, size=160, formats=("png", "dicom"))
    found = sorted(path for path in folder.rglob("*") if path.suffix in (".png", ".dcm") and path.stem != "mask")
    cut = folder / "cut.png"
    cut.write_bytes(found[-1].read_bytes()[:300])
    return [*found, cut]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory) -> Path:
    return small_bundle(tmp_path_factory.mktemp("bundle"), size=96)


@pytest.mark.parametrize("name", BUNDLES)
def test_the_answers_are_those_of_the_full_way_to_the_last_bit(name, phantoms, tmp_path):
    root = small_bundle(tmp_path, name)
    found, expected = PlainModel(root).predict(phantoms), Predictor(root).predict(phantoms)
    assert found == expected
    assert {type(answer) for answer in found} == {Prediction, Reject}


def test_calibration_threshold_and_check_of_inputs_are_applied(bundle, phantoms, tmp_path):
    root = shutil.copytree(bundle, tmp_path / bundle.name)
    models, sha256 = root / "models", sha256_file(root / "models" / "model.pt")
    calibration = Calibration("binary", "validation", (Scaling("Pneumonia", 0.6, -0.4, 80),))
    save_calibration(models, calibration, sha256)
    save_operating_points(
        models, {"Pneumonia": OperatingPoint(0.3, "youden", 0.9, 0.8, "validation", 50)}, sha256, calibration
    )
    plain = PlainModel(bundle)
    features = plain.backend.forward(np.stack([plain._prepared(str(path)) for path in phantoms[:2]])).features
    save_input_check(
        models, Familiarity(np.repeat(features[:1], 10, axis=0).astype(np.float16), 1e-2, 0.99, 200), sha256
    )
    found = PlainModel(root).predict(phantoms)
    assert found == Predictor(root).predict(phantoms)
    assert found[0].threshold == 0.3 and found[0] != plain.predict(phantoms)[0]


def test_a_batch_answers_as_the_explaining_model_does(bundle):
    images = np.random.default_rng(0).random((5, 3, 96, 96), np.float32)
    found, expected = (model.answer(images) for model in (PlainModel(bundle), ExplainingModel(bundle)))
    for name in ("probabilities", "raw", "leading"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))


def test_the_picture_before_the_steps_is_that_of_the_full_way(bundle, phantoms):
    np.testing.assert_array_equal(PlainModel(bundle).picture(phantoms[0]), ExplainingModel(bundle).picture(phantoms[0]))


def test_a_model_that_is_missing_damaged_or_another_is_refused(bundle, tmp_path):
    root = shutil.copytree(bundle, tmp_path / bundle.name)
    model, manifest = root / "models" / "model.pt", root / "models" / "manifest.json"
    content = model.read_bytes()
    model.write_bytes(content[:-1] + b"?")
    with pytest.raises(CheckpointError, match="damaged"):
        PlainModel(root)
    model.write_bytes(content)
    manifest.write_text(manifest.read_text().replace('"Pneumonia"', '"Effusion"'))
    with pytest.raises(WeightsError, match="was trained for the labels"):
        PlainModel(root)
    model.unlink()
    with pytest.raises(CheckpointError, match="there is no trained model"):
        PlainModel(root)


def test_a_backend_that_does_not_agree_is_refused(bundle, monkeypatch):
    monkeypatch.setattr("lungscan_monai.inference.backends.agreement.TOLERANCES", {"float32": 0.0, "bfloat16": 0.0})
    with pytest.raises(BackendError, match="is refused"):
        PlainModel(bundle, "torch", "bfloat16")


def test_what_only_monai_knows_is_left_to_it(bundle, tmp_path, caplog):
    root = shutil.copytree(bundle, tmp_path / bundle.name)
    path = root / "configs" / "inference.json"
    content = json.loads(path.read_text())
    content["preprocessing"]["transforms"].append({"_target_": "ScaleIntensityd", "keys": "image"})
    path.write_text(json.dumps(content))
    with caplog.at_level("INFO", "lungscan_monai"):
        model = open_model(root, "torch", "float32", 4, True, False)
    assert isinstance(model, ExplainingModel) and not model.explains
    assert "MONAI is started, since" in caplog.text and "ScaleIntensityd" in caplog.text


_WATCHED = """
import sys
from lungscan_monai.cli import app
try:
    app(sys.argv[1:], standalone_mode=False)
finally:
    heavy = {"monai", "ignite", "SimpleITK", "sklearn", "skimage", "pandas", "matplotlib", "tensorboard", "nibabel"}
    print("HEAVY", sorted(heavy & set(sys.modules)), "torch" in sys.modules, file=sys.stderr)
"""


@pytest.mark.parametrize("verb", ["batch", "predict"])
def test_the_commands_import_torch_but_no_monai(verb, bundle, tmp_path):
    write_png(tmp_path / "in" / "0.png", 0, (120, 130))
    arguments = {
        "batch": [tmp_path / "in", "--output", tmp_path / "out", "--workers", 1],
        "predict": [tmp_path / "in" / "0.png"],
    }
    command = [sys.executable, "-c", _WATCHED, verb, bundle, *arguments[verb], "--backend", "torch", "--json"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(list(map(str, command)), env=environment, capture_output=True, text=True, check=True)
    assert "HEAVY [] True" in done.stderr
