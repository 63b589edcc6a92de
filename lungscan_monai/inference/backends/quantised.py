"""The model of int8 beside the exported one: whose it is, and which pictures its ranges are of.

It lies in the bundle's `models` folder as `model_int8.onnx`; ONNX Runtime and OpenVINO run the same file. No torch is
needed to make or to read it.
"""

from __future__ import annotations

import logging
import shutil
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from lungscan_monai.errors import CheckpointError
from lungscan_monai.inference.backends.derived import derived_record
from lungscan_monai.inference.backends.exported import ExportedModel
from lungscan_monai.inference.backends.onnx_runtime import write_int8
from lungscan_monai.storage import Manifest, replacing, sha256_file

QUANTISED_NAME = "model_int8.onnx"
"""The network of `model.onnx` with convolutions of int8: the same input, the same outputs."""

IN_FLOAT = (0.0, 1 / 6, 1 / 3, 1 / 2)
"""Shares of the convolutions, from the input, that may stay in float32."""

SLACK = 1.25
"""Where none is near, more in float32 has to bring the answers nearer than by this factor to be worth its time."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class QuantisedModel:
    """A verified model of int8.

    Args:
        exported: What an engine loads: the export, with the file of int8 in the place of its own.
        sha256: Of that file.
        calibrated_on: What the ranges are of, as it was recorded.
    """

    exported: ExportedModel
    sha256: str
    calibrated_on: dict[str, Any]


def read_quantised(exported: ExportedModel) -> QuantisedModel | None:
    """Return the model of int8 that was made from an export; None where there is none.

    Raises:
        CheckpointError: If it is damaged.
    """
    folder = exported.path.parent
    entry = derived_record(folder, QUANTISED_NAME, exported.model_sha256)
    if entry is None:
        return None
    return QuantisedModel(
        replace(exported, path=folder / QUANTISED_NAME), entry["sha256"], entry.get("calibrated_on", {})
    )


def ensure_quantised(
    exported: ExportedModel,
    pictures: Callable[[], Iterable[np.ndarray]],
    calibrated_on: dict[str, Any],
    distance: Callable[[ExportedModel], float],
) -> QuantisedModel:
    """Return the model of int8, made now unless there is one of these very pictures that is whole.

    The first convolutions, which see the picture itself through few channels, lose most. Of the shares that may stay in
    float32 (:data:`IN_FLOAT`) the first one is taken whose answers are near; if there is none, the first that is nearly
    as near as the nearest.

    Args:
        exported: What it is made from.
        pictures: Gives batches of them, ``(B, C, H, W)``, float32 in [0, 1]; they set the ranges.
        calibrated_on: Which they are, as JSON can hold it.
        distance: Says of a model of int8 how far its answers are from those in float32; up to 1 is near. It decides
            what is made, not whether that may be used.

    Raises:
        MissingDependencyError: If a package of the extra `export` is missing.
        OutputError: If the folder cannot be written.
    """
    try:
        found = read_quantised(exported)
    except CheckpointError as error:
        logger.warning("%s: made anew", error)
        found = None
    if found is not None and found.calibrated_on == calibrated_on:
        return found
    path = exported.path.with_name(QUANTISED_NAME)
    with tempfile.TemporaryDirectory() as folder:
        found_at: dict[float, float] = {}
        for share in IN_FLOAT:
            logger.info("making %s with %.0f %% of the convolutions in float32", path.name, 100 * share)
            made = replace(exported, path=Path(folder) / f"{share}.onnx")
            write_int8(exported.path, made.path, pictures(), share)
            found_at[share] = distance(made)
            if found_at[share] <= 1:
                break
        best = _chosen(found_at)
        facts = {"model_sha256": exported.model_sha256, "calibrated_on": calibrated_on, "in_float": best}
        with replacing(path, Manifest(path.parent), **facts) as part:
            shutil.copyfile(Path(folder) / f"{best}.onnx", part)
    return QuantisedModel(replace(exported, path=path), sha256_file(path), calibrated_on)


def _chosen(distances: dict[float, float]) -> float:
    """Return the share that is taken of those that were tried, in order; only the last one may be near."""
    nearest = min(distances.values())
    enough = 1.0 if nearest <= 1 else SLACK * nearest
    return next((share for share, distance in distances.items() if distance <= enough), max(distances))
