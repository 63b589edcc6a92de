"""Losses that weigh the classes by how rare they are in the training cases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from lungscan_monai.errors import DataError


def balanced_class_weights(records: Sequence[Mapping[str, Any]], num_classes: int) -> torch.Tensor:
    """Return ``n_cases / (num_classes * n_cases_of_the_class)``, the "balanced" weights of King & Zeng (2001).

    Args:
        records: Training cases with an integer `label`.
        num_classes: Number of classes.

    Returns:
        Weights, shape ``(num_classes,)``, float32; all 1 for equally frequent classes.

    Raises:
        DataError: If a class has no case.
    """
    counts = torch.bincount(torch.tensor([record["label"] for record in records]), minlength=num_classes)
    if (counts == 0).any():
        empty = [index for index, count in enumerate(counts.tolist()) if count == 0]
        raise DataError(f"no training case has label {empty}; every one of the {num_classes} classes needs some")
    return counts.sum() / (num_classes * counts.float())


class WeightedBCEWithLogitsLoss(nn.Module):
    """Binary cross-entropy of one logit, each case weighted by its class.

    Args:
        class_weights: Weights of the negative and the positive class, shape ``(2,)``; None weighs all alike.
    """

    def __init__(self, class_weights: torch.Tensor | None = None) -> None:
        super().__init__()
        self.register_buffer("class_weights", torch.ones(2) if class_weights is None else class_weights)

    def forward(self, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Return the mean loss; `logits` and `labels` (0. or 1.) have the shape ``(B, 1)``."""
        weights = self.class_weights.to(logits.device)[labels.long()]
        return functional.binary_cross_entropy_with_logits(logits, labels, weight=weights)
