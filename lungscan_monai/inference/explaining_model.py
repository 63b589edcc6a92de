"""A trained bundle in PyTorch as a batch uses it: it can run any backend, and say where it looked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np
import torch

from lungscan_monai.inference.backends.base import Forward
from lungscan_monai.inference.case_model import Answers, CaseModel
from lungscan_monai.inference.predictor import Predictor
from lungscan_monai.networks import SALIENCY_LAYER
from lungscan_monai.saliency.cams import GradCAM, explain, layer_of
from lungscan_monai.saliency.overlay import overlay
from lungscan_monai.transforms.jpeg import as_jpeg

METHOD = "gradcam"
"""Method of the heatmaps: :class:`~lungscan_monai.saliency.cams.GradCAM`."""

LONGEST_SIDE = 384
"""Pixels of the longer side of a heatmap's picture."""

_QUALITY = 90


class ExplainingModel(CaseModel, Predictor):
    """A :class:`~lungscan_monai.inference.predictor.Predictor` whose steps can be taken one at a time."""

    explains = False
    """Whether heatmaps are wanted."""

    def answer(self, images: np.ndarray) -> Answers:
        """Return the answers; with the maps from the same pass where PyTorch gives them and heatmaps are wanted."""
        facts = self.backend.facts
        is_eager = (facts["backend"], facts["precision"]) == ("torch", "float32")
        if not (self.explains and is_eager and layer_of(self.network) == SALIENCY_LAYER):
            return super().answer(images)
        batch = torch.from_numpy(images).to(self.device)
        cam = GradCAM(self.network, kind=self.task.kind)
        recording = cam.nn_module.record(batch)
        features = recording.features.detach().mean(dim=(2, 3))
        answers = self.meaning_of(Forward(recording.logits.cpu().numpy(), features.cpu().numpy()))
        leading = torch.as_tensor(answers.leading, device=batch.device)[:, None]
        return replace(answers, maps=cam.maps_of(recording, leading, batch)[:, 0].cpu().numpy())

    def heatmaps(self, images: np.ndarray, answers: Answers, shapes: list[tuple[int, int]]) -> list[bytes] | None:
        """Return for each case the picture as the network saw it, with the heatmap of its leading label.

        Args:
            images: Shape ``(B, C, H, W)``.
            answers: For them.
            shapes: Rows and columns of the files; the pictures have their proportions.

        Returns:
            JPEG files; None if no heatmaps are wanted.
        """
        if not self.explains:
            return None
        maps = self.saliency(images, answers.leading) if answers.maps is None else answers.maps
        return [
            as_jpeg(overlay(np.clip(cv2.resize(image[0], _picture_size(shape)), 0, 1), saliency), _QUALITY)
            for image, saliency, shape in zip(images, maps, shapes, strict=True)
        ]

    def saliency(self, images: np.ndarray, labels: Sequence[int]) -> np.ndarray:
        """Return where the network looked for one label of each picture ``(B, C, H, W)``: ``(B, H, W)``, in [0, 1]."""
        batch = torch.from_numpy(images).to(self.device)
        _, maps = explain(self.network, batch, torch.as_tensor(labels), self.task.kind, METHOD)
        return maps.cpu().numpy()


def _picture_size(shape: tuple[int, int]) -> tuple[int, int]:
    """Return width and height of a heatmap's picture, in the proportions of the image."""
    scale = LONGEST_SIDE / max(shape)
    return max(1, round(shape[1] * scale)), max(1, round(shape[0] * scale))
