"""From files to answers, whatever reads them and whatever runs the network: batches, rejects, decisions.

Nothing here imports torch, so that an exported model can be applied without it.
"""

from __future__ import annotations

import hashlib
import os
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lungscan_monai.data.references import split_reference
from lungscan_monai.errors import LungScanError, ReadError
from lungscan_monai.fitted import load_calibration, load_input_check, load_operating_points
from lungscan_monai.gate.admitting import Admitted, admit
from lungscan_monai.gate.limits import Limits
from lungscan_monai.inference.backends.agreement import Judged
from lungscan_monai.inference.backends.base import Backend
from lungscan_monai.inference.image_facts import facts_of
from lungscan_monai.metrics.decisions import DEFAULT_THRESHOLD, leading_labels
from lungscan_monai.metrics.operating_points import OperatingPoint
from lungscan_monai.task import TaskSpec

NOT_ASSESSABLE = "not-assessable"
"""Code of the reject of an image that does not look like the validation cases."""


@dataclass(frozen=True)
class Prediction:
    """The answer for one case.

    Args:
        case: The file as it was named.
        probabilities: One for each label, in [0, 1]; calibrated where a calibration was fitted with the model.
        label: The decision: for a binary task by the threshold, else the most probable class; None for several
            findings, which have no single decision.
        threshold: The threshold applied in a binary task, else None.
        findings: Of several findings those called present, each by its own threshold; None for exclusive classes.
    """

    case: str
    probabilities: dict[str, float]
    label: str | None
    threshold: float | None
    findings: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Reject:
    """A file that was turned away.

    Args:
        case: The file as it was named.
        code: Short machine-readable reason.
        reason: One sentence.
    """

    case: str
    code: str
    reason: str


class Answering(ABC):
    """A model that answers for files; how they are read and what runs the network is for those that inherit from it.

    Args:
        task: The task.
        models: The bundle's `models` folder, with what was fitted with the model.
        model_sha256: Of `model.pt`.
        batch_size: Images in one forward pass.
        check_inputs: Whether an image that does not look like the validation cases is turned away as not assessable,
            where such a check was fitted with the model.

    Attributes:
        backend: What runs the network.
        backend_facts: What ran, and how it was chosen, for records.
        limits: What one file may ask for; it may be set.
    """

    backend: Backend
    backend_facts: dict[str, Any]

    def __init__(
        self, task: TaskSpec, models: Path, model_sha256: str, batch_size: int = 16, check_inputs: bool = True
    ) -> None:
        self.task = task
        self.batch_size = batch_size
        self.model_sha256 = model_sha256
        self.calibration = load_calibration(models, model_sha256)
        self.operating_points = load_operating_points(models, model_sha256, self.calibration)
        self.input_check = load_input_check(models, model_sha256) if check_inputs else None
        self.limits = Limits()

    @abstractmethod
    def _picture(self, case: str) -> np.ndarray:
        """Return a file's picture as it is read, ``(C, H', W')`` in [0, 1]; errors as for :meth:`_prepared`."""

    @abstractmethod
    def _prepared(self, case: str) -> np.ndarray:
        """Return the picture as the network takes it, ``(C, H, W)`` float32; a LungScanError makes it a reject."""

    @abstractmethod
    def _rows(self, logits: np.ndarray) -> np.ndarray:
        """Return probabilities ``(B, n_labels)``, calibrated, of logits ``(B, num_outputs)``."""

    @property
    def fitted(self) -> str:
        """A hash of calibration and operating points: with others the same logits come to other decisions."""
        points = {label: asdict(point) for label, point in sorted(self.operating_points.items())}
        return hashlib.sha256(repr((self.calibration, points)).encode()).hexdigest()

    @property
    def operating_point(self) -> OperatingPoint | None:
        """The operating point of a binary task's positive label; None where none was fitted, or for other tasks."""
        return self.operating_points.get(self.task.label_names[1]) if self.task.kind == "binary" else None

    def threshold_of(self, label: str) -> float:
        """Return the fitted threshold of a label, or 0.5 where none was fitted."""
        point = self.operating_points.get(label)
        return DEFAULT_THRESHOLD if point is None else point.threshold

    @property
    def threshold(self) -> float:
        """The threshold that decides a binary task; 0.5 where none was fitted."""
        return DEFAULT_THRESHOLD if self.operating_point is None else self.operating_point.threshold

    def predict(self, paths: Sequence[str | os.PathLike]) -> list[Prediction | Reject]:
        """Answer for each file, in their order; one that cannot be read becomes a reject."""
        answers: list[Prediction | Reject] = []
        for start in range(0, len(paths), self.batch_size):
            answers += self._predict_batch([os.fspath(path) for path in paths[start : start + self.batch_size]])
        return answers

    def judge(self, logits: np.ndarray) -> Judged:
        """Return the probabilities and decisions of logits ``(B, num_outputs)``."""
        rows = self._rows(logits)
        return Judged(rows, tuple(self._decision(row) for row in rows))

    def _predict_batch(self, cases: list[str]) -> list[Prediction | Reject]:
        answers: dict[int, Prediction | Reject] = {}
        images: dict[int, np.ndarray] = {}
        for position, case in enumerate(cases):
            try:
                if unfit := self._why_not_assessable(case):
                    answers[position] = Reject(case, *unfit)
                    continue
                images[position] = self._prepared(case)
            except LungScanError as error:
                answers[position] = _reject(case, error)
        if images:
            forward = self.backend.forward(np.stack(list(images.values())))
            found = zip(images, self._rows(forward.logits), self._reasons(forward.features), strict=True)
            for position, row, reason in found:
                case = cases[position]
                answers[position] = Reject(case, NOT_ASSESSABLE, reason) if reason else self.prediction(case, row)
        return [answers[position] for position in range(len(cases))]

    def _admit(self, case: str) -> Admitted:
        """Let a file through the gate, or raise the ReadError that it is turned away with."""
        return admit(split_reference(case)[0], self.limits)

    def _why_not_assessable(self, case: str) -> tuple[str, str] | None:
        return facts_of(split_reference(case)[0], self._admit(case)).why_not_assessable(self.task)

    def _reasons(self, features: np.ndarray) -> list[str | None]:
        """Say for each case why it cannot be assessed; None where it can."""
        if self.input_check is None:
            return [None] * len(features)
        limit = self.input_check.limit
        return [
            f"not assessable: the image does not look like those that the model was validated on "
            f"(distance {distance:.3f}, limit {limit:.3f})"
            if distance > limit
            else None
            for distance in self.input_check.distances(features)
        ]

    def prediction(self, case: str, row: np.ndarray) -> Prediction:
        """Return the decision for calibrated probabilities ``(n_labels,)``."""
        probabilities = {name: float(value) for name, value in zip(self.task.label_names, row, strict=True)}
        if self.task.kind == "multilabel":
            return Prediction(case, probabilities, None, None, self._decision(row))
        threshold = self.threshold if self.task.kind == "binary" else None
        return Prediction(case, probabilities, *self._decision(row), threshold)

    def _decision(self, row: np.ndarray) -> tuple[str, ...]:
        """Return the findings called present, or the one label of exclusive classes."""
        if self.task.kind != "multilabel":
            return (self._leading_label(row),)
        names = zip(self.task.label_names, row, strict=True)
        return tuple(name for name, value in names if value >= self.threshold_of(name))

    def _leading_label(self, row: np.ndarray) -> str:
        return self.task.label_names[int(leading_labels(row[None], self.task.kind, self.threshold)[0])]


def _reject(case: str, error: LungScanError) -> Reject:
    if isinstance(error, ReadError):
        return Reject(case, error.code, error.reason)
    return Reject(case, "not-usable", str(error))
