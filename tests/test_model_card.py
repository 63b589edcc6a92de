from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path

import pytest

from lungscan_monai.data.datalist import Case, Datalist
from lungscan_monai.data.phantoms.generate import generate_phantoms
from lungscan_monai.errors import CheckpointError, DataError
from lungscan_monai.model_card import (
    BEGIN,
    END,
    is_simulated,
    publish_performance,
    with_performance,
    without_performance,
)
from lungscan_monai.storage import sha256_file, write_json

ROOT = Path(__file__).resolve().parents[1]
BUNDLE = ROOT / "monai_bundles" / "pneumonia_cxr_classification"
DAY = 1_700_000_000  # 2023-11-14


def estimate(value: float) -> dict:
    return {"value": value, "low": round(value - 0.05, 3), "high": round(value + 0.05, 3), "resamples_left_out": 0}


class Run:
    """A trained bundle in a folder, its datalist, and the report of its evaluation."""

    def __init__(self, folder: Path, name: str = "hospital") -> None:
        self.root = shutil.copytree(BUNDLE, folder / "run")
        (self.root / "models").mkdir(exist_ok=True)
        (self.root / "models" / "model.pt").write_bytes(b"weights")
        self.datalist = folder / "datalist.json"
        cases = {section: (Case(f"{section}.png", 1), Case(f"{section}0.png", 0)) for section in ("training", "test")}
        sha256 = Datalist(name, "binary", ("Normal", "Pneumonia"), folder, cases).save(self.datalist)
        self.report = self.root / "eval" / "report.json"
        self.content = report_of(sha256_file(self.root / "models" / "model.pt"), sha256)
        self.save()

    def save(self) -> None:
        write_json(self.report, self.content)
        os.utime(self.report, (DAY, DAY))

    @property
    def card(self) -> str:
        return (self.root / "docs" / "README.md").read_text(encoding="utf-8")

    @property
    def metadata(self) -> dict:
        return json.loads((self.root / "configs" / "metadata.json").read_text(encoding="utf-8"))

    def publish(self, **options) -> Path:
        return publish_performance(self.root, self.report, self.datalist, **options)


def report_of(model: str, datalist: str) -> dict:
    bare = {"value": 0.7, "low": None, "high": None, "no_interval": "because all resamples are alike"}
    metrics = {"roc_auc": estimate(0.9), "sensitivity": estimate(0.8), "f1": bare, "ppv": {"not_computable": "because"}}
    label = {"label": "Pneumonia", "metrics": metrics, "table": {"tp": 4, "fn": 1, "fp": 2, "tn": 3}}
    section = {"name": "test", "cases": 10, "known_patients": 7, "cases_of_unknown_patient": 0}
    facts = {"model_sha256": model, "datalist_sha256": datalist, "versions": {"torch": "2.15.0"}}
    return {
        "report_version": 2,
        "kind": "binary",
        "label_names": ["Normal", "Pneumonia"],
        "sections": {"test": section},
        "intervals": {"level": 0.95, "n_resamples": 2000, "unit": "patient"},
        "overall": {"macro": metrics},
        "labels": [label],
        "warnings": ["2 patient(s) are in training and in test"],
        "facts": {**facts, "command": "lungscan evaluate /home/somebody/runs/run -d /data/x/datalist.json"},
    }


@pytest.fixture
def run(tmp_path) -> Run:
    return Run(tmp_path)


def test_the_card_gets_numbers_intervals_date_command_and_hashes(run):
    assert run.publish() == run.root / "docs" / "README.md"
    section = run.card.split(BEGIN)[1].split(END)[0]
    assert "0.900 (0.850 to 0.950)" in section
    assert "2023-11-14" in section and "10 cases of 7 known patients" in section
    assert run.content["facts"]["model_sha256"] in section and run.content["facts"]["datalist_sha256"] in section
    assert "2 patient(s) are in training and in test" in section
    assert "No model is shipped" not in section


def test_no_folder_of_a_machine_stands_in_the_card(run):
    run.publish()
    assert "`lungscan evaluate run -d datalist.json`" in run.card


def test_the_rest_of_the_card_stays_as_it_was(run):
    before = run.card
    run.publish()
    assert without_performance(run.card) == without_performance(before)


def test_the_metadata_get_values_and_intervals_and_the_model_they_belong_to(run):
    run.publish()
    expected = {
        "roc_auc": 0.9,
        "roc_auc_interval": [0.85, 0.95],
        "sensitivity": 0.8,
        "sensitivity_interval": [0.75, 0.85],
        "f1": 0.7,
    }
    head = {"data": "hospital", "model_sha256": run.content["facts"]["model_sha256"]}
    assert run.metadata["eval_metrics"] == head | expected


def test_publishing_again_replaces_the_numbers(run):
    run.publish()
    run.content["labels"][0]["metrics"]["roc_auc"] = estimate(0.7)
    run.save()
    run.publish()
    assert "0.700 (0.650 to 0.750)" in run.card and "0.900 (" not in run.card
    assert run.metadata["eval_metrics"]["roc_auc"] == 0.7


def test_numbers_of_another_model_are_refused_and_nothing_is_written(run):
    before = run.card, run.metadata
    (run.root / "models" / "model.pt").write_bytes(b"trained again")
    with pytest.raises(CheckpointError, match="belong to another model"):
        run.publish()
    assert (run.card, run.metadata) == before


def test_without_a_model_there_is_nothing_that_numbers_could_belong_to(run):
    (run.root / "models" / "model.pt").unlink()
    with pytest.raises(CheckpointError, match="no trained model"):
        run.publish()


def test_numbers_of_another_datalist_are_refused(run):
    run.content["facts"]["datalist_sha256"] = "ab" * 32
    run.save()
    with pytest.raises(DataError, match="another datalist"):
        run.publish()


def test_numbers_of_other_labels_are_refused(run):
    run.content["label_names"] = ["Pneumonia", "Normal"]
    run.save()
    with pytest.raises(DataError, match="expected Normal, Pneumonia"):
        run.publish()


def test_numbers_of_phantoms_are_refused_unless_they_are_wanted_and_the_card_says_so(tmp_path):
    run = Run(tmp_path, "pneumonia_cxr phantoms")
    with pytest.raises(DataError, match="give --phantoms"):
        run.publish()
    run.publish(phantoms=True)
    assert "say nothing about patients" in " ".join(run.card.split())


def test_what_the_generator_of_phantoms_writes_is_known_as_simulated(tmp_path):
    assert is_simulated(generate_phantoms("pneumonia_cxr", tmp_path, count=6, size=32))


def test_another_bundle_gets_the_numbers_in_its_card_only(run, tmp_path):
    other = shutil.copytree(BUNDLE, tmp_path / "published")
    before = (other / "configs" / "metadata.json").read_bytes()
    assert run.publish(into=other) == other / "docs" / "README.md"
    text = (other / "docs" / "README.md").read_text(encoding="utf-8")
    assert "0.900 (0.850 to 0.950)" in text and "which is not shipped" in text
    assert (other / "configs" / "metadata.json").read_bytes() == before
    assert "0.900" not in run.card


@pytest.mark.parametrize(
    ("content", "reason"),
    [("{", "not the report.json"), ("[]", "not the report.json"), ('{"report_version": 99, "facts": {}}', "version")],
)
def test_what_is_no_report_is_refused(run, content, reason):
    run.report.write_text(content, encoding="utf-8")
    with pytest.raises(DataError, match=reason):
        run.publish()


def test_a_report_that_is_not_there_is_named(run):
    run.report.unlink()
    with pytest.raises(DataError, match="lungscan evaluate"):
        run.publish()


def test_a_card_without_the_two_marks_is_an_error():
    for card in ("# Card", f"{BEGIN}\n{BEGIN}\n{END}", f"{END}\n{BEGIN}"):
        with pytest.raises(DataError, match=re.escape(END)):
            with_performance(card, "numbers")
    assert without_performance("# Card") == "# Card"


def test_the_card_names_the_network_that_was_measured(tmp_path):
    run = Run(tmp_path)
    architecture = {"backbone": "resnet18", "hidden_features": None, "image_size": [96, 96]}
    write_json(run.root / "models" / "manifest.json", {"files": {"model.pt": {"architecture": architecture}}})
    run.publish()
    assert "- Network: backbone `resnet18`, image_size `[96, 96]`\n" in run.card
