"""The exported model beside `model.pt`: whose it is, and what PyTorch answered, so that any engine can be checked.

It lies in the bundle's `models` folder as `model.onnx`; ONNX Runtime and OpenVINO read the same file. Its record in the
manifest binds it to the SHA-256 of `model.pt`. No torch is needed to read it.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lungscan_monai.errors import CheckpointError
from lungscan_monai.inference.backends.base import Backend
from lungscan_monai.inference.backends.derived import derived_record

EXPORT_NAME = "model.onnx"
"""The network of `model.pt` in ONNX: input `image` ``(batch, C, H, W)``, outputs `logits` and `features`."""

SAMPLES = {"float32": 2, "bfloat16": 16}
"""Pictures that an engine is checked on each time it is started, by its precision: what is rounded to three digits may
be right on one picture and wrong on the next."""

_AT_ONCE = 4


@dataclass(frozen=True, eq=False)
class ExportedModel:
    """A verified export.

    Args:
        path: The file.
        model_sha256: Of the `model.pt` that it was made from.
        image_shape: ``(C, H, W)`` of one input.
        expected_logits: What PyTorch gave in float32 for :func:`sample_images`, as many as any precision needs.
    """

    path: Path
    model_sha256: str
    image_shape: tuple[int, int, int]
    expected_logits: np.ndarray


def read_exported(folder: str | os.PathLike, model_sha256: str) -> ExportedModel | None:
    """Return the export of a model, None where there is none of this very model, or none that was finished.

    Args:
        folder: The bundle's `models` folder.
        model_sha256: Of `model.pt`.

    Raises:
        CheckpointError: If the file is damaged, or its record cannot be read.
    """
    path, entry = Path(folder) / EXPORT_NAME, derived_record(folder, EXPORT_NAME, model_sha256)
    if entry is None:
        return None
    try:
        channels, height, width = entry["image_shape"]
        expected = np.asarray(entry["expected_logits"], dtype=np.float32)
        if expected.ndim != 2 or len(expected) != max(SAMPLES.values()):
            raise ValueError(f"answers of shape {expected.shape}, expected those for {max(SAMPLES.values())} pictures")
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(
            f"{path}: its record is not readable ({error}); delete the file to make it anew"
        ) from error
    return ExportedModel(path, model_sha256, (channels, height, width), expected)


def logits_of_samples(backend: Backend, image_shape: tuple[int, int, int], count: int) -> np.ndarray:
    """Return what a backend answers for the first :func:`sample_images`, a few at a time: ``(count, num_outputs)``."""
    images = sample_images(image_shape, count)
    return np.concatenate([backend.logits(images[first : first + _AT_ONCE]) for first in range(0, count, _AT_ONCE)])


def sample_images(image_shape: tuple[int, int, int], count: int) -> np.ndarray:
    """Return pictures to check an engine on: a bright field with darker shapes and grain, the same on every machine.

    Args:
        image_shape: ``(C, H, W)``; all channels are alike.
        count: Number of pictures.

    Returns:
        Shape ``(count, C, H, W)``, float32 in [0, 1].
    """
    channels, height, width = image_shape
    down, right = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j]
    grain = np.random.RandomState(0)  # its stream never changes, unlike that of a Generator
    pictures = []
    for number in range(count):
        waves = np.sin(2 * np.pi * (number + 1) * down) * np.cos(np.pi * (2 * number + 1) * right)
        picture = 0.5 + 0.3 * waves + 0.1 * (number % 3 - 1) + 0.05 * grain.standard_normal((height, width))
        pictures.append(np.clip(picture, 0, 1))
    return np.repeat(np.stack(pictures)[:, None], channels, axis=1).astype(np.float32)
