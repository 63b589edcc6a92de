"""A bundle's inference config without MONAI: the transforms that it names, each as the function behind it.

`inference.json` stays the only place where they are wired. What is not recognised to the letter is refused, never
guessed: then MONAI has to read the config.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from lungscan_monai.errors import ConfigError
from lungscan_monai.model_files import recorded_architecture
from lungscan_monai.task import TaskSpec
from lungscan_monai.transforms.area import area_resize
from lungscan_monai.transforms.colours import to_channels
from lungscan_monai.transforms.contrast import clahe
from lungscan_monai.transforms.images import read_image

Step = Callable[[np.ndarray], np.ndarray]
"""From one picture ``(C, H, W)``, float32 in [0, 1], to the next."""

_READER = "lungscan_monai.transforms.reading.MedicalImageReader"
_CHANNELS = "lungscan_monai.transforms.channels.ToChannelsd"
_CLAHE = "lungscan_monai.transforms.clahe.Clahed"
_POSTPROCESSING = [
    {
        "_target_": "lungscan_monai.transforms.outputs.Probabilitiesd",
        "keys": "pred",
        "task": "@task",
        "calibration": "@calibration",
    },
    {"_target_": "lungscan_monai.transforms.outputs.ForgetSpatialShaped", "keys": "image"},
]
_KEYS = {"_target_", "keys"}


@dataclass(frozen=True)
class PlainSteps:
    """How a file becomes what the network takes.

    Args:
        window: Center and width that replace the file's own, None for the file's own.
        steps: What is done to the picture that was read, in order.
        image_shape: ``(C, H, W)`` of what comes out.
    """

    window: tuple[float, float] | None
    steps: tuple[Step, ...]
    image_shape: tuple[int, int, int]

    def __call__(self, path: str) -> np.ndarray:
        """Read a file and return ``(C, H, W)``, float32.

        Raises:
            ReadError: If it cannot be read.
            DataError: If the picture cannot be brought to that form.
        """
        image = read_image(path, self.window)
        for step in self.steps:
            image = step(image)
        return image


def plain_steps(bundle_root: Path, task: TaskSpec, architecture: Mapping[str, Any]) -> PlainSteps:
    """Return the preprocessing of a bundle's `inference.json`.

    Args:
        bundle_root: The bundle.
        task: Its task.
        architecture: What the manifest records of the model; its image size counts more than the config's.

    Raises:
        ConfigError: If the config holds a step or a setting that has no function here, or another postprocessing than
            calibrated probabilities; it names the step.
    """
    path = bundle_root / "configs" / "inference.json"
    try:
        return _recognised(json.loads(path.read_text(encoding="utf-8")), task, architecture)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise ConfigError(f"{path}: not readable without MONAI ({type(error).__name__})") from error


def steps_of_model(bundle_root: Path, task: TaskSpec) -> PlainSteps:
    """Return the preprocessing of a bundle for the model that lies in it.

    Args:
        bundle_root: The bundle.
        task: Its task.

    Raises:
        ConfigError: As for :func:`plain_steps`.
        CheckpointError: If the manifest of the model is not readable.
    """
    return plain_steps(bundle_root, task, recorded_architecture(bundle_root / "models"))


def _recognised(config: Mapping[str, Any], task: TaskSpec, architecture: Mapping[str, Any]) -> PlainSteps:
    if _composed(config["postprocessing"]) != _POSTPROCESSING:
        raise ConfigError("postprocessing is more, or other, than calibrated probabilities")
    size = architecture.get("image_size", config["image_size"])
    rows, columns = task.image_size if size == "$@task.image_size" else size
    values = {"@image_size": (rows, columns), "$@task.num_channels": task.num_channels}
    reading, *transforms = _composed(config["preprocessing"])
    window = _window(reading)
    steps = tuple(_step(transform, values) for transform in transforms)
    return PlainSteps(window, steps, (task.num_channels, rows, columns))


def _composed(entry: Mapping[str, Any]) -> list[dict[str, Any]]:
    if set(entry) != {"_target_", "transforms"} or entry["_target_"] != "Compose":
        raise LookupError("Compose")
    return list(entry["transforms"])


def _window(entry: Mapping[str, Any]) -> tuple[float, float] | None:
    _require(entry, "LoadImaged", {"reader"})
    reader = entry["reader"]
    if reader.get("_target_") != _READER or not set(reader) <= {"_target_", "window"}:
        raise ConfigError(f"preprocessing: reader {reader} is not known without MONAI")
    window = reader.get("window")
    return None if window is None else (float(window[0]), float(window[1]))


def _step(entry: Mapping[str, Any], values: Mapping[str, Any]) -> Step:
    target = entry.get("_target_")
    if target == _CHANNELS:
        _require(entry, target, {"num_channels"})
        return partial(to_channels, num_channels=_value(entry["num_channels"], values))
    if target == "Resized":
        _require(entry, target, {"spatial_size", "mode"})
        if entry["mode"] == "area":
            return partial(area_resize, size=_value(entry["spatial_size"], values))
    if target == _CLAHE:
        _require(entry, target, {"clip_limit", "tiles", "bits"})
        return partial(clahe, clip_limit=entry["clip_limit"], tiles=tuple(entry["tiles"]), bits=entry["bits"])
    if target == "RepeatChanneld":
        _require(entry, target, {"repeats"})
        return partial(np.repeat, repeats=_value(entry["repeats"], values), axis=0)
    raise ConfigError(f"preprocessing: {dict(entry)} is not known without MONAI")


def _require(entry: Mapping[str, Any], target: str, settings: set[str]) -> None:
    if entry.get("_target_") != target or set(entry) != _KEYS | settings or entry["keys"] != "image":
        raise ConfigError(f"preprocessing: {dict(entry)} is not known without MONAI")


def _value(setting: Any, values: Mapping[str, Any]) -> Any:
    """Return what a setting stands for: a reference that is known, or a number or numbers."""
    if isinstance(setting, str):
        if setting not in values:
            raise ConfigError(f"preprocessing: {setting} is not known without MONAI")
        return values[setting]
    return tuple(setting) if isinstance(setting, list) else setting
