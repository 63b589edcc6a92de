"""A sixth task: `lungscan bundle new`, four edited files, and every verb works."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from pictures import metadata_of, spots
from typer.testing import CliRunner

from lungscan_monai.cli import app
from lungscan_monai.task import load_task

NAME = "hip_xray_classification"
LABELS = ("Normal", "Fracture", "Prosthesis")
SMALL = ["--weights", "none", "--backbone", "test_efficientnet"]


def answer_of(*arguments) -> dict:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments] + ["--json"])
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


def edit_facts(path: Path) -> None:
    """State what the task is: three labels instead of two, so another kind, on smaller images."""
    metadata = json.loads(path.read_text(encoding="utf-8"))
    metadata |= {
        "name": "Hip on X-rays",
        "task": "Hip on a frontal pelvis X-ray: normal, fracture or prosthesis",
        "description": "Tells normal hips from broken and from replaced ones",
        "data_source": "generated pictures",
        "image_classes": "one frontal radiograph of the pelvis, grey",
        "label_classes": ", ".join(f"{index}: {label}" for index, label in enumerate(LABELS)),
        "references": [],
        "classification_kind": "multiclass",
        "label_codes": {"Fracture": {"scheme": "SCT", "code": "125605004", "meaning": "Fracture of bone"}},
    }
    metadata["network_data_format"]["inputs"]["image"]["spatial_shape"] = [48, 64]
    prediction = metadata["network_data_format"]["outputs"]["pred"]
    prediction |= {"num_channels": 3, "channel_def": {str(index): label for index, label in enumerate(LABELS)}}
    path.write_text(json.dumps(metadata, indent=4), encoding="utf-8")


def edit_training(path: Path) -> None:
    """Wire the loss of several classes."""
    config = json.loads(path.read_text(encoding="utf-8"))
    config["loss"] = {"_target_": "torch.nn.CrossEntropyLoss", "weight": "@class_weights"}
    path.write_text(json.dumps(config, indent=4), encoding="utf-8")


@pytest.fixture(scope="module")
def bundle(tmp_path_factory) -> Path:
    """The new bundle, in a folder of its own, its four files edited."""
    folder = tmp_path_factory.mktemp("bundles")
    begun = answer_of("bundle", "new", NAME, "--from", "pneumonia_cxr_classification", "--output", folder)
    facts, training, card, terms = (Path(entry["file"]) for entry in begun["edit"])
    edit_facts(facts)
    edit_training(training)
    card.write_text(card.read_text(encoding="utf-8").replace("| 1 | Pneumonia |", "| 1 | Fracture |"), encoding="utf-8")
    terms.write_text("Generated pictures; no terms.\n", encoding="utf-8")
    return Path(begun["bundle"])


def test_the_new_task_is_listed_with_its_labels(bundle, monkeypatch):
    monkeypatch.setenv("LUNGSCAN_BUNDLES", str(bundle.parent))
    found = {entry["name"]: entry for entry in answer_of("list")["bundles"]}[NAME]
    assert (found["kind"], tuple(found["label_names"])) == ("multiclass", LABELS)
    assert found["trained"] is False


def test_the_new_task_is_trained_evaluated_put_on_its_card_and_used(bundle, tmp_path):
    datalist, run = spots(tmp_path, metadata_of(bundle)), tmp_path / "run"
    answer_of("train", bundle, "-d", datalist, "--output", run, "--epochs", 1, "-o", "head_epochs=2", *SMALL)
    report = answer_of("evaluate", run, "-d", datalist, "--explain", 3, "-o", "resamples=50", "-o", "errors_shown=0")
    assert [label["label"] for label in report["labels"]] == list(LABELS)
    assert len(list((run / "eval" / "explanations" / "overlays").glob("*.png"))) == 3

    card = Path(answer_of("bundle", "card", run, "-d", datalist)["card"]).read_text(encoding="utf-8")
    model = report["facts"]["model_sha256"]
    assert model in card and f"{report['overall']['macro']['roc_auc']['value']:.3f} (" in card
    assert metadata_of(run)["eval_metrics"]["model_sha256"] == model

    pictures = sorted(tmp_path.glob("test-*.png"))
    predicted = answer_of("predict", run, *pictures)["predictions"]
    assert len(predicted) == len(pictures) == 12
    for row in predicted:
        assert tuple(row["probabilities"]) == LABELS
        assert sum(row["probabilities"].values()) == pytest.approx(1, abs=1e-5)
    explained = answer_of("explain", run, pictures[0], "--output", tmp_path / "maps", "--label", "Fracture")
    assert explained["explanations"][0]["label"] == "Fracture"
    assert {np.load(path).shape for path in (tmp_path / "maps").rglob("*.npy")} == {load_task(bundle).image_size}


def test_without_json_the_four_files_are_named_with_what_to_change(tmp_path):
    words = ["bundle", "new", NAME, "--from", "kidney_ct_classification", "--output", str(tmp_path)]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0
    rows = [line.split("\t") for line in result.stdout.splitlines()]
    assert [Path(path).relative_to(tmp_path / NAME).as_posix() for path, _ in rows] == [
        "configs/metadata.json",
        "configs/train.json",
        "docs/README.md",
        "docs/data_license.txt",
    ]
    assert all(what for _, what in rows) and "lungscan train" in result.stderr
