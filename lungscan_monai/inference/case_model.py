"""A trained bundle as a batch uses it: answers for pictures that are prepared already, in a form that JSON can hold.

Nothing here imports torch: :mod:`~lungscan_monai.inference.plain_model` has the network in PyTorch, and who explains,
too, takes :mod:`~lungscan_monai.inference.explaining_model`.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lungscan_monai.inference.answering import NOT_ASSESSABLE, Answering
from lungscan_monai.inference.backends.base import Forward
from lungscan_monai.inference.light import LightPredictor
from lungscan_monai.metrics.decisions import leading_labels
from lungscan_monai.metrics.probabilities import label_probabilities
from lungscan_monai.transforms.colours import to_channels


@dataclass(frozen=True, eq=False)
class Answers:
    """What the model says about some pictures.

    Args:
        probabilities: Calibrated, shape ``(B, n_labels)``.
        raw: The network's own, same shape.
        leading: Index of the label that each case leads with, shape ``(B,)``.
        unfamiliar: For each case why it cannot be assessed, None where it can.
        maps: Where the network looked for the label that leads, ``(B, H, W)``, where one pass gave that, too.
    """

    probabilities: np.ndarray
    raw: np.ndarray
    leading: np.ndarray
    unfamiliar: list[str | None]
    maps: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.probabilities)


class CaseModel(Answering):
    """What a batch needs of a model, beside the way it was loaded."""

    def answer(self, images: np.ndarray) -> Answers:
        """Return the answers for pictures ``(B, C, H, W)``, float32, as the network takes them."""
        return self.meaning_of(self.backend.forward(images))

    def meaning_of(self, forward: Forward) -> Answers:
        """Return the answers for pictures that went through the network."""
        rows = self._rows(forward.logits)
        leading = leading_labels(rows, self.task.kind, self.threshold)
        raw = label_probabilities(forward.logits, self.task.kind)
        return Answers(rows, raw, leading, self._reasons(forward.features))

    def entry(self, answers: Answers, index: int) -> dict[str, Any]:
        """Return one answer as JSON can hold it: the decision and what it rests on, or why there is none."""
        if answers.unfamiliar[index]:
            return {"code": NOT_ASSESSABLE, "reason": answers.unfamiliar[index]}
        row = answers.probabilities[index]
        return {**self.decision(row), "probabilities": row.tolist(), "raw": answers.raw[index].tolist()}

    def decision(self, row: np.ndarray) -> dict[str, Any]:
        """Return `label`, `findings` and `threshold` for calibrated probabilities ``(n_labels,)``."""
        answer = self.prediction("", row)
        found = None if answer.findings is None else list(answer.findings)
        return {"label": answer.label, "findings": found, "threshold": answer.threshold}

    def prepare(self, path: str | os.PathLike) -> np.ndarray:
        """Read a file as the network takes it, ``(C, H, W)``, float32, in this process.

        Raises:
            ReadError: If it cannot be read.
        """
        return self._prepared(os.fspath(path))

    def heatmaps(self, images: np.ndarray, answers: Answers, shapes: list[tuple[int, int]]) -> list[bytes] | None:
        """Return a picture file with the leading label's heatmap for each; None, since this model does not explain."""
        return None

    def saliency(self, images: np.ndarray, labels: Sequence[int]) -> np.ndarray | None:
        """Return where the model looked for one label of each picture ``(B, C, H, W)``, as the network takes them.

        Returns:
            Shape ``(B, H, W)``, in [0, 1]; None, since this model does not explain.
        """
        return None

    def picture(self, path: str | os.PathLike) -> np.ndarray:
        """Return a file's picture as it is read, before it is brought to the network's size: grey, ``(H, W)``, [0, 1].

        Raises:
            ReadError: If it cannot be read.
        """
        return np.asarray(to_channels(self._picture(os.fspath(path)), 1)[0], dtype=np.float32)


class LightCaseModel(CaseModel, LightPredictor):
    """An exported model, without torch."""
