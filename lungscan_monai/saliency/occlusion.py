"""Where a probability falls when that part of the image is covered."""

from __future__ import annotations

from functools import partial

import torch
import torch.nn.functional as F
from monai.visualize import OcclusionSensitivity
from torch import nn

from lungscan_monai.saliency.recording import LabelChoice, choose_labels, evaluating, label_scores, plain
from lungscan_monai.saliency.scaling import scale_to_peak
from lungscan_monai.transforms.outputs import probabilities

PATCHES_PER_SIDE = 8
"""The covering patch is the image's side divided by this; neighbouring patches overlap by half."""

NEGLIGIBLE_FALL = 1e-5
"""A probability that falls by less has not fallen: float32 rounds."""


class Occlusion:
    """Cover patch after patch (MONAI's `OcclusionSensitivity`) and map how far the label's probability falls.

    Needs no gradient and no layer, but some 225 passes for each case.

    Args:
        network: Gives logits ``(B, num_outputs)``.
        layer: Not looked at; there so that all methods are made alike.
        kind: ``"binary"``, ``"multiclass"`` or ``"multilabel"``.
    """

    def __init__(self, network: nn.Module, layer: str, kind: str) -> None:
        self.network = network
        self.kind = kind

    def explain(self, x: torch.Tensor, class_idx: LabelChoice) -> tuple[torch.Tensor, torch.Tensor]:
        """Return logits ``(B, num_outputs)`` and maps ``(B, K, H, W)``, float32 in [0, 1].

        Args:
            x: Images ``(B, C, H, W)``.
            class_idx: The labels, K for each case; see :func:`~lungscan_monai.saliency.recording.choose_labels`.

        Raises:
            SaliencyError: If there is no such label.
        """
        x = plain(x)
        with torch.no_grad(), evaluating(self.network):
            logits = self.network(x)
            chosen = choose_labels(label_scores(logits, self.kind), class_idx)
            whole = probabilities(logits, self.kind)
            maps = [self._fall(x[i : i + 1], whole[i], chosen[i]) for i in range(len(x))]
        return logits, scale_to_peak(torch.stack(maps))

    def _fall(self, image: torch.Tensor, whole: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Return how far the probabilities of some labels fall, shape ``(K, H, W)``, 0 or more than negligible."""
        occlusion = OcclusionSensitivity(
            self.network,
            mask_size=[max(1, side // PATCHES_PER_SIDE) for side in image.shape[2:]],
            overlap=0.5,
            activate=partial(probabilities, kind=self.kind),
            verbose=False,
        )
        covered, _ = occlusion(image)
        return F.threshold(whole[labels, None, None] - covered.as_tensor()[0, labels], NEGLIGIBLE_FALL, 0.0)
