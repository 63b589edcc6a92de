"""A trained bundle as one object: good files are answered whatever lies beside them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from bombs import write_bomb
from PIL import Image
from scipy.special import expit, logit

from lungscan_monai.checkpoints import CheckpointStore
from lungscan_monai.errors import CheckpointError, ConfigError, LungScanWarning, ReadError, SaliencyError
from lungscan_monai.fitted import save_calibration, save_input_check, save_operating_points
from lungscan_monai.gate.limits import Limits
from lungscan_monai.inference.predictor import Prediction, Predictor, Reject
from lungscan_monai.metrics.familiarity import Familiarity
from lungscan_monai.metrics.operating_points import OperatingPoint
from lungscan_monai.metrics.scaling import Calibration, Scaling
from lungscan_monai.networks import TimmClassifier
from lungscan_monai.storage import sha256_file
from lungscan_monai.task import load_task

BUNDLE = Path(__file__).resolve().parents[2] / "monai_bundles" / "pneumonia_cxr_classification"
NAMES = ("Normal", "Pneumonia")

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "error::lungscan_monai.errors.LungScanWarning")


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    """A bundle with a model that answers differently for different pictures."""
    root = shutil.copytree(BUNDLE, tmp_path_factory.mktemp("bundle") / BUNDLE.name)
    torch.manual_seed(0)
    network = TimmClassifier("test_efficientnet", 1, weights="none")
    with torch.no_grad():
        network.head[-1].weight.mul_(300)
    CheckpointStore(root / "models", load_task(root)).save_model(network, epoch=1)
    return root


@pytest.fixture(scope="module")
def predictor(trained) -> Predictor:
    return Predictor(trained, device="cpu", batch_size=2)


@pytest.fixture(scope="module")
def images(tmp_path_factory) -> list[Path]:
    folder = tmp_path_factory.mktemp("images")
    random = np.random.default_rng(0)
    for number in range(5):
        picture = np.clip(random.normal(40 * number + 30, 5 * number + 3, (30 + number, 40)), 0, 255)
        Image.fromarray(picture.astype(np.uint8)).save(folder / f"{number}.png")
    return sorted(folder.glob("*.png"))


def with_point(trained: Path, folder: Path, threshold: float, model_sha256: str) -> Path:
    """Return a copy of the bundle with an operating point."""
    root = shutil.copytree(trained, folder / trained.name)
    point = OperatingPoint(threshold, "youden", 0.9, 0.8, "validation", 50)
    save_operating_points(root / "models", {"Pneumonia": point}, model_sha256)
    return root


def test_a_bad_file_among_good_ones_is_rejected_and_the_others_are_answered(predictor, images, tmp_path):
    (tmp_path / "corrupt.png").write_bytes(images[0].read_bytes()[:60])
    (tmp_path / "empty.dcm").write_bytes(b"")
    files = [images[0], tmp_path / "corrupt.png", images[1], tmp_path / "absent.png", images[2], tmp_path / "empty.dcm"]
    answers = predictor.predict(files)
    assert [answer.case for answer in answers] == [str(file) for file in files]
    assert [type(answer) for answer in answers] == [Prediction, Reject] * 3
    assert answers[3].code == "missing-file"
    assert all(answer.code and answer.reason for answer in answers[1::2])
    for answer, alone in zip(answers[::2], predictor.predict(images[:3]), strict=True):
        assert answer.probabilities == pytest.approx(alone.probabilities, abs=1e-6)


def test_every_file_passes_the_gate_first_and_a_bomb_is_a_reject(predictor, images, tmp_path, monkeypatch):
    bombs = []
    for number, name in enumerate(("rows and columns 65535", "sequences 10,000 deep", "program in the preamble")):
        (tmp_path / str(number)).mkdir()
        bombs.append(write_bomb(name, tmp_path / str(number)))
    *refused, answered = predictor.predict([*bombs, images[0]])
    assert [reject.code for reject in refused] == ["too-large", "too-deep", "polyglot"]
    assert isinstance(answered, Prediction)
    with pytest.raises(ReadError, match="too-large"):
        predictor.explain(bombs[0])
    monkeypatch.setattr(predictor, "limits", Limits(pixels=100))
    assert predictor.predict(images[:1])[0].code == "too-large"


def test_a_picture_that_the_model_was_not_made_for_gets_a_reason_and_no_answer(predictor, images, write_dicom):
    stored = np.arange(2000, dtype=np.uint16).reshape(40, 50)
    frontal = write_dicom("frontal.dcm", stored, Modality="DX", ViewPosition="PA")
    lateral = write_dicom("lateral.dcm", stored, Modality="DX", ViewPosition="LL")
    answered, refused = predictor.predict([frontal, lateral])
    assert isinstance(answered, Prediction)
    reason = "not assessable: the view is LL, and the model was made for PA and AP"
    assert refused == Reject(str(lateral), "view", reason)


def test_a_model_is_applied_at_the_image_size_that_it_was_trained_at(images, tmp_path):
    root = shutil.copytree(BUNDLE, tmp_path / BUNDLE.name)
    network = TimmClassifier("test_efficientnet", 1, weights="none", image_size=(64, 48))
    CheckpointStore(root / "models", load_task(root)).save_model(network, epoch=1)
    assert Predictor(root, device="cpu").explain(images[0]).saliency.shape == (64, 48)


def test_an_answer_does_not_depend_on_the_batch(predictor, images):
    together = predictor.predict(images)
    for image, answer in zip(images, together, strict=True):
        (alone,) = predictor.predict([image])
        assert alone.probabilities == pytest.approx(answer.probabilities, abs=1e-6)
    assert len({round(answer.probabilities["Pneumonia"], 3) for answer in together}) == 5


def test_probabilities_have_the_order_of_the_labels_and_sum_to_one(predictor, images):
    for answer in predictor.predict(images):
        assert tuple(answer.probabilities) == NAMES
        assert sum(answer.probabilities.values()) == pytest.approx(1, abs=1e-6)


def test_no_file_is_no_answer(predictor):
    assert predictor.predict([]) == []


def test_monochrome1_is_answered_as_its_monochrome2_twin(predictor, write_dicom):
    stored = np.random.default_rng(0).integers(0, 4096, (40, 30)).astype(np.uint16)
    plain = write_dicom("plain.dcm", stored, bits=12)
    turned = write_dicom("turned.dcm", 4095 - stored, bits=12, PhotometricInterpretation="MONOCHROME1")
    first, second = predictor.predict([plain, turned])
    assert first.probabilities == pytest.approx(second.probabilities, abs=1e-6)
    upside_down = write_dicom("negative.dcm", 4095 - stored, bits=12)
    assert predictor.predict([upside_down])[0].probabilities != pytest.approx(first.probabilities, abs=1e-3)


def test_without_an_operating_point_the_threshold_is_one_half(predictor, images):
    assert predictor.operating_point is None
    for answer in predictor.predict(images):
        assert answer.threshold == 0.5
        assert answer.label == NAMES[answer.probabilities["Pneumonia"] >= 0.5]


def test_the_operating_point_of_this_model_decides_and_its_decision_is_explained(trained, predictor, images, tmp_path):
    highest = max(predictor.predict(images), key=lambda answer: answer.probabilities["Pneumonia"])
    threshold = highest.probabilities["Pneumonia"] - 1e-4
    strict = Predictor(with_point(trained, tmp_path, threshold, predictor.model_sha256), device="cpu")
    answers = strict.predict(images)
    assert {answer.threshold for answer in answers} == {threshold}
    assert [answer.case for answer in answers if answer.label == "Pneumonia"] == [highest.case]
    assert [strict.explain(answer.case).label for answer in answers] == [answer.label for answer in answers]


def test_the_operating_point_of_another_model_is_warned_about_and_not_used(trained, images, tmp_path):
    root = with_point(trained, tmp_path, 0.01, "ab" * 32)
    with pytest.warns(LungScanWarning, match="belongs to another model"):
        other = Predictor(root, device="cpu")
    assert other.operating_point is None
    assert other.predict(images[:1])[0].threshold == 0.5


def test_the_calibration_of_this_model_is_applied_to_answers_and_explanations(trained, predictor, images, tmp_path):
    root = shutil.copytree(trained, tmp_path / trained.name)
    calibration = Calibration("binary", "validation", (Scaling("Pneumonia", 0.6, -0.4, 80),))
    save_calibration(root / "models", calibration, predictor.model_sha256)
    scaled = Predictor(root, device="cpu")
    assert scaled.calibration == calibration and predictor.calibration is None
    for plain, answer in zip(predictor.predict(images), scaled.predict(images), strict=True):
        expected = expit(0.6 * logit(plain.probabilities["Pneumonia"]) - 0.4)
        assert answer.probabilities["Pneumonia"] == pytest.approx(expected, abs=1e-6)
        explained = scaled.explain(answer.case, "Pneumonia")
        assert explained.probability == pytest.approx(expected, abs=1e-6)


def test_the_calibration_of_another_model_is_warned_about_and_not_used(trained, predictor, images, tmp_path):
    root = shutil.copytree(trained, tmp_path / trained.name)
    save_calibration(root / "models", Calibration("binary", "v", (Scaling("Pneumonia", 0.6),)), "ab" * 32)
    with pytest.warns(LungScanWarning, match=r"calibration.json belongs to another model"):
        other = Predictor(root, device="cpu")
    plain = predictor.predict(images[:1])[0].probabilities
    assert other.predict(images[:1])[0].probabilities == pytest.approx(plain, abs=1e-6)


def test_an_image_unlike_the_validation_cases_is_not_assessable(trained, predictor, images, tmp_path):
    root = shutil.copytree(trained, tmp_path / trained.name)
    features = predictor.backend.forward(np.stack([predictor._prepared(str(path)) for path in images])).features
    near = Familiarity(np.repeat(features[:1], 10, axis=0).astype(np.float16), 1e-3, 0.99, 200)
    save_input_check(root / "models", near, predictor.model_sha256)
    strict = Predictor(root, device="cpu")
    answers = strict.predict(images)
    assert isinstance(answers[0], Prediction)
    assert {(type(answer), answer.code) for answer in answers[1:]} == {(Reject, "not-assessable")}
    assert "does not look like those that the model was validated on" in answers[1].reason
    lenient = Predictor(root, device="cpu", check_inputs=False)
    assert all(isinstance(answer, Prediction) for answer in lenient.predict(images))


@pytest.fixture(scope="module")
def several(trained, tmp_path_factory) -> Path:
    """A bundle of three findings, two of them with an operating point."""
    root = tmp_path_factory.mktemp("several") / "findings_classification"
    shutil.copytree(trained, root, ignore=shutil.ignore_patterns("models"))
    metadata = json.loads((root / "configs" / "metadata.json").read_text())
    metadata["classification_kind"] = "multilabel"
    metadata.pop("label_codes", None)
    names = {"0": "Mass", "1": "Edema", "2": "Hernia"}
    metadata["network_data_format"]["outputs"]["pred"]["channel_def"] = names
    (root / "configs" / "metadata.json").write_text(json.dumps(metadata))
    torch.manual_seed(1)
    network = TimmClassifier("test_efficientnet", 3, weights="none")
    CheckpointStore(root / "models", load_task(root)).save_model(network, epoch=1)
    sha256 = sha256_file(root / "models" / "model.pt")
    points = {
        "Mass": OperatingPoint(0.0, "youden", 0.9, 0.8, "validation", 50),
        "Edema": OperatingPoint(1.0, "youden", 0.9, 0.8, "validation", 50),
    }
    save_operating_points(root / "models", points, sha256)
    return root


def test_each_finding_is_called_by_its_own_threshold(several, images):
    predictor = Predictor(several, device="cpu")
    for answer in predictor.predict(images):
        hernia = ("Hernia",) if answer.probabilities["Hernia"] >= 0.5 else ()
        assert answer.findings == ("Mass", *hernia)
        assert (answer.label, answer.threshold) == (None, None)
    assert predictor.operating_point is None
    assert [predictor.threshold_of(name) for name in ("Mass", "Edema", "Hernia")] == [0.0, 1.0, 0.5]


def test_an_explanation_has_map_and_picture_of_the_label_asked_for(predictor, images):
    (answer,) = predictor.predict(images[3:4])
    found = predictor.explain(images[3], "Normal")
    assert (found.case, found.label) == (str(images[3]), "Normal")
    assert found.probability == pytest.approx(answer.probabilities["Normal"], abs=1e-6)
    assert found.saliency.shape == predictor.task.image_size
    assert found.saliency.min() >= 0 and found.saliency.max() <= 1
    assert found.image.shape == (1, 33, 40)


@pytest.mark.parametrize("label", [None, "Normal"])
def test_the_network_runs_once_for_an_explanation_whoever_chooses_the_label(predictor, images, label, monkeypatch):
    passes = []
    features = type(predictor.network).features
    monkeypatch.setattr(
        type(predictor.network), "features", lambda self, image: passes.append(len(image)) or features(self, image)
    )
    found = predictor.explain(images[2], label)
    assert passes == [1]
    answer = predictor.predict(images[2:3])[0]
    assert found.label == (label or answer.label)
    assert found.probability == pytest.approx(answer.probabilities[found.label], abs=1e-6)


def test_another_layer_gives_another_map(predictor, images):
    maps = [predictor.explain(images[2], "Normal", "layercam", layer).saliency for layer in (None, "backbone.blocks.2")]
    assert maps[0].shape == maps[1].shape
    assert not np.allclose(*maps)
    with pytest.raises(SaliencyError, match="no layer 'attic'"):
        predictor.explain(images[2], layer="attic")


def test_what_cannot_be_explained_is_an_error_of_ours(predictor, images, tmp_path):
    with pytest.raises(ConfigError, match="no label 'Tuberculosis'; it has Normal, Pneumonia"):
        predictor.explain(images[0], "Tuberculosis")
    (tmp_path / "corrupt.dcm").write_bytes(b"not an image")
    with pytest.raises(ReadError):
        predictor.explain(tmp_path / "corrupt.dcm")


@pytest.mark.parametrize(("backend", "package"), [("onnx", "onnxruntime"), ("openvino", "openvino")])
def test_another_backend_gives_the_same_answers(trained, predictor, images, tmp_path, backend, package):
    for needed in ("onnx", "onnxscript", package):
        pytest.importorskip(needed, reason=f"{needed} is not installed")
    root = with_point(trained, tmp_path, 0.6, predictor.model_sha256)
    expected = Predictor(root, device="cpu").predict(images)
    other = Predictor(root, device="cpu", backend=backend)
    assert other.backend_facts["backend"] == backend and other.backend_facts["largest_difference"] < 1e-3
    for one, two in zip(expected, other.predict(images), strict=True):
        assert (one.case, one.label, one.threshold) == (two.case, two.label, two.threshold)
        assert one.probabilities == pytest.approx(two.probabilities, abs=1e-4)
    assert other.explain(images[0]).saliency.shape == other.task.image_size


def test_the_network_is_built_as_it_was_trained_not_as_the_config_says(predictor):
    assert predictor.network.architecture["backbone"] == "test_efficientnet"
    assert not predictor.network.training


def test_a_bundle_without_a_model_says_what_makes_one():
    with pytest.raises(CheckpointError, match="lungscan train"):
        Predictor(BUNDLE, device="cpu")
