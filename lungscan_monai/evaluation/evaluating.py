"""Run a trained model over the validation and test cases, and leave report and explanations behind."""

from __future__ import annotations

import importlib.metadata
import logging
import os
import sys
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
from monai.data import Dataset
from monai.engines import SupervisedEvaluator

from lungscan_monai import __version__
from lungscan_monai.checkpoints import load_weights, save_operating_point, unwrapped
from lungscan_monai.data.datalist import datalist_sha256
from lungscan_monai.errors import ConfigError
from lungscan_monai.evaluation.explaining import explain_cases
from lungscan_monai.evaluation.report import build_report
from lungscan_monai.evaluation.writing import write_report
from lungscan_monai.handlers.predictions import PredictionMetric
from lungscan_monai.metrics.decisions import leading_labels
from lungscan_monai.metrics.operating_points import OperatingPoint
from lungscan_monai.storage import require_writable
from lungscan_monai.task import TaskSpec

logger = logging.getLogger(__name__)

_PACKAGES = ("torch", "monai", "timm", "numpy")


class Evaluation:
    """Everything that one evaluation needs, wired by `evaluate.json`.

    Args:
        evaluator: Applies the network to the cases of `dataset`.
        metric: The evaluator's metric, which keeps the predictions.
        dataset: The cases of the sections `validation` and `test`.
        task: The task.
        model_path: The `model.pt` to evaluate.
        datalist: The datalist, whose content hash is recorded.
        output_dir: Folder of the results.
        rule: How the threshold is chosen on the validation cases.
        target: The sensitivity or specificity that the rule wants, where it wants one.
        explain: Which test cases are explained: ``"all"``, ``"none"``, or how many (spread evenly).
        method: Name of the CAM method.
        resamples: Number of bootstrap resamples.
        seed: Seed of the bootstrap.
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
        rule: str = "youden",
        target: float | None = None,
        explain: str | int = "all",
        method: str = "gradcam",
        resamples: int = 2000,
        seed: int = 0,
    ) -> None:
        if explain not in ("all", "none") and not (isinstance(explain, int) and explain >= 0):
            raise ConfigError(f"explain is {explain!r}, expected 'all', 'none' or a number of cases")
        self.evaluator = evaluator
        self.metric = metric
        self.dataset = dataset
        self.task = task
        self.model_path = Path(model_path)
        self.datalist = Path(datalist)
        self.output_dir = Path(output_dir)
        self.report_settings = {"rule": rule, "target": target, "n_resamples": resamples, "seed": seed}
        self.explain = explain
        self.method = method

    def run(self) -> dict[str, Any]:
        """Evaluate, write predictions, report, figures and explanations, and return the report.

        Raises:
            OutputError: If the output folder cannot be written.
            CheckpointError: If there is no trained model, or it is damaged.
            WeightsError: If the model belongs to another network or other labels.
        """
        require_writable(self.output_dir)
        network = unwrapped(self.evaluator.network)
        model_sha256 = load_weights(network, self.model_path, self.task)
        self.evaluator.run()
        facts = self._facts(model_sha256)
        predictions = replace(self.metric.predictions(), facts=facts)
        predictions.save(self.output_dir)
        report = build_report(predictions, facts=facts, **self.report_settings)
        point = report["labels"][0]["operating_point"]
        if self.task.kind == "binary":
            self._keep_operating_point(point, model_sha256)
        chosen = self._chosen()
        if chosen:
            leading = leading_labels(predictions.probabilities, self.task.kind, point["threshold"])
            label_of = dict(zip(predictions.case_ids, leading.tolist(), strict=True))
            report["explanations"] = explain_cases(
                network,
                self.dataset,
                chosen,
                [label_of[self.dataset.data[index]["case"]] for index in chosen],
                self.task,
                self.output_dir / "explanations",
                method=self.method,
                model_sha256=model_sha256,
            )
        write_report(report, self.output_dir)
        logger.info("report: %s", self.output_dir / "report.md")
        return report

    def _keep_operating_point(self, point: dict[str, Any], model_sha256: str) -> None:
        if point["reason"] is not None:
            logger.warning("no operating point is stored: %s", point["reason"])
            return
        fitted = OperatingPoint(**{part.name: point[part.name] for part in fields(OperatingPoint)})
        save_operating_point(self.model_path.parent, fitted, model_sha256)

    def _chosen(self) -> list[int]:
        test = [index for index, record in enumerate(self.dataset.data) if record["section"] == "test"]
        if self.explain == "none":
            return []
        if self.explain == "all" or self.explain >= len(test):
            return test
        return [test[position] for position in np.linspace(0, len(test) - 1, self.explain).round().astype(int)]

    def _facts(self, model_sha256: str) -> dict[str, Any]:
        versions = {name: importlib.metadata.version(name) for name in _PACKAGES}
        return {
            "task": self.task.name,
            "task_version": self.task.version,
            "model_sha256": model_sha256,
            "datalist_sha256": datalist_sha256(self.datalist),
            "versions": {"lungscan-monai": __version__, **versions},
            "command": " ".join([Path(sys.argv[0]).name, *sys.argv[1:]]),
        }
