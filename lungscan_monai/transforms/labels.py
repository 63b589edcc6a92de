"""The label of a case as the tensor that the loss of its task expects."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import torch
from monai.config import KeysCollection
from monai.transforms import MapTransform

from lungscan_monai.task import TaskSpec


class EncodeLabeld(MapTransform):
    """Turn a datalist's label into a tensor.

    A class index becomes float32 ``(1,)`` for a binary task and an int64 scalar for a multi-class one; a list of
    findings becomes float32 ``(n_labels,)`` with NaN where a finding was not assessed.

    Args:
        keys: Where the label stands.
        task: The task.
    """

    def __init__(self, keys: KeysCollection, task: TaskSpec) -> None:
        super().__init__(keys)
        self.kind = task.kind

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Return a copy of `data` with its labels encoded."""
        encoded = dict(data)
        for key in self.key_iterator(encoded):
            encoded[key] = self._encode(encoded[key])
        return encoded

    def _encode(self, label: Any) -> torch.Tensor:
        if self.kind == "binary":
            return torch.tensor([float(label)])
        if self.kind == "multiclass":
            return torch.tensor(int(label))
        return torch.tensor([float("nan") if value is None else float(value) for value in label])
