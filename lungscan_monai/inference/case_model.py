"""A trained bundle as a batch uses it: pictures are prepared one by one, answered together, and explained together."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from lungscan_monai.inference.answering import NOT_ASSESSABLE
from lungscan_monai.inference.predictor import Predictor
from lungscan_monai.metrics.decisions import leading_labels
from lungscan_monai.saliency.cams import explain
from lungscan_monai.transforms.outputs import probabilities


@dataclass(frozen=True, eq=False)
class Prepared:
    """A picture as the network takes it.

    Args:
        image: Shape ``(C, H, W)``, float32 in [0, 1].
        shape: Rows and columns of the picture as it was read.
    """

    image: np.ndarray
    shape: tuple[int, int]


@dataclass(frozen=True, eq=False)
class Answers:
    """What the model says about some pictures.

    Args:
        probabilities: Calibrated, shape ``(B, n_labels)``.
        raw: The network's own, same shape.
        leading: Index of the label that each case leads with, shape ``(B,)``.
        unfamiliar: For each case why it cannot be assessed, None where it can.
    """

    probabilities: np.ndarray
    raw: np.ndarray
    leading: np.ndarray
    unfamiliar: list[str | None]


class CaseModel(Predictor):
    """A :class:`~lungscan_monai.inference.predictor.Predictor` whose steps can be taken one at a time.

    Preparing changes nothing in it, so that several threads may prepare while one answers.
    """

    def prepare(self, path: str | os.PathLike) -> Prepared:
        """Read a file and bring it to the size of the network.

        Raises:
            ReadError: If it cannot be read.
        """
        picture, image = self._load(os.fspath(path))
        return Prepared(np.asarray(image.cpu(), dtype=np.float32), tuple(picture.shape[-2:]))

    def answer(self, images: np.ndarray) -> Answers:
        """Return the answers for pictures ``(B, C, H, W)``."""
        forward = self.backend.forward(images)
        rows = self._rows(forward.logits)
        raw = probabilities(torch.as_tensor(forward.logits).double(), self.task.kind).numpy()
        leading = leading_labels(rows, self.task.kind, self.threshold)
        return Answers(rows, raw, leading, self._reasons(forward.features))

    def entry(self, answers: Answers, index: int) -> dict[str, Any]:
        """Return one answer as JSON can hold it: the decision and what it rests on, or why there is none."""
        if answers.unfamiliar[index]:
            return {"code": NOT_ASSESSABLE, "reason": answers.unfamiliar[index]}
        row = answers.probabilities[index]
        return {**self.decision(row), "probabilities": row.tolist(), "raw": answers.raw[index].tolist()}

    def decision(self, row: np.ndarray) -> dict[str, Any]:
        """Return `label`, `findings` and `threshold` for calibrated probabilities ``(n_labels,)``."""
        answer = self._answer("", row)
        found = None if answer.findings is None else list(answer.findings)
        return {"label": answer.label, "findings": found, "threshold": answer.threshold}

    def explain_together(self, images: np.ndarray, labels: np.ndarray, method: str = "gradcam") -> np.ndarray:
        """Return maps ``(B, H, W)`` in [0, 1] of one label for each picture, from one pass of the network.

        Args:
            images: Shape ``(B, C, H, W)``.
            labels: Indices, shape ``(B,)``.
            method: A name in :data:`~lungscan_monai.saliency.cams.METHODS`.

        Raises:
            SaliencyError: If there is no such method.
        """
        batch = torch.from_numpy(images).to(self.device)
        _, maps = explain(self.network, batch, torch.as_tensor(labels), self.task.kind, method)
        return maps.cpu().numpy()
