"""What was fitted with one model and belongs to it alone: calibration, operating points, and the check of its inputs.

They lie beside `model.pt` with its SHA-256. For any other model they are warned about and not used.
"""

from __future__ import annotations

import json
import os
import warnings
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from lungscan_monai.errors import CheckpointError, LungScanWarning
from lungscan_monai.metrics.familiarity import Familiarity
from lungscan_monai.metrics.operating_points import OperatingPoint
from lungscan_monai.metrics.scaling import Calibration, Scaling
from lungscan_monai.model_files import CALIBRATION_NAME, INPUT_CHECK_NAME, MODEL_NAME, OPERATING_POINTS_NAME
from lungscan_monai.storage import replacing, sha256_file, write_json

_Fitted = TypeVar("_Fitted")


def save_calibration(folder: str | os.PathLike, calibration: Calibration | None, model_sha256: str) -> None:
    """Store the calibration that was fitted with this very model; None, or one that changes nothing, removes the last.

    Raises:
        OutputError: If the folder cannot be written.
    """
    path = Path(folder) / CALIBRATION_NAME
    if calibration is None or calibration.changes_nothing:
        path.unlink(missing_ok=True)
        return
    write_json(path, {"model_sha256": model_sha256, **asdict(calibration)})


def load_calibration(folder: str | os.PathLike, model_sha256: str | None = None) -> Calibration | None:
    """Return the calibration of a model; None where none was fitted with this very one.

    Args:
        folder: Of the model.
        model_sha256: Of the model; if None, that of `model.pt` in the folder.

    Raises:
        CheckpointError: If the file is not readable.

    Warns:
        LungScanWarning: If it belongs to another model.
    """

    def parsed(content: Mapping[str, Any]) -> Calibration:
        scalings = tuple(Scaling(**scaling) for scaling in content["scalings"])
        return Calibration(content["kind"], content["fitted_on"], scalings)

    return _load(Path(folder) / CALIBRATION_NAME, model_sha256, parsed)


def save_operating_points(
    folder: str | os.PathLike,
    points: Mapping[str, OperatingPoint],
    model_sha256: str,
    calibration: Calibration | None = None,
) -> None:
    """Store the operating points that were fitted with this very model.

    Args:
        folder: Of the model.
        points: By label.
        model_sha256: Of the model.
        calibration: What the probabilities were calibrated with; the thresholds are on that scale.

    Raises:
        OutputError: If the folder cannot be written.
    """
    content = {
        "model_sha256": model_sha256,
        "calibration": _scale(calibration),
        "points": {label: asdict(point) for label, point in points.items()},
    }
    write_json(Path(folder) / OPERATING_POINTS_NAME, content)


def load_operating_points(
    folder: str | os.PathLike, model_sha256: str, calibration: Calibration | None = None
) -> dict[str, OperatingPoint]:
    """Return the operating points of this very model, by label; empty where none were fitted.

    Args:
        folder: Of the model.
        model_sha256: Of the model.
        calibration: What the probabilities are calibrated with.

    Raises:
        CheckpointError: If the file is not readable.

    Warns:
        LungScanWarning: If they belong to another model, or to probabilities that were calibrated otherwise.
    """
    path = Path(folder) / OPERATING_POINTS_NAME

    def parsed(content: Mapping[str, Any]) -> dict[str, OperatingPoint]:
        points = {label: OperatingPoint(**point) for label, point in content["points"].items()}
        if content["calibration"] == _scale(calibration):
            return points
        _warn(f"{path.name} was fitted on probabilities that were calibrated otherwise, and is not used")
        return {}

    return _load(path, model_sha256, parsed) or {}


def save_input_check(folder: str | os.PathLike, check: Familiarity | None, model_sha256: str) -> None:
    """Store the check of inputs that was fitted with this very model; None removes the last.

    Raises:
        OutputError: If the folder cannot be written.
    """
    path = Path(folder) / INPUT_CHECK_NAME
    if check is None:
        path.unlink(missing_ok=True)
        return
    with replacing(path) as part, part.open("wb") as stream:
        np.savez(stream, model_sha256=np.array(model_sha256), **asdict(check))


def load_input_check(folder: str | os.PathLike, model_sha256: str) -> Familiarity | None:
    """Return the check of inputs of this very model; None where none was fitted with it.

    Raises:
        CheckpointError: If the file is not readable.

    Warns:
        LungScanWarning: If it belongs to another model.
    """
    path = Path(folder) / INPUT_CHECK_NAME
    if not path.exists():
        return None
    try:
        with np.load(path) as content:
            if str(content["model_sha256"]) == model_sha256:
                numbers = {"limit": float(content["limit"]), "quantile": float(content["quantile"])}
                return Familiarity(content["references"], **numbers, n=int(content["n"]))
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise CheckpointError(f"{path}: not readable ({error}); run the evaluation again") from error
    _warn(f"{path.name} belongs to another model and is not used")
    return None


def _scale(calibration: Calibration | None) -> list[list[float]] | None:
    if calibration is None or calibration.changes_nothing:
        return None
    return [[scaling.slope, scaling.intercept] for scaling in calibration.scalings]


def _load(path: Path, model_sha256: str | None, parsed: Callable[[Mapping[str, Any]], _Fitted]) -> _Fitted | None:
    if not path.exists():
        return None
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["model_sha256"] == (model_sha256 or sha256_file(path.parent / MODEL_NAME)):
            return parsed(content)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(f"{path}: not readable ({error}); run the evaluation again") from error
    _warn(f"{path.name} belongs to another model and is not used")
    return None


def _warn(what: str) -> None:
    warnings.warn(f"{what}; run the evaluation of this model", LungScanWarning, stacklevel=5)
