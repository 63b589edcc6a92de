"""Write what an inference run found as one table."""

from __future__ import annotations

import csv
import os
from pathlib import Path
from typing import Any

import numpy as np
from ignite.engine import Engine, Events

from lungscan_monai.spreadsheets import guarded_cell
from lungscan_monai.storage import replacing
from lungscan_monai.task import TaskSpec


class PredictionSaver:
    """Collect the probabilities of every case and write them, sorted by case, when the engine is done.

    Args:
        path: The CSV file: `case`, then one column for each label; texts that a spreadsheet would take for formulas are
            guarded.
        task: The task.
    """

    def __init__(self, path: str | os.PathLike, task: TaskSpec) -> None:
        self.path = Path(path)
        self.task = task
        self._rows: list[tuple[str, Any]] = []

    def attach(self, engine: Engine) -> None:
        """Follow `engine`."""
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._collect)
        engine.add_event_handler(Events.COMPLETED, self._write)

    def _collect(self, engine: Engine) -> None:
        for entry, result in zip(engine.state.batch, engine.state.output, strict=True):
            self._rows.append((entry["case"], np.asarray(result["pred"])))

    def _write(self, engine: Engine) -> None:
        with replacing(self.path) as part, part.open("w", newline="", encoding="utf-8") as stream:
            writer = csv.writer(stream)
            writer.writerow(["case", *map(guarded_cell, self.task.label_names)])
            for case, probabilities in sorted(self._rows, key=lambda row: row[0]):
                writer.writerow([guarded_cell(case), *(f"{value:.6f}" for value in probabilities)])
