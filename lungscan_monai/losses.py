"""Losses that weigh classes and findings by how rare they are in the training cases.

Multi-class tasks need no loss from here: ``torch.nn.CrossEntropyLoss(weight, label_smoothing=...)`` takes class indices
and, from mixup, class probabilities.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from lungscan_monai.errors import ConfigError, DataError, LungScanWarning


def balanced_class_weights(records: Sequence[Mapping[str, Any]], num_classes: int) -> torch.Tensor:
    """Return ``n_cases / (num_classes * n_cases_of_the_class)``, the "balanced" weights of King & Zeng (2001).

    Args:
        records: Training cases with an integer `label`.
        num_classes: Number of classes.

    Returns:
        Weights, shape ``(num_classes,)``, float32; all 1 for equally frequent classes.

    Raises:
        DataError: If a label is not a class index, a class has no case, or all cases are of one class.
    """
    labels = [record["label"] for record in records]
    found = sorted(set(labels))
    expected = f"expected every class index from 0 to {num_classes - 1}"
    strange = [label for label in found if not 0 <= label < num_classes]
    if strange:
        raise DataError(f"training cases have the label(s) {strange}, which no class has; {expected}, found {found}")
    if len(found) == 1:
        raise DataError(f"all {len(labels)} training cases have label {found}; {expected}")
    empty = sorted(set(range(num_classes)) - set(found))
    if empty:
        raise DataError(f"no training case has label {empty}; {expected}, found {found}")
    counts = torch.bincount(torch.tensor(labels), minlength=num_classes)
    return len(labels) / (num_classes * counts.float())


def balanced_finding_weights(records: Sequence[Mapping[str, Any]], num_labels: int) -> torch.Tensor:
    """Return, for each finding by itself, the balanced weights of its negative and its positive cases.

    They are ``n_assessed / (2 * n_negative)`` and ``n_assessed / (2 * n_positive)``, the weights of King & Zeng (2001)
    for a class of two: rare and frequent findings, present and absent ones, count alike. A finding without any
    positive (or negative) case, as small parts of a data set have, is weighed as if it had one, and is named in a
    warning: the network can only learn that it is always absent (or present).

    Args:
        records: Training cases whose `label` holds 0 or 1 for each finding; NaN and None mean "not assessed".
        num_labels: Number of findings.

    Returns:
        Weights, shape ``(num_labels, 2)``, float32; column 0 for negative, column 1 for positive cases.

    Raises:
        DataError: If there is no case, a label does not have `num_labels` values, or one is neither 0, 1 nor missing.

    Warns:
        LungScanWarning: If a finding has no positive or no negative case.
    """
    lengths = sorted({len(record["label"]) for record in records})
    if lengths != [num_labels]:
        raise DataError(f"training labels have {lengths} values, expected {num_labels} in each, one for each finding")
    labels = np.array([record["label"] for record in records], dtype=np.float32)
    strange = np.setdiff1d(labels[~np.isnan(labels)], [0.0, 1.0])
    if strange.size:
        raise DataError(f"training labels hold {strange.tolist()}, expected 0 or 1, or nothing for 'not assessed'")
    counts = np.stack([(labels == 0).sum(axis=0), (labels == 1).sum(axis=0)], axis=1)
    _warn_of_one_sided_findings(counts)
    counts = np.maximum(counts, 1)
    return torch.tensor(counts.sum(axis=1, keepdims=True) / (2 * counts), dtype=torch.float32)


def _warn_of_one_sided_findings(counts: np.ndarray) -> None:
    for column, word in ((1, "positive"), (0, "negative")):
        indices = np.flatnonzero(counts[:, column] == 0).tolist()
        if indices:
            message = f"no {word} training case of the finding(s) with index {indices}: nothing can be learned there"
            warnings.warn(message, LungScanWarning, stacklevel=3)


class WeightedBCEWithLogitsLoss(nn.Module):
    """Binary cross-entropy of one logit, each case weighted by its class.

    Args:
        class_weights: Weights of the negative and the positive class, shape ``(2,)``; None weighs all alike.
    """

    def __init__(self, class_weights: torch.Tensor | None = None) -> None:
        super().__init__()
        self.register_buffer("class_weights", torch.ones(2) if class_weights is None else class_weights)

    def forward(self, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Return the mean loss of logits and labels ``(B, 1)``.

        Labels are in [0, 1]: what mixup makes of two cases is weighted in proportion to both classes.
        """
        weights = torch.lerp(*self.class_weights.to(logits.device), labels)
        return functional.binary_cross_entropy_with_logits(logits, labels, weight=weights)


class MultilabelFocalLoss(nn.Module):
    """Focal loss (Lin et al. 2017) of several findings, of which some may not have been assessed.

    For one finding with probability ``p = sigmoid(logit)`` and label `y`, with weight ``w = (1 - y) w_negative + y
    w_positive`` and ``q = (1 - y) p + y (1 - p)``, how far the answer is off, the loss is ``w * q**gamma *
    binary_cross_entropy(p, y)``. The mean is taken over what was assessed; a batch without any gives 0.

    Args:
        finding_weights: Weights of negative and positive cases, shape ``(L, 2)``; None weighs all alike. See
            :func:`balanced_finding_weights`.
        gamma: How much easy cases are played down, 0 (not at all) or at least 1.

    Raises:
        ConfigError: If `gamma` lies elsewhere: between 0 and 1 the gradient of a sure answer is infinite.
    """

    def __init__(self, finding_weights: torch.Tensor | None = None, gamma: float = 2.0) -> None:
        super().__init__()
        if gamma != 0 and not gamma >= 1:
            raise ConfigError(f"gamma of the focal loss is {gamma}, expected 0 or a number from 1 on; 2 is usual")
        self.register_buffer("finding_weights", torch.ones(1, 2) if finding_weights is None else finding_weights)
        self.gamma = gamma

    def forward(self, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Return the mean loss of logits and labels ``(B, L)``; labels are in [0, 1], NaN means "not assessed"."""
        logits = logits.float()
        assessed = ~labels.isnan()
        labels = labels.float().nan_to_num(0.0)
        negative, positive = self.finding_weights.to(logits.device).unbind(dim=1)
        weights = torch.lerp(negative, positive, labels)
        off = (1 - labels) * logits.sigmoid() + labels * (-logits).sigmoid()
        entropy = functional.binary_cross_entropy_with_logits(logits, labels, reduction="none")
        return (assessed * weights * off**self.gamma * entropy).sum() / assessed.sum().clamp(min=1)
