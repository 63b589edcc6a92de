"""Explain evaluated cases and store the explanations next to their metrics."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from monai.data import Dataset

from lungscan_monai.networks import SALIENCY_LAYER, TimmClassifier
from lungscan_monai.saliency.cams import explain
from lungscan_monai.saliency.storing import ExplanationStore
from lungscan_monai.task import TaskSpec
from lungscan_monai.transforms.reading import read_image

BATCH_SIZE = 16


def explain_cases(
    network: TimmClassifier,
    dataset: Dataset,
    indices: Sequence[int],
    task: TaskSpec,
    folder: str | os.PathLike,
    method: str,
    model_sha256: str,
) -> dict[str, Any]:
    """Explain, for each case, the most probable label, and store picture, array and index.

    Args:
        network: The trained network.
        dataset: Cases; `dataset.data` has their records, ``dataset[i]["image"]`` is the network's input.
        indices: Which cases.
        task: The task.
        folder: Where the explanations go.
        method: Name of the CAM method.
        model_sha256: Hash of the model, recorded with each explanation.

    Returns:
        What the report says of them: folder name, method, layer and number of cases.

    Raises:
        OutputError: If the folder cannot be written.
        SaliencyError: If the method is unknown.
    """
    device = next(network.parameters()).device
    with ExplanationStore(folder, method, SALIENCY_LAYER, model_sha256) as store:
        for start in range(0, len(indices), BATCH_SIZE):
            chosen = indices[start : start + BATCH_SIZE]
            images = torch.stack([torch.as_tensor(dataset[index]["image"]) for index in chosen]).to(device)
            probabilities, maps = explain(network, images, None, task.kind, method)
            for index, row, saliency in zip(chosen, probabilities, maps, strict=True):
                label = int(row.argmax())
                record = dataset.data[index]
                store.add(
                    record["case"],
                    task.label_names[label],
                    float(row[label]),
                    saliency.cpu().numpy(),
                    read_image(record["image"]),
                )
    return {"folder": "explanations", "method": method, "layer": SALIENCY_LAYER, "cases": len(indices)}
