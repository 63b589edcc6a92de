"""Run a trained model over the validation and test cases, and leave report and explanations behind."""

from __future__ import annotations

import importlib.metadata
import logging
import os
import sys
from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
from ignite import distributed as idist
from monai.data import Dataset
from monai.engines import SupervisedEvaluator

from lungscan_monai import __version__
from lungscan_monai.checkpoints import load_weights, unwrapped
from lungscan_monai.data.datalist import datalist_sha256, load_datalist
from lungscan_monai.errors import NotComputableError
from lungscan_monai.evaluation.calibrating import calibrated, fit_calibration
from lungscan_monai.evaluation.explaining import EvaluationExplainer, Explained
from lungscan_monai.evaluation.explanation_plan import ExplanationSettings
from lungscan_monai.evaluation.input_check import check_facts, fitted_check, no_check
from lungscan_monai.evaluation.predictions import Predictions
from lungscan_monai.evaluation.report import build_report
from lungscan_monai.evaluation.settings import ReportSettings
from lungscan_monai.evaluation.writing import write_report
from lungscan_monai.fitted import (
    load_calibration,
    load_input_check,
    load_operating_points,
    save_calibration,
    save_input_check,
    save_operating_points,
)
from lungscan_monai.handlers.pooled_features import PooledFeatures
from lungscan_monai.handlers.predictions import PredictionMetric
from lungscan_monai.metrics.operating_points import OperatingPoint
from lungscan_monai.metrics.scaling import Calibration
from lungscan_monai.model_files import recorded_architecture
from lungscan_monai.storage import require_writable
from lungscan_monai.task import TaskSpec

logger = logging.getLogger(__name__)

_PACKAGES = ("torch", "monai", "timm", "numpy")


class Evaluation:
    """Everything that one evaluation needs, wired by `evaluate.json`.

    In a distributed run every rank predicts its share, and rank 0 alone fits, explains and writes.

    Args:
        evaluator: Applies the network to the cases of `dataset`.
        metric: The evaluator's metric, which keeps the predictions.
        dataset: The cases of the sections `validation` and `test`.
        task: The task.
        model_path: The `model.pt` to evaluate.
        datalist: The datalist, whose content hash is recorded, and whose facts make the subgroups.
        output_dir: Folder of the results.
        settings: How the report is made; the usual way if None.
        calibrate: Whether probabilities are calibrated.
        refit: Whether calibration and operating points are fitted on the validation cases and stored with the model; if
            not, or without validation cases, those stored with the model are applied.
        input_check: Share of the validation cases that shall count as familiar inputs, in (0, 1), for instance 0.995;
            None makes no check.
        explanations: What is explained, how, and what is measured of it; the usual way if None.
    """

    def __init__(
        self,
        evaluator: SupervisedEvaluator,
        metric: PredictionMetric,
        dataset: Dataset,
        task: TaskSpec,
        model_path: str | os.PathLike,
        datalist: str | os.PathLike,
        output_dir: str | os.PathLike,
        settings: ReportSettings | None = None,
        calibrate: bool = True,
        refit: bool = True,
        input_check: float | None = None,
        explanations: ExplanationSettings | None = None,
    ) -> None:
        self.evaluator = evaluator
        self.metric = metric
        self.dataset = dataset
        self.task = task
        self.model_path = Path(model_path)
        self.datalist = Path(datalist)
        self.output_dir = Path(output_dir)
        self.settings = settings or ReportSettings()
        self.calibrate = calibrate
        self.refit = refit
        self.input_check = input_check
        self.explanations = explanations or ExplanationSettings()

    def run(self) -> dict[str, Any]:
        """Evaluate, write predictions, report, figures and explanations, and return the report; empty on other ranks.

        Raises:
            OutputError: If the output folder cannot be written.
            CheckpointError: If there is no trained model, or it is damaged.
            WeightsError: If the model belongs to another network or other labels.
        """
        first = idist.get_rank() == 0
        if first:
            require_writable(self.output_dir)
        model_sha256 = load_weights(unwrapped(self.evaluator.network), self.model_path, self.task)
        keeper = PooledFeatures(self.evaluator)
        with keeper.kept():
            self.evaluator.run()
        predictions = self.metric.predictions()
        features = keeper.of(predictions.case_ids)
        report = self._reported(predictions, features, model_sha256) if first else {}
        idist.barrier()
        return report

    def _reported(self, raw: Predictions, features: np.ndarray, model_sha256: str) -> dict[str, Any]:
        facts = self._facts(model_sha256)
        fits = self.refit and self.settings.threshold_section in raw.section_names
        calibration = self._calibration(raw, fits, model_sha256)
        predictions = replace(raw if calibration is None else calibrated(raw, calibration), facts=facts)
        predictions.save(self.output_dir)
        folder = self.model_path.parent
        report = build_report(
            predictions,
            self.settings,
            calibration=calibration,
            points=None if fits else load_operating_points(folder, model_sha256, calibration),
            case_facts=self._case_facts(),
            facts=facts,
        )
        if fits:
            save_calibration(folder, calibration, model_sha256)
            save_operating_points(folder, _points(report), model_sha256, calibration)
        report["input_check"] = self._checked(raw, features, fits, model_sha256)
        explained = self._explained(predictions, report, calibration, model_sha256)
        report["warnings"] += explained.warnings
        report["model"] = self._model()
        report["error_gallery"] = explained.gallery
        if explained.explanations is not None:
            report["explanations"] = explained.explanations
        write_report(report, self.output_dir)
        logger.info("report: %s", self.output_dir / "report.md")
        return report

    def _calibration(self, raw: Predictions, fits: bool, model_sha256: str) -> Calibration | None:
        if not self.calibrate:
            return None
        if fits:
            return fit_calibration(raw, self.settings.threshold_section)
        return load_calibration(self.model_path.parent, model_sha256)

    def _checked(self, raw: Predictions, features: np.ndarray, fits: bool, model_sha256: str) -> dict[str, Any]:
        """Fit or load the check of inputs, and count the test cases that do not pass it."""
        folder, section = self.model_path.parent, self.settings.threshold_section
        check, reason = None, "none was asked for"
        if self.input_check is not None and fits:
            try:
                check = fitted_check(features, raw, section, self.input_check)
            except NotComputableError as error:
                reason = str(error)
        elif self.input_check is not None:
            check, reason = load_input_check(folder, model_sha256), "none is stored with this model"
        if fits:
            save_input_check(folder, check, model_sha256)
        if check is None:
            return no_check(reason)
        return check_facts(check, features, raw, section, self.settings.test_section)

    def _case_facts(self) -> Mapping[str, Mapping[str, Any]]:
        return {case.id: case.facts for case in load_datalist(self.datalist).cases(self.settings.test_section)}

    def _explained(
        self, predictions: Predictions, report: dict[str, Any], calibration: Calibration | None, model_sha256: str
    ) -> Explained:
        explainer = EvaluationExplainer(
            unwrapped(self.evaluator.network),
            self.dataset,
            predictions.section(self.settings.test_section),
            [label["operating_point"]["threshold"] for label in report["labels"]],
            self.task,
            self._case_facts(),
            calibration,
            self.explanations,
            self.settings,
        )
        return explainer.run(self.output_dir, model_sha256)

    def _model(self) -> dict[str, Any]:
        """Return what a model card says of the model before its numbers."""
        network = recorded_architecture(self.model_path.parent)
        return {
            "question": self.task.title,
            "intended_use": self.task.intended_use,
            "translations": {
                told.language: {"question": told.title, "intended_use": told.intended_use}
                for told in self.task.translations
            },
            "labels": list(self.task.label_names),
            "modalities": list(self.task.modalities),
            "views": list(self.task.views),
            "image_size": list(network.get("image_size", self.task.image_size)),
            "network": {name: value for name, value in network.items() if value is not None and name != "image_size"},
        }

    def _facts(self, model_sha256: str) -> dict[str, Any]:
        versions = {name: importlib.metadata.version(name) for name in _PACKAGES}
        return {
            "task": self.task.name,
            "task_version": self.task.version,
            "model_sha256": model_sha256,
            "datalist_sha256": datalist_sha256(self.datalist),
            "versions": {"lungscan-monai": __version__, **versions},
            "command": " ".join([_program(), *sys.argv[1:]]),
        }


def _points(report: dict[str, Any]) -> dict[str, OperatingPoint]:
    """Return the operating points that a report chose, by label."""
    found = {label["label"]: label["operating_point"] for label in report["labels"]}
    for point in found.values():
        if point["reason"] is not None:
            logger.warning("no operating point is stored: %s", point["reason"])
    names = [part.name for part in fields(OperatingPoint)]
    return {
        label: OperatingPoint(**{name: point[name] for name in names})
        for label, point in found.items()
        if point["reason"] is None
    }


def _program() -> str:
    """Return how this process was started: ``python -m monai.bundle``, or the name of a command."""
    module = sys.modules["__main__"].__spec__
    return f"python -m {module.parent}" if module else Path(sys.argv[0]).name
