"""Labelled cases in float32 and in a lower precision: figures as scikit-learn and a count by hand have them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score
from small_bundle import small_bundle, write_png

from lungscan_monai.data.datalist import Case, Datalist
from lungscan_monai.errors import BackendError, ConfigError, DataError, OutputError
from lungscan_monai.fitted import save_calibration, save_input_check, save_operating_points
from lungscan_monai.inference import precision as module
from lungscan_monai.inference.answering import Prediction
from lungscan_monai.inference.backends.quantised import QUANTISED_NAME
from lungscan_monai.inference.backends.starting import start_engine
from lungscan_monai.inference.backends.verdicts import Tolerances, load_verdicts
from lungscan_monai.inference.batch_run import BatchSettings, run_batch
from lungscan_monai.inference.light import LightPredictor
from lungscan_monai.inference.precision import PrecisionCheck, check_precision
from lungscan_monai.inference.predictor import Predictor
from lungscan_monai.metrics.familiarity import Familiarity
from lungscan_monai.metrics.operating_points import OperatingPoint
from lungscan_monai.metrics.scaling import Calibration, Scaling
from lungscan_monai.storage import Manifest, sha256_file

ROOT = Path(__file__).resolve().parents[2]
ANYTHING = Tolerances(changed_decisions=1.0, auc_loss=1.0, mean_difference=1.0, least_cases=1)
N_COMPARED, N_CALIBRATION = 60, 12

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "error::lungscan_monai.errors.LungScanWarning")


@pytest.fixture(scope="module")
def datalist(tmp_path_factory) -> Path:
    """Noisy pictures, brighter ones more often positive, two of each patient; the threshold lies among them."""
    folder, random = tmp_path_factory.mktemp("cases"), np.random.default_rng(3)
    sections = {"training": N_CALIBRATION, "validation": N_COMPARED}
    cases = {}
    for section, count in sections.items():
        for number in range(count):
            write_png(folder / section / f"{number:03}.png", 1000 * len(section) + number)
        positive = [(1000 * len(section) + number) % 9 + random.normal(0, 2) > 4 for number in range(count)]
        cases[section] = tuple(
            Case(f"{section}/{number:03}.png", int(is_positive), f"{section} {number // 2}")
            for number, is_positive in enumerate(positive)
        )
    path = folder / "datalist.json"
    Datalist("noise", "binary", ("Normal", "Pneumonia"), folder, cases).save(path)
    return path


@pytest.fixture(scope="module")
def bundle(tmp_path_factory) -> Path:
    """A small bundle with calibration and threshold."""
    for package in ("onnx", "onnxscript", "onnxruntime"):
        pytest.importorskip(package, reason=f"{package} is not installed: pip install 'lungscan-monai[export]'")
    root = small_bundle(tmp_path_factory.mktemp("bundle"))
    fit(root, 0.5)
    return root


def fit(root: Path, threshold: float) -> None:
    sha256 = sha256_file(root / "models" / "model.pt")
    calibration = Calibration("binary", "validation", (Scaling("Pneumonia", 0.8, -0.1),))
    save_calibration(root / "models", calibration, sha256)
    point = OperatingPoint(threshold, "youden", 0.9, 0.8, "validation", 50)
    save_operating_points(root / "models", {"Pneumonia": point}, sha256, calibration)


@pytest.fixture(scope="module")
def allowed(bundle, datalist) -> Path:
    """The bundle with a verdict that lets ONNX Runtime compute in int8."""
    check_precision(bundle, datalist, PrecisionCheck(backends=("onnx",), tolerances=ANYTHING))
    return bundle


@pytest.fixture
def copied(allowed, tmp_path) -> Path:
    return shutil.copytree(allowed, tmp_path / allowed.name)


def images_of(datalist: Path, section: str = "validation") -> list[Path]:
    return sorted((datalist.parent / section).iterdir())


def positives(datalist: Path) -> list[int]:
    return [case["label"] for case in json.loads(datalist.read_text())["validation"]]


def test_the_figures_are_those_of_scikit_learn_and_of_a_count_by_hand(allowed, datalist):
    (verdict,) = load_verdicts(allowed / "models", sha256_file(allowed / "models" / "model.pt"))
    exact = LightPredictor(allowed, "onnx").predict(images_of(datalist))
    lower = LightPredictor(allowed, "onnx", "int8").predict(images_of(datalist))
    scores = [np.array([answer.probabilities["Pneumonia"] for answer in answers]) for answers in (exact, lower)]
    aucs = [roc_auc_score(positives(datalist), score) for score in scores]
    figures = verdict.figures
    assert figures.cases == figures.decisions == N_COMPARED
    assert figures.changed_decisions == sum(one.label != two.label for one, two in zip(exact, lower, strict=True))
    assert figures.auc == pytest.approx(aucs[0], abs=1e-3)
    assert figures.auc_difference == pytest.approx(aucs[1] - aucs[0], abs=1e-3)
    assert figures.auc_low <= figures.auc_difference <= figures.auc_high
    assert figures.mean_difference == pytest.approx(np.abs(scores[1] - scores[0]).mean(), abs=1e-4)
    assert figures.largest_difference == pytest.approx(np.abs(scores[1] - scores[0]).max(), abs=1e-4)
    assert 0 < figures.mean_difference < 0.2 and figures.speed > 0


def test_the_model_of_int8_is_of_the_other_section_and_kept(allowed, datalist):
    entry = Manifest(allowed / "models").entries()[QUANTISED_NAME]
    sha256 = json.loads(datalist.read_text())["sha256"]
    known = {"datalist_sha256": sha256, "section": "training", "cases": N_CALIBRATION}
    near = {"changed_decisions": 0.5, "mean_difference": 0.5}  # half of what may change
    assert entry["calibrated_on"] == {**known, "near": near}
    check_precision(allowed, datalist, PrecisionCheck(backends=("onnx",), tolerances=ANYTHING))
    assert Manifest(allowed / "models").entries()[QUANTISED_NAME]["sha256"] == entry["sha256"]


def test_too_few_cases_are_no_reason_to_use_it(copied, datalist):
    (verdict,) = check_precision(copied, datalist, PrecisionCheck(backends=("onnx",)))
    assert "60 cases are too few to tell, it takes 100" in verdict.objections and not verdict.agrees
    with pytest.raises(BackendError, match="onnx in int8 is refused: compared with float32, .* 60 cases are too"):
        LightPredictor(copied, "onnx", "int8")


def test_a_case_that_is_assessable_in_one_precision_only_is_a_changed_decision(copied, datalist, monkeypatch):
    exported = LightPredictor(copied)
    features = exported.backend.forward(np.stack([exported._prepared(str(images_of(datalist)[0]))])).features
    near = Familiarity(np.repeat(features, 10, axis=0).astype(np.float16), 0.5, 0.99, 200)
    save_input_check(copied / "models", near, exported.model_sha256)

    def turned_away(name, exported, precision):
        backend = start_engine(name, exported, precision)
        forward = backend.forward
        backend.forward = lambda images: _with_features(forward(images), -1.0)
        return backend

    monkeypatch.setattr(module, "start_engine", turned_away)
    (verdict,) = check_precision(copied, datalist, PrecisionCheck(backends=("onnx",)))
    told = LightPredictor(copied).predict(images_of(datalist))
    assert any(isinstance(answer, Prediction) for answer in told)
    assert verdict.figures.changed_decisions == sum(isinstance(answer, Prediction) for answer in told)


def _with_features(forward, factor):
    return type(forward)(forward.logits, factor * forward.features)


def test_bfloat16_of_pytorch_is_compared_without_an_export(bundle, datalist, tmp_path):
    root = shutil.copytree(bundle, tmp_path / "other", ignore=shutil.ignore_patterns("*.onnx"))
    (verdict,) = check_precision(root, datalist, PrecisionCheck("bfloat16", ("torch",), tolerances=ANYTHING))
    assert (verdict.backend, verdict.precision, verdict.quantised_sha256) == ("torch", "bfloat16", None)
    assert not (root / "models" / "model.onnx").exists()
    assert verdict.figures.auc_difference == verdict.figures.auc_low == 0  # ranked as before, in every resample
    facts = Predictor(root, device="cpu", precision="bfloat16").backend_facts
    assert facts["compared"]["changed_decisions"] == verdict.figures.changed_decisions


def test_several_findings_are_several_decisions(tmp_path):
    root = small_bundle(tmp_path, "nih14_cxr_classification")
    names = json.loads((root / "configs" / "metadata.json").read_text())
    names = tuple(names["network_data_format"]["outputs"]["pred"]["channel_def"].values())
    random = np.random.default_rng(0)
    cases = [
        Case(write_png(tmp_path / f"{number}.png", number).name, tuple(map(int, random.integers(0, 2, len(names)))))
        for number in range(20)
    ]
    path = tmp_path / "datalist.json"
    Datalist("noise", "multilabel", names, tmp_path, {"validation": tuple(cases)}).save(path)
    (verdict,) = check_precision(root, path, PrecisionCheck("bfloat16", ("torch",)))
    assert (verdict.figures.cases, verdict.figures.decisions) == (20, 20 * len(names))


def test_other_thresholds_make_another_comparison_necessary(copied):
    assert LightPredictor(copied, "onnx", "int8").backend.precision == "int8"
    fit(copied, 0.6)
    with pytest.raises(BackendError, match="has not been compared with float32 on labelled cases of this model with"):
        LightPredictor(copied, "onnx", "int8")


def test_without_the_check_of_inputs_the_same_verdict_holds(copied):
    assert LightPredictor(copied, "onnx", "int8", check_inputs=False).backend.precision == "int8"


def test_a_batch_in_int8_knows_which_file_it_was_computed_with(copied, datalist, tmp_path):
    settings = {"batch_size": 8, "workers": 1, "backend": "onnx", "precision": "int8"}
    folder = datalist.parent / "training"
    summary = run_batch(copied, folder, tmp_path / "out", BatchSettings(**settings))
    assert summary["done"] == N_CALIBRATION and summary["backend"]["precision"] == "int8"
    swapped = {"section": "training", "calibrate_on": "validation"}
    check_precision(copied, datalist, PrecisionCheck(backends=("onnx",), tolerances=ANYTHING, **swapped))
    with pytest.raises(OutputError, match="fitted"):
        run_batch(copied, folder, tmp_path / "out", BatchSettings(**settings, resume=True))


_LIGHT = """
import sys
from lungscan_monai.inference.light import LightPredictor
LightPredictor(sys.argv[1], "onnx", "int8").predict(sys.argv[2:])
print(sorted({"torch", "monai", "sklearn", "onnx"} & set(sys.modules)))
"""


def test_the_light_way_runs_int8_without_torch(copied, datalist):
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    arguments = [sys.executable, "-c", _LIGHT, str(copied), str(images_of(datalist)[0])]
    done = subprocess.run(arguments, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"precision": "float32"}, "precision is 'float32', expected bfloat16 or int8"),
        ({"backends": ("torch",)}, "backend torch computes in float32 and bfloat16 only"),
        ({"backends": ("auto",)}, "backend is 'auto', expected one of torch, onnx, openvino"),
        ({"section": "tests"}, "section is 'tests', expected one of training, validation, test"),
        ({"section": "training"}, "section training would set the ranges of int8 and be compared on, too"),
    ],
)
def test_what_cannot_be_compared_is_refused(settings, message):
    with pytest.raises(ConfigError, match=message):
        PrecisionCheck(**settings)


def test_a_section_without_cases_and_cases_of_another_task_are_refused(bundle, datalist, tmp_path):
    with pytest.raises(DataError, match="section test has no case"):
        check_precision(bundle, datalist, PrecisionCheck(section="test"))
    other = tmp_path / "other.json"
    content = json.loads(datalist.read_text())
    case = Case("validation/000.png", 0)
    Datalist("noise", "binary", ("No", "Yes"), Path(content["base_dir"]), {"validation": (case,)}).save(other)
    with pytest.raises(DataError, match="its labels are No, Yes, expected Normal, Pneumonia"):
        check_precision(bundle, other)
