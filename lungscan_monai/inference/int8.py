"""The model of int8 of a bundle, made from labelled cases of one section of a datalist."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from lungscan_monai.data.datalist import Datalist
from lungscan_monai.inference.ahead import in_order
from lungscan_monai.inference.answering import Answering
from lungscan_monai.inference.backends.base import Backend
from lungscan_monai.inference.backends.exported import ExportedModel
from lungscan_monai.inference.backends.onnx_runtime import OnnxRuntimeBackend
from lungscan_monai.inference.backends.quantised import QuantisedModel, ensure_quantised
from lungscan_monai.inference.backends.starting import checked_engine
from lungscan_monai.inference.backends.verdicts import Tolerances
from lungscan_monai.inference.case_model import CaseModel
from lungscan_monai.metrics.decisions import leading_labels

CALIBRATION_CASES = 128
"""Cases that the ranges of int8 are taken from, evenly from the whole section."""

COMPARED_CASES = 512
"""Cases of the same section by which it is decided how much of the network is in int8."""

NEAR = 0.5
"""What may change on those before more of the network stays in float32, as a share of what is accepted in the end: the
model is surer of them, having learned them."""

logger = logging.getLogger(__name__)


def ensure_int8(
    model: CaseModel, exported: ExportedModel, cases: Datalist, section: str, tolerances: Tolerances, batch_size: int
) -> QuantisedModel:
    """Return the model of int8, made now unless there is one of the same cases.

    As much of it is in int8 as leaves the answers on these cases nearly what they are in float32 (:data:`NEAR`), or
    about as near as can be had. Whether it may be used is decided on other cases.

    Args:
        model: The model, which reads the pictures and says what logits mean.
        exported: Its export.
        cases: The datalist.
        section: The section that the ranges are taken from.
        tolerances: What may change in the end.
        batch_size: Images in one forward pass.

    Raises:
        MissingDependencyError: If a package of the extra `export` is missing.
        OutputError: If the folder of the model cannot be written.
        ReadError: If a picture cannot be read.
    """
    records = cases.records(section)
    calibrating, compared = (_evenly(records, count) for count in (CALIBRATION_CASES, COMPARED_CASES))
    exact = checked_engine("onnx", exported, model.judge).backend
    near = {name: NEAR * getattr(tolerances, name) for name in ("changed_decisions", "mean_difference")}
    expected: list[np.ndarray] = []

    def logits_of(backend: Backend) -> list[np.ndarray]:
        return [backend.logits(images) for images in pictures_of(model, compared, batch_size)]

    def distance(made: ExportedModel) -> float:
        if not expected:
            expected.extend(logits_of(exact))
        found = logits_of(OnnxRuntimeBackend(made, "int8"))
        then, now = (model.judge(np.concatenate(logits)).probabilities for logits in (expected, found))
        share = float((decisions_on(model, then) != decisions_on(model, now)).mean())
        difference = float(np.abs(then - now).mean())
        seen = (len(compared), 100 * share, difference)
        logger.info("on %d cases %.1f %% of the decisions change, probabilities by %.2g on average", *seen)
        return max(share / near["changed_decisions"], difference / near["mean_difference"])

    described = {"datalist_sha256": cases.sha256, "section": section, "cases": len(calibrating), "near": near}
    return ensure_quantised(exported, lambda: pictures_of(model, calibrating, batch_size), described, distance)


def _evenly(records: Sequence[dict[str, Any]], count: int) -> list[dict[str, Any]]:
    """Return so many of the records, or all, from the first to the last one."""
    places = np.linspace(0, len(records) - 1, min(count, len(records)))
    return [records[index] for index in places.round().astype(int)]


def pictures_of(model: CaseModel, records: Sequence[dict[str, Any]], batch_size: int) -> Iterator[np.ndarray]:
    """Give the pictures of MONAI records as the network takes them, ``(B, C, H, W)``; threads read the next ones.

    Raises:
        ReadError: If one cannot be read.
    """
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        read = in_order(pool, lambda record: model.prepare(record["image"]), records, 2 * batch_size)
        batch: list[np.ndarray] = []
        for number, image in enumerate(read, 1):
            batch.append(image)
            if len(batch) == batch_size or number == len(records):
                yield np.stack(batch)
                batch = []


def decisions_on(model: Answering, rows: np.ndarray) -> np.ndarray:
    """Return the decisions on calibrated probabilities ``(n_cases, n_labels)``.

    Returns:
        Integers: of exclusive classes the label, ``(n_cases, 1)``; of several findings whether each is called present,
        ``(n_cases, n_labels)``.
    """
    if model.task.kind == "multilabel":
        return (rows >= [model.threshold_of(name) for name in model.task.label_names]).astype(int)
    return leading_labels(rows, model.task.kind, model.threshold)[:, None]
