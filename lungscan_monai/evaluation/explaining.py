"""Explain evaluated cases and store the explanations next to their metrics."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from monai.data import Dataset

from lungscan_monai.errors import NotComputableError
from lungscan_monai.evaluation.estimates import not_computable, rounded
from lungscan_monai.metrics.intervals import wilson_interval
from lungscan_monai.metrics.scaling import Calibration
from lungscan_monai.networks import TimmClassifier
from lungscan_monai.saliency.cams import explain, layer_of
from lungscan_monai.saliency.storing import ExplanationStore
from lungscan_monai.task import TaskSpec
from lungscan_monai.transforms.reading import read_image

BATCH_SIZE = 16


def explain_cases(
    network: TimmClassifier,
    dataset: Dataset,
    indices: Sequence[int],
    labels: Sequence[int],
    task: TaskSpec,
    folder: str | os.PathLike,
    method: str,
    model_sha256: str,
    calibration: Calibration | None = None,
) -> dict[str, Any]:
    """Explain one label of each case, and store picture, array and index.

    Where a case has a mask of its lesion and the label explained is one that it has, the map is compared with the mask.

    Args:
        network: The trained network.
        dataset: Cases; `dataset.data` has their records, ``dataset[i]["image"]`` is the network's input.
        indices: Which cases.
        labels: Index of the label to explain for each of them, as it was decided.
        task: The task.
        folder: Where the explanations go.
        method: Name of the CAM method.
        model_sha256: Hash of the model, recorded with each explanation.
        calibration: What the probabilities recorded are calibrated with.

    Returns:
        What the report says of them: folder name, method, layer, number of cases, and `pointing_game`: the share of
        lesions of the explained label that the map's peak lies on, with Wilson's interval over the `n` cases, and how
        many cases with a lesion were called otherwise (`missed`); None where no case has a mask.

    Raises:
        OutputError: If the folder cannot be written.
        SaliencyError: If the method is unknown.
        ReadError: If an image or a mask cannot be read.
        ShapeError: If a mask has not the shape of its image.
    """
    outcomes: list[bool | None] = []
    with ExplanationStore(folder, method, layer_of(network), model_sha256) as store:
        explained = _explained(network, dataset, indices, labels, task.kind, method, calibration)
        for record, label, probability, saliency in explained:
            lesion = _lesion(record)
            shown = lesion if _has(record["label"], label) else None
            name, image = task.label_names[label], read_image(record["image"])
            stored = store.add(record["case"], name, probability, saliency, image, shown)
            if lesion is not None:
                outcomes.append(stored.get("hit"))
    facts = {"folder": "explanations", "method": method, "layer": layer_of(network), "cases": len(indices)}
    return {**facts, "pointing_game": _pointing_game(outcomes)}


def _explained(
    network: TimmClassifier,
    dataset: Dataset,
    indices: Sequence[int],
    labels: Sequence[int],
    kind: str,
    method: str,
    calibration: Calibration | None,
) -> Iterator[tuple[dict[str, Any], int, float, np.ndarray]]:
    """Give each case's record, the label explained, its probability and the map ``(H, W)``, batch after batch."""
    device = next(network.parameters()).device
    for start in range(0, len(indices), BATCH_SIZE):
        chosen, wanted = indices[start : start + BATCH_SIZE], labels[start : start + BATCH_SIZE]
        images = torch.stack([torch.as_tensor(dataset[index]["image"]) for index in chosen]).to(device)
        probabilities, maps = explain(network, images, torch.tensor(wanted, device=device), kind, method)
        rows = probabilities.cpu().numpy()
        if calibration is not None:
            rows = calibration.apply(rows)
        for index, label, row, saliency in zip(chosen, wanted, rows, maps, strict=True):
            yield dataset.data[index], label, float(row[label]), saliency.cpu().numpy()


def _lesion(record: Mapping[str, Any]) -> np.ndarray | None:
    """Return where the lesion is, ``(H, W)``; None where it is unknown or there is none."""
    if not record.get("mask"):
        return None
    mask = read_image(record["mask"]).any(axis=0)
    return mask if mask.any() else None


def _has(reference: int | np.ndarray, label: int) -> bool:
    return bool(np.asarray(reference)[label] == 1) if np.ndim(reference) else reference == label


def _pointing_game(outcomes: Sequence[bool | None]) -> dict[str, Any] | None:
    """Count hits among the cases with a lesion; None stands for one that was called otherwise."""
    if not outcomes:
        return None
    hits = [outcome for outcome in outcomes if outcome is not None]
    counts = {"n": len(hits), "missed": len(outcomes) - len(hits)}
    try:
        found = wilson_interval(sum(hits), len(hits))
    except NotComputableError as error:
        return not_computable(error) | counts
    return {name: rounded(getattr(found, name)) for name in ("value", "low", "high")} | counts
