"""From logits to probabilities, one for each label."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform

from lungscan_monai.metrics.probabilities import label_probabilities
from lungscan_monai.metrics.scaling import Calibration
from lungscan_monai.task import TaskSpec


def probabilities(logits: torch.Tensor, kind: str) -> torch.Tensor:
    """Turn logits into one probability for each label, on their device and in their precision.

    Args:
        logits: Shape ``(..., num_outputs)``.
        kind: ``"binary"`` (one logit), ``"multiclass"`` (softmax) or ``"multilabel"`` (a sigmoid each).

    Returns:
        Shape ``(..., n_labels)``, in [0, 1]; for a binary task the two columns are ``1 - p`` and ``p``.
    """
    if kind == "multiclass":
        return logits.softmax(dim=-1)
    positive = logits.sigmoid()
    return torch.cat([1 - positive, positive], dim=-1) if kind == "binary" else positive


class Probabilitiesd(MapTransform):
    """Replace the logits of one case ``(num_outputs,)`` by probabilities ``(n_labels,)``: a MetaTensor, float64, on the
    CPU (in float32 a sure model's probabilities would all be 1).

    Args:
        keys: Where the logits stand.
        task: The task.
        calibration: What was fitted with the model; None gives the network's own probabilities.
    """

    def __init__(self, keys: KeysCollection, task: TaskSpec, calibration: Calibration | None = None) -> None:
        super().__init__(keys)
        self.kind = task.kind
        self.calibration = calibration

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Return a copy of `data` with probabilities in the place of logits."""
        result = dict(data)
        for key in self.key_iterator(result):
            found = label_probabilities(torch.as_tensor(result[key]).detach().cpu().double().numpy(), self.kind)
            if self.calibration is not None:
                found = self.calibration.apply(found[None])[0]
            result[key] = MetaTensor(torch.from_numpy(found))
        return result


class ForgetSpatialShaped(MapTransform):
    """Drop `spatial_shape` from an image's meta data.

    MONAI Label resamples every prediction to that shape, which a vector of probabilities does not have.
    """

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Return `data`; the meta data of its images no longer have the entry."""
        for key in self.key_iterator(data):
            if isinstance(data[key], MetaTensor):
                data[key].meta.pop("spatial_shape", None)
        return dict(data)
