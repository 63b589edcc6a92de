"""Training: a bundle's own `train.json` on the cases that annotators labelled, from the weights that it has."""

from __future__ import annotations

import shutil
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import torch
from monailabel.interfaces.datastore import Datastore
from monailabel.interfaces.tasks.train import TrainTask

from lib.labels import labelled_cases
from lungscan_monai.bundles import run_workflow, working_copy
from lungscan_monai.data.datalist import Datalist
from lungscan_monai.data.splits import split_cases
from lungscan_monai.errors import TrainingError
from lungscan_monai.model_files import MODEL_NAME, recorded_architecture
from lungscan_monai.overrides import known_ids
from lungscan_monai.storage import Manifest
from lungscan_monai.task import load_task

BACKBONE = "backbone."
"""Prefix of the backbone's entries among a model's weights."""


class ClassificationTrain(TrainTask):
    """Fine-tune one bundle, and serve the new model when it is done; the one before stays beside it.

    What a request may say: ``"max_epochs"``, ``"val_split"`` (share of the cases that choose the best epoch), and
    ``"overrides"``, any entries of `train.json` by their ids.

    Args:
        root: The bundle.
    """

    def __init__(self, root: Path) -> None:
        super().__init__(f"Fine-tune: {load_task(root).title}")
        self._root = root

    def config(self) -> dict[str, Any]:
        """Return what a request may say, with its defaults."""
        return {"max_epochs": 10, "val_split": 0.2}

    def __call__(self, request: dict[str, Any], datastore: Datastore) -> dict[str, Any]:
        """Train, and return what the manifest records of the new model.

        Raises:
            LungScanError: If the labels do not suffice or do not fit, or the training fails; the served model stays.
        """
        stamp = datetime.now(timezone.utc).strftime("%Y%m%dT%H%M%S")
        folder = self._root.parents[1] / "trained" / f"{self._root.name}-{stamp}"
        run = working_copy(self._root, folder)
        datalist = self._datalist(datastore, float(request.get("val_split", 0.2)))
        datalist.save(run / "datalist.json")
        settings = {name: value for name, value in self._recorded().items() if name in known_ids(run)}
        run_workflow(
            run,
            ["train.json"],
            "training",
            {
                **settings,
                "datalist": str(run / "datalist.json"),
                "weights": str(self._backbone_weights(run)),
                "max_epochs": int(request.get("max_epochs", 10)),
                **request.get("overrides", {}),
            },
        )
        entry = Manifest(run / "models").entries().get(MODEL_NAME)
        if entry is None:
            raise TrainingError("no epoch gave a number to choose the best by; is there a case of each class?")
        self._serve(run / "models", stamp)
        return {"model": entry, "cases": {name: len(cases) for name, cases in datalist.sections.items()}}

    def _recorded(self) -> dict[str, Any]:
        return recorded_architecture(self._root / "models")

    def _datalist(self, datastore: Datastore, val_split: float) -> Datalist:
        task = load_task(self._root)
        cases = labelled_cases(datastore.datalist(), task)
        split = split_cases(cases, (1 - val_split, val_split, 0), label_names=task.label_names)
        return Datalist(task.name, task.kind, task.label_names, Path("/"), split.sections, split.facts())

    def _backbone_weights(self, run: Path) -> Path:
        """Write the backbone's part of the served model, which a training can start from."""
        weights = torch.load(self._root / "models" / MODEL_NAME, map_location="cpu", weights_only=True)
        part = {name.removeprefix(BACKBONE): value for name, value in weights.items() if name.startswith(BACKBONE)}
        torch.save(part, run / "backbone.pth")
        return run / "backbone.pth"

    def _serve(self, models: Path, stamp: str) -> None:
        served = self._root / "models"
        shutil.copytree(models, self._root / "models.new")
        served.rename(self._root / f"models.before-{stamp}")
        (self._root / "models.new").rename(served)
