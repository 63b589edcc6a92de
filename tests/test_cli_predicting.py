from __future__ import annotations

import csv
import json
import sys
from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from lungscan_monai.bundles import find_bundle, working_copy
from lungscan_monai.cli import app, predicting
from lungscan_monai.errors import ConfigError, ReadError
from lungscan_monai.gate.limits import Limits
from lungscan_monai.metrics.operating_points import OperatingPoint
from lungscan_monai.task import load_task


@dataclass(frozen=True)
class Prediction:
    case: str
    probabilities: dict[str, float]
    label: str | None
    threshold: float | None
    findings: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Reject:
    case: str
    code: str
    reason: str


class StandInPredictor:
    """Answers 0.75 for every file but those called bad."""

    batch_size = 2
    model_sha256 = "cd" * 32
    operating_point = OperatingPoint(0.4, "youden", 0.97, 0.9, "validation", 50)
    operating_points = {"Pneumonia": operating_point}
    calibration = None

    def __init__(self, root, check_inputs=True, backend="torch", precision="float32"):
        self.backend_facts = {"backend": backend, "precision": precision}
        self.task = load_task(root)
        self.network = SimpleNamespace(saliency_layer="backbone")

    def predict(self, paths):
        assert len(paths) <= self.batch_size
        return [self._answer(str(path)) for path in paths]

    def _answer(self, case):
        if "bad" in case:
            return Reject(case, "truncated", "is cut short")
        return Prediction(case, {"Normal": 0.25, "Pneumonia": 0.75}, "Pneumonia", 0.4)

    def explain(self, path, label=None, method="gradcam", layer=None):
        if "bad" in str(path):
            raise ReadError(str(path), "truncated", "is cut short")
        saliency, image = np.zeros((4, 4), np.float32), np.zeros((1, 4, 4), np.float32)
        return SimpleNamespace(
            case=str(path), label=label or "Pneumonia", probability=0.75, saliency=saliency, image=image
        )


class StandInStore:
    """Remembers what is stored."""

    def __init__(self, folder, method, layer, model_sha256):
        self.folder, self.facts = folder, (method, model_sha256)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        lines = [f"{case} {label}" for case, label in self.added]
        (self.folder / "stored.txt").write_text("\n".join(lines), encoding="utf-8")

    added: list = []

    def add(self, case, label, probability, saliency, image):
        self.added = [*self.added, (case, label)]


@pytest.fixture
def trained(tmp_path, monkeypatch):
    monkeypatch.setattr(predicting, "_predictor", StandInPredictor)
    monkeypatch.setattr(predicting, "_answering", StandInPredictor)
    storing = SimpleNamespace(ExplanationStore=StandInStore)
    monkeypatch.setitem(sys.modules, "lungscan_monai.saliency.storing", storing)
    monkeypatch.setitem(sys.modules, "lungscan_monai.networks", SimpleNamespace(SALIENCY_LAYER="backbone"))
    root = working_copy(find_bundle("pneumonia_cxr_classification"), tmp_path / "trained")
    (root / "models").mkdir()
    (root / "models" / "model.pt").write_bytes(b"weights")
    return root


@pytest.fixture
def images(tmp_path):
    folder = tmp_path / "images"
    folder.mkdir()
    for name in ("a.png", "b.png", "c.png"):
        Image.new("L", (4, 4)).save(folder / name)
    return folder


def run(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_predict_prints_decision_and_probabilities_and_says_the_threshold(trained, images):
    result = run("predict", trained, images / "a.png")
    assert result.exit_code == 0, result.stderr
    assert [line.split("\t") for line in result.stdout.splitlines()] == [
        ["file", "decision", "Normal", "Pneumonia"],
        [str(images / "a.png"), "Pneumonia", "0.250", "0.750"],
    ]
    assert "Threshold 0.4000 (youden on validation: sensitivity 0.970, specificity 0.900)" in result.stderr
    assert "Not for diagnosis" in result.stderr


def test_a_folder_stands_for_its_images(trained, images):
    found = json.loads(run("predict", trained, images, "--json").stdout)
    assert [row["case"] for row in found["predictions"]] == [str(images / name) for name in ("a.png", "b.png", "c.png")]


def test_a_reject_ends_with_3_and_the_others_are_answered(trained, images):
    result = run("predict", trained, images / "a.png", images / "bad.png", images / "c.png", "--json")
    assert result.exit_code == 3
    found = json.loads(result.stdout)
    assert [row["case"] for row in found["predictions"]] == [str(images / "a.png"), str(images / "c.png")]
    assert found["rejects"] == [{"case": str(images / "bad.png"), "code": "truncated", "reason": "is cut short"}]
    assert "is cut short [truncated]" in result.stderr


def test_predict_json_names_model_and_operating_point(trained, images):
    found = json.loads(run("predict", trained, images / "a.png", "--json").stdout)
    assert found["model_sha256"] == "cd" * 32
    assert found["operating_point"]["threshold"] == 0.4
    assert found["predictions"][0]["probabilities"] == {"Normal": 0.25, "Pneumonia": 0.75}


def test_predict_takes_backend_and_precision_and_records_what_ran(trained, images):
    found = json.loads(run("predict", trained, images / "a.png", "--json").stdout)
    assert found["backend"] == {"backend": "torch", "precision": "float32"}
    options = ["--backend", "openvino", "--precision", "bfloat16"]
    found = json.loads(run("predict", trained, images / "a.png", "--json", *options).stdout)
    assert found["backend"] == {"backend": "openvino", "precision": "bfloat16"}


def test_predict_says_when_no_operating_point_was_chosen(trained, images, monkeypatch):
    monkeypatch.setattr(StandInPredictor, "operating_point", None)
    result = run("predict", trained, images / "a.png", "--json")
    assert json.loads(result.stdout)["operating_point"] is None
    assert "lungscan evaluate" in result.stderr


def test_predict_writes_answers_and_rejects_as_csv(trained, images, tmp_path):
    output = tmp_path / "results" / "predictions.csv"
    assert run("predict", trained, images / "a.png", images / "bad.png", "--output", output).exit_code == 3
    with output.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert rows[0] == {
        "case": str(images / "a.png"),
        "decision": "Pneumonia",
        "threshold": "0.4",
        "probability Normal": "0.25",
        "probability Pneumonia": "0.75",
        "reject": "",
        "reason": "",
    }
    assert (rows[1]["case"], rows[1]["reject"], rows[1]["reason"]) == (
        str(images / "bad.png"),
        "truncated",
        "is cut short",
    )


def test_an_output_that_cannot_be_written_is_refused_before_the_work(trained, images, tmp_path, monkeypatch):
    monkeypatch.setattr(predicting, "_answering", lambda *how: pytest.fail("the model was loaded"))
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    assert run("predict", trained, images / "a.png", "--output", tmp_path / "file" / "p.csv").exit_code == 8


@pytest.mark.parametrize("verb", ["predict", "explain"])
def test_a_bundle_without_a_model_ends_with_6(tmp_path, images, verb):
    root = working_copy(find_bundle("pneumonia_cxr_classification"), tmp_path / "untrained")
    options = ["--output", tmp_path / "out"] if verb == "explain" else []
    result = run(verb, root, images / "a.png", *options)
    assert result.exit_code == 6
    assert "lungscan train" in result.stderr


def test_explain_stores_each_explanation_and_rejects_what_cannot_be_read(trained, images, tmp_path):
    output = tmp_path / "explanations"
    files = [images / "a.png", images / "bad.png", images / "b.png"]
    result = run("explain", trained, *files, "--output", output, "--label", "Normal", "--json")
    assert result.exit_code == 3
    found = json.loads(result.stdout)
    assert [row["label"] for row in found["explanations"]] == ["Normal", "Normal"]
    assert [row["case"] for row in found["rejects"]] == [str(images / "bad.png")]
    assert found["output"] == str(output)
    stored = (output / "stored.txt").read_text(encoding="utf-8")
    assert stored == f"{images / 'a.png'} Normal\n{images / 'b.png'} Normal"


def test_explain_prints_what_was_explained(trained, images, tmp_path):
    result = run("explain", trained, images / "a.png", "--output", tmp_path / "explanations")
    assert result.exit_code == 0, result.stderr
    assert result.stdout == f"file\tlabel\tprobability\n{images / 'a.png'}\tPneumonia\t0.750\n"


@pytest.mark.parametrize("verb", ["predict", "explain"])
def test_limits_of_the_gate_are_options(trained, images, tmp_path, monkeypatch, verb):
    loaded = []
    monkeypatch.setattr(StandInPredictor, "__setattr__", lambda self, *named: loaded.append(named), raising=False)
    monkeypatch.setattr(StandInPredictor, "task", load_task(trained), raising=False)
    monkeypatch.setattr(StandInPredictor, "backend_facts", {}, raising=False)
    monkeypatch.setattr(StandInPredictor, "network", SimpleNamespace(saliency_layer="backbone"), raising=False)
    run(verb, trained, images / "a.png", "--output", tmp_path / "o", "--limit", "pixels=9", "--limit", "depth=3")
    assert ("limits", Limits(pixels=9, depth=3)) in loaded
    refused = run(verb, trained, images / "a.png", "--output", tmp_path / "o", "--limit", "pixel=9")
    assert refused.exit_code == ConfigError.exit_code
    assert "expected NAME=NUMBER with a name of file_bytes, pixels" in " ".join(refused.stderr.split())


def test_no_cell_of_the_csv_is_a_formula_for_a_spreadsheet(trained, images, tmp_path, monkeypatch):
    monkeypatch.chdir(images)
    (images / "a.png").rename("=1+1.png")
    (images / "b.png").rename("+bad.png")
    run("predict", trained, "=1+1.png", "+bad.png", "--output", tmp_path / "p.csv")
    with (tmp_path / "p.csv").open(newline="", encoding="utf-8") as stream:
        assert [row["case"] for row in csv.DictReader(stream)] == ["'=1+1.png", "'+bad.png"]


def test_findings_called_present_are_the_decision_of_a_multi_label_task(trained, images, monkeypatch):
    def answer(self, case):
        return Prediction(case, {"Normal": 0.25, "Pneumonia": 0.75}, None, None, ("Normal", "Pneumonia"))

    monkeypatch.setattr(StandInPredictor, "_answer", answer)
    row = run("predict", trained, images / "a.png").stdout.splitlines()[1].split("\t")
    assert row[1] == "Normal, Pneumonia"
    found = json.loads(run("predict", trained, images / "a.png", "--json").stdout)
    assert found["predictions"][0]["findings"] == ["Normal", "Pneumonia"]
    assert found["calibrated"] is False
