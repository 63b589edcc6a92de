"""Files that were made from one model: each is found for that very model only, whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from lungscan_monai.storage import Manifest, sha256_file


def derived_record(folder: str | os.PathLike, name: str, model_sha256: str) -> dict[str, Any] | None:
    """Return what the manifest records of a file made from a model, after checking the file.

    Args:
        folder: The bundle's `models` folder.
        name: Of the file.
        model_sha256: Of `model.pt`.

    Returns:
        The record; its `sha256` is that of the file. None where there is no file of this very model, or none that was
        finished.

    Raises:
        CheckpointError: If the file is damaged, or the manifest cannot be read.
    """
    path, manifest = Path(folder) / name, Manifest(folder)
    entry = manifest.entries().get(name, {})
    if not path.is_file() or entry.get("model_sha256") != model_sha256:
        return None
    actual = sha256_file(path)
    if actual != entry["sha256"]:
        if actual == entry["previous_sha256"]:
            return None  # stopped between the record and the file: this is still the file before
        manifest.verify(name)  # says what is wrong
    return entry
