"""A whole evaluation, without a bundle: what it fits, stores, applies and leaves behind."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from monai.data import DataLoader, Dataset, list_data_collate
from monai.engines import SupervisedEvaluator

from lungscan_monai.checkpoints import CheckpointStore
from lungscan_monai.data.datalist import Case, Datalist
from lungscan_monai.errors import LungScanWarning
from lungscan_monai.evaluation.evaluating import Evaluation
from lungscan_monai.evaluation.explanation_plan import ExplanationSettings
from lungscan_monai.evaluation.predictions import load_predictions
from lungscan_monai.evaluation.settings import ReportSettings
from lungscan_monai.fitted import load_calibration, load_input_check, load_operating_points
from lungscan_monai.handlers.predictions import PredictionMetric
from lungscan_monai.networks import TimmClassifier
from lungscan_monai.storage import sha256_file
from lungscan_monai.task import TaskSpec, Translation
from lungscan_monai.transforms.outputs import Probabilitiesd

LABELS = {"binary": ("Normal", "Pneumonia"), "multiclass": ("a", "b", "c"), "multilabel": ("Mass", "Edema")}
SETTINGS = ReportSettings(n_resamples=50)

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "error::lungscan_monai.errors.LungScanWarning")


class Rig:
    """A network with random weights, and validation and test cases of a task."""

    def __init__(self, folder: Path, kind: str, sections: dict[str, int], seed: int = 0) -> None:
        self.task = TaskSpec(
            *("task", "?", "1", kind, LABELS[kind], (32, 32), 3, ("DX",), "Research only."),
            translations=(Translation("id", "Apa?", "Hanya untuk penelitian."),),
        )
        self.folder, self.kind = folder, kind
        torch.manual_seed(seed)
        self.network = TimmClassifier("test_efficientnet", self.task.num_outputs, weights="none")
        CheckpointStore(folder / "models", self.task).save_model(self.network, epoch=1)
        self.records, cases = self._cases(sections)
        self.datalist = folder / "datalist.json"
        Datalist("noise", kind, self.task.label_names, folder, cases).save(self.datalist)

    def _cases(self, sections):
        random, records, cases = np.random.default_rng(5), [], {}
        for section, count in sections.items():
            for number in range(count):
                index = number % len(self.task.label_names)
                label = tuple(int(index == other) for other in range(2)) if self.kind == "multilabel" else index
                case, patient = f"{section}{number}.png", f"{section}-p{number // 2}"
                image = torch.tensor(random.random((3, 32, 32)) * (0.4 + 0.6 * index / 2), dtype=torch.float32)
                encoded = torch.tensor(label, dtype=torch.float32 if self.kind == "multilabel" else torch.long)
                record = {"image": image, "label": encoded, "case": case, "patient": patient, "section": section}
                records.append(record)
                facts = {"view": ("PA", "AP")[number // 3 % 2]}
                cases.setdefault(section, []).append(Case(case, label, patient, facts=facts))
        return records, cases

    def run(self, name: str = "eval", **options):
        metric, dataset = PredictionMetric(self.task), Dataset(self.records)
        loader = DataLoader(dataset, batch_size=16, collate_fn=list_data_collate)
        evaluator = SupervisedEvaluator(
            device=torch.device("cpu"),
            val_data_loader=loader,
            network=self.network,
            postprocessing=Probabilitiesd("pred", self.task),
            key_val_metric={"roc_auc": metric},
        )
        options = {"settings": SETTINGS, "explanations": ExplanationSettings("none"), **options}
        model = self.folder / "models" / "model.pt"
        parts = (evaluator, metric, dataset, self.task, model, self.datalist, self.folder / name)
        return Evaluation(*parts, **options).run()

    @property
    def models(self) -> Path:
        return self.folder / "models"

    @property
    def sha256(self) -> str:
        return sha256_file(self.models / "model.pt")


@pytest.fixture(params=LABELS)
def rig(request, tmp_path) -> Rig:
    return Rig(tmp_path, request.param, {"validation": 120, "test": 60})


def test_what_is_fitted_on_validation_lies_beside_the_model_and_was_applied(rig):
    report = rig.run(input_check=0.95)
    calibration = load_calibration(rig.models, rig.sha256)
    points = load_operating_points(rig.models, rig.sha256, calibration)
    predictions = load_predictions(rig.folder / "eval")
    if calibration is not None:
        np.testing.assert_allclose(predictions.probabilities, calibration.apply(predictions.raw_probabilities))
    assert report["calibration"]["applied"] == (calibration is not None)
    for label in report["labels"]:
        assert label["operating_point"]["threshold"] == points[label["label"]].threshold
    assert report["input_check"]["cases"] == 60
    assert report["input_check"]["limit"] == pytest.approx(load_input_check(rig.models, rig.sha256).limit, abs=1e-6)
    assert report["subgroups"][0]["fact"] == "view"
    assert json.loads((rig.folder / "eval" / "report.json").read_text()) == report
    assert report["model"]["intended_use"] == rig.task.intended_use
    translated = rig.task.told_in("id").intended_use
    assert translated in (rig.folder / "eval" / "report.id.html").read_text()
    assert translated not in (rig.folder / "eval" / "report.html").read_text()
    page = (rig.folder / "eval" / "report.md").read_text()
    assert "Unfamiliar inputs" in page
    assert translated not in page
    assert rig.task.intended_use in page


def test_the_same_evaluation_gives_the_same_bytes(rig):
    first, again = (rig.run(name) for name in ("first", "again"))
    assert first == again
    paths = [rig.folder / name / "report.json" for name in ("first", "again")]
    assert paths[0].read_bytes() == paths[1].read_bytes()


def test_without_refitting_what_was_stored_is_applied_and_stays(rig):
    first = rig.run("first", input_check=0.95)
    kept = {path.name: path.read_bytes() for path in rig.models.iterdir()}
    again = rig.run("again", input_check=0.95, refit=False)
    assert {path.name: path.read_bytes() for path in rig.models.iterdir()} == kept
    for one, other in zip(first["labels"], again["labels"], strict=True):
        assert one["operating_point"] == other["operating_point"]
        assert one["metrics"] == other["metrics"]
    assert again["input_check"] == first["input_check"]


def test_a_datalist_without_validation_cases_takes_what_was_stored(tmp_path):
    rig = Rig(tmp_path, "binary", {"validation": 120, "test": 60})
    point = rig.run(input_check=0.95)["labels"][0]["operating_point"]
    rig.records = [record for record in rig.records if record["section"] == "test"]
    report = rig.run("other", input_check=0.95)
    assert report["labels"][0]["operating_point"]["threshold"] == point["threshold"]
    assert report["labels"][0]["other_operating_points"] == []
    assert "there is no section to fit it on" in report["labels"][0]["prediction_sets"]["not_computable"]
    assert report["input_check"]["fitted_cases"] == 120


def test_another_model_neither_calibrates_nor_decides_with_what_was_fitted_before(tmp_path):
    Rig(tmp_path, "binary", {"validation": 120, "test": 60}).run(input_check=0.95)
    other = Rig(tmp_path, "binary", {"validation": 120, "test": 60}, seed=1)
    with pytest.warns(LungScanWarning, match="belongs to another model"):
        report = other.run(refit=False, input_check=0.95)
    assert report["labels"][0]["operating_point"]["rule"] == "default"
    assert report["calibration"]["applied"] is False
    assert report["input_check"] == {"not_computable": "because none is stored with this model"}


def test_too_few_validation_cases_leave_probabilities_and_inputs_alone_and_say_so(tmp_path):
    rig = Rig(tmp_path, "binary", {"validation": 40, "test": 20})
    report = rig.run(input_check=0.995)
    assert "40 cases are too few to fit a calibration" in report["warnings"][0]
    assert "40 cases are too few for a quantile of 0.995" in report["input_check"]["not_computable"]
    assert not (rig.models / "calibration.json").exists()
    assert load_predictions(rig.folder / "eval").raw_probabilities is None


def test_a_calibration_that_is_not_wanted_is_taken_away(tmp_path):
    rig = Rig(tmp_path, "binary", {"validation": 120, "test": 60})
    rig.run()
    report = rig.run(calibrate=False)
    assert report["calibration"]["reason"] == "none was asked for"
    assert not (rig.models / "calibration.json").exists()
    assert load_operating_points(rig.models, rig.sha256, None)


def test_the_surest_errors_are_listed_even_where_nothing_is_explained(tmp_path):
    report = Rig(tmp_path, "binary", {"validation": 40, "test": 20}).run()
    assert "explanations" not in report
    (gallery,) = report["error_gallery"]
    assert gallery["label"] == "Pneumonia"
    listed = [entry for kind in ("false_positives", "false_negatives", "confident") for entry in gallery[kind]]
    assert listed and all(entry["heatmap"] is None for entry in listed)
