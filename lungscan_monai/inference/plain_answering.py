"""A model that needs no MONAI: files are read, and logits become probabilities, by the functions behind the config."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from lungscan_monai.inference.answering import Answering
from lungscan_monai.inference.plain_steps import PlainSteps
from lungscan_monai.metrics.probabilities import label_probabilities
from lungscan_monai.task import TaskSpec
from lungscan_monai.transforms.images import read_image


class PlainAnswering(Answering):
    """Answers as `inference.json` has it, where it holds nothing that only MONAI knows.

    Args:
        task: The task.
        models: The bundle's `models` folder.
        model_sha256: Of `model.pt`.
        steps: How a file becomes what the network takes; that they are known says that the postprocessing is, too.
        batch_size: Images in one forward pass.
        check_inputs: Whether an image that does not look like the validation cases is turned away.
    """

    def __init__(
        self,
        task: TaskSpec,
        models: Path,
        model_sha256: str,
        steps: PlainSteps,
        batch_size: int = 16,
        check_inputs: bool = True,
    ) -> None:
        super().__init__(task, models, model_sha256, batch_size, check_inputs)
        self._steps = steps

    def _picture(self, case: str) -> np.ndarray:
        return read_image(case, self._steps.window)

    def _prepared(self, case: str) -> np.ndarray:
        return self._steps(case)

    def _rows(self, logits: np.ndarray) -> np.ndarray:
        rows = label_probabilities(logits, self.task.kind)
        return rows if self.calibration is None else self.calibration.apply(rows)
