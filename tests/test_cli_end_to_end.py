from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from lungscan_monai.cli import app
from lungscan_monai.storage import sha256_file

SMALL = ["--weights", "none", "--backbone", "mobilenetv2_035", "-o", "head_epochs=1", "-o", "trainable_blocks=1"]


def answer_of(*arguments, exit_code=0):
    result = CliRunner().invoke(app, [str(argument) for argument in arguments] + ["--json"])
    assert result.exit_code == exit_code, result.stderr
    return json.loads(result.stdout)


@pytest.mark.slow
def test_a_model_is_trained_evaluated_and_used_from_the_command_line(tmp_path):
    data = answer_of("data", "phantoms", "pneumonia_cxr", tmp_path / "data", "--count", 30, "--size", 48, "--dicom")
    root = tmp_path / "run"
    options = ["--datalist", data["datalist"], "--output", root, "--epochs", 1, *SMALL]
    assert answer_of("train", "pneumonia_cxr_classification", *options)["bundle"] == str(root)

    evaluate = ["--datalist", data["datalist"], "--explain", 2, "-o", "resamples=50", "-o", "errors_shown=1"]
    report = answer_of("evaluate", root, *evaluate)
    model_sha256 = sha256_file(root / "models" / "model.pt")
    assert report["facts"]["model_sha256"] == model_sha256
    assert 0 <= report["labels"][0]["metrics"]["roc_auc"]["value"] <= 1
    explanations = json.loads((root / "eval" / "report.json").read_text(encoding="utf-8"))["explanations"]
    assert explanations["cases"] >= 2 and explanations["localisation"]["cases"] > 0
    assert len(list((root / "eval" / "explanations" / "overlays").glob("*.png"))) == explanations["heatmaps"]

    (tmp_path / "bad.dcm").write_bytes(b"not an image")
    dicom = sorted((tmp_path / "data" / "dicom").glob("*.dcm"))[:2]
    predicted = answer_of("predict", root, *dicom, tmp_path / "bad.dcm", exit_code=3)
    assert [row["case"] for row in predicted["predictions"]] == [str(path) for path in dicom]
    assert [row["case"] for row in predicted["rejects"]] == [str(tmp_path / "bad.dcm")]
    assert predicted["model_sha256"] == model_sha256
    assert predicted["operating_point"]["fitted_on"] == "validation"

    output = tmp_path / "explanations"
    explained = answer_of("explain", root, *dicom, "--output", output, "--label", "Pneumonia")
    probabilities = [row["probabilities"]["Pneumonia"] for row in predicted["predictions"]]
    assert [row["probability"] for row in explained["explanations"]] == pytest.approx(probabilities, abs=1e-5)
    assert (output / "index.json").is_file()
