"""An Ignite metric that gathers every prediction of an epoch, each case once, and scores them together."""

from __future__ import annotations

from typing import Any

import numpy as np
from ignite.engine import Engine, Events
from ignite.metrics import Metric

from lungscan_monai.distributed import gather
from lungscan_monai.errors import NotComputableError
from lungscan_monai.evaluation.predictions import Predictions
from lungscan_monai.metrics.scores import roc_auc
from lungscan_monai.task import TaskSpec


class PredictionMetric(Metric):
    """The macro ROC AUC of an evaluation run; it keeps all predictions for whoever needs more.

    Predictions of all ranks are put together, and a case that a padded sampler drew twice counts once. The value is
    NaN where no label has both positive and negative cases.

    Args:
        task: The task.
    """

    def __init__(self, task: TaskSpec) -> None:
        self._task = task
        self._rows: dict[str, tuple[Any, ...]] = {}
        super().__init__(output_transform=lambda output: output)

    def reset(self) -> None:
        """Forget all predictions."""
        self._rows = {}

    def attach(self, engine: Engine, name: str, usage: Any = None) -> None:
        """Collect after each iteration of `engine` and store the value as ``engine.state.metrics[name]``."""
        engine.add_event_handler(Events.EPOCH_STARTED, lambda _: self.reset())
        engine.add_event_handler(Events.ITERATION_COMPLETED, lambda _: self._collect(engine))
        engine.add_event_handler(Events.EPOCH_COMPLETED, self.completed, name)

    def update(self, output: Any) -> None:
        """Take in decollated batches: pairs of a batch's entry and the matching output."""
        for entry, result in output:
            label = np.asarray(entry["label"], dtype=np.float64)
            row = (entry.get("patient"), entry.get("section"), label, np.asarray(result["pred"], dtype=np.float64))
            self._rows[entry["case"]] = row

    def compute(self) -> float:
        """Return the macro ROC AUC of the predictions gathered from all ranks."""
        predictions = self.predictions()
        scores = []
        for _, y_true, y_score in predictions.targets():
            try:
                scores.append(roc_auc(y_true, y_score))
            except NotComputableError:
                continue
        return float(np.mean(scores)) if scores else float("nan")

    def predictions(self) -> Predictions:
        """Return the predictions of all ranks, sorted by case.

        Raises:
            MetricError: If a probability is NaN or outside [0, 1].
        """
        merged = {case: row for rows in gather(self._rows) for case, row in rows.items()}
        cases = sorted(merged)
        patients, sections, labels, probabilities = zip(*(merged[case] for case in cases), strict=True)
        y_true = np.stack(labels)
        return Predictions(
            case_ids=tuple(cases),
            patients=tuple(patient or None for patient in patients),
            sections=tuple(sections),
            y_true=y_true if self._task.kind == "multilabel" else y_true.reshape(len(cases)).astype(int),
            probabilities=np.stack(probabilities),
            label_names=self._task.label_names,
            kind=self._task.kind,
        )

    def _collect(self, engine: Engine) -> None:
        self.update(zip(engine.state.batch, engine.state.output, strict=True))
