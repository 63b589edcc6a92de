"""The files of a trained model in their folder, as far as one can speak of them without torch."""

from __future__ import annotations

import os
from typing import Any

from lungscan_monai.storage import Manifest

MODEL_NAME = "model.pt"
"""The weights of the best epoch."""

STATE_NAME = "last.pt"
"""What `resume` needs."""

OPERATING_POINT_NAME = "operating_point.json"
"""The threshold that was fitted with this model."""


def recorded_architecture(folder: str | os.PathLike) -> dict[str, Any]:
    """Return the network's settings that `model.pt` was trained with, empty where nothing is recorded.

    Raises:
        CheckpointError: If the manifest is not readable.
    """
    return Manifest(folder).entries().get(MODEL_NAME, {}).get("architecture", {})
