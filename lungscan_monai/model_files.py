"""The files of a trained model in their folder, as far as one can speak of them without torch."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from lungscan_monai.errors import CheckpointError
from lungscan_monai.storage import Manifest

MODEL_NAME = "model.pt"
"""The weights of the best epoch."""

STATE_NAME = "resume.pt"
"""What `resume` needs. Its name is longer than that of the weights, since MONAI Label serves the shortest ``*.pt``."""

OPERATING_POINTS_NAME = "operating_points.json"
"""The thresholds that were fitted with this model."""

INPUT_CHECK_NAME = "input_check.npz"
"""What tells whether an input looks like those that the model was validated on."""

CALIBRATION_NAME = "calibration.json"
"""The calibration of probabilities that was fitted with this model."""


def recorded_architecture(folder: str | os.PathLike) -> dict[str, Any]:
    """Return the network's settings that `model.pt` was trained with, empty where nothing is recorded.

    Raises:
        CheckpointError: If the manifest is not readable.
    """
    return Manifest(folder).entries().get(MODEL_NAME, {}).get("architecture", {})


def settle_architecture(config: dict[str, Any], folder: str | os.PathLike) -> None:
    """Put the settings that `model.pt` was trained with into the content of an `inference.json`.

    Where the config has an entry of that name, as for the backbone and the image size, they go there; else they become
    the network's argument.

    Args:
        config: The content, which is changed.
        folder: Where `model.pt` lies.

    Raises:
        CheckpointError: If the manifest is not readable.
    """
    for name, value in recorded_architecture(folder).items():
        if name in config:
            config[name] = value
        elif name in config["network_def"]:
            config["network_def"][name] = value


def require_unused(folder: str | os.PathLike) -> None:
    """Check that a new training would not replace the files of an earlier one.

    Raises:
        CheckpointError: If it would.
    """
    found = [name for name in (MODEL_NAME, STATE_NAME) if (Path(folder) / name).exists()]
    if found:
        raise CheckpointError(
            f"{folder}: here is {' and '.join(found)} of an earlier training, and nothing was changed; "
            "give --resume to go on with it, or --overwrite to start over"
        )
