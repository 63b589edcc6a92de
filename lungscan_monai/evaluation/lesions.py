"""Where the finding of an evaluated case is, as far as it is known: a mask, or boxes that a reader drew."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from lungscan_monai.data.boxes import BOXES, box_mask
from lungscan_monai.errors import ShapeError
from lungscan_monai.task import TaskSpec
from lungscan_monai.transforms.reading import read_image


def labels_with_lesion(record: Mapping[str, Any], facts: Mapping[str, Any], task: TaskSpec) -> list[int]:
    """Return the labels that a case has and whose place is known.

    Args:
        record: With `label` and `mask` (an empty text where there is none), as a data set of MONAI holds it.
        facts: What the datalist says of the case.
        task: The task.
    """
    present = [index for index in range(len(task.label_names)) if _has(record["label"], index)]
    if record.get("mask"):
        return present
    named = {box["label"] for box in facts.get(BOXES, ())}
    return [index for index in present if task.label_names[index] in named]


def lesion_mask(
    record: Mapping[str, Any], facts: Mapping[str, Any], label: str, shape: tuple[int, int]
) -> np.ndarray | None:
    """Return where a finding is, boolean, shape ``(H, W)``; None where that is unknown or nowhere.

    A mask shows all findings of its case together; boxes are of one finding each.

    Args:
        record: With `mask`.
        facts: What the datalist says of the case.
        label: Name of the finding.
        shape: ``(H, W)`` of the image.

    Raises:
        ReadError: If the mask cannot be read.
        ShapeError: If the mask has not the shape of its image.
    """
    if record.get("mask"):
        mask = read_image(record["mask"]).any(axis=0)
        if mask.shape != shape:
            raise ShapeError(f"case {record['case']!r}: the mask has shape {mask.shape}, its image {shape}")
    else:
        mask = box_mask([box for box in facts.get(BOXES, ()) if box["label"] == label], shape)
    return mask if mask.any() else None


def _has(reference: int | np.ndarray, label: int) -> bool:
    return bool(np.asarray(reference)[label] == 1) if np.ndim(reference) else reference == label
