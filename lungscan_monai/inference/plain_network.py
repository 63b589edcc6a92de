"""The network of a bundle's inference config, built without MONAI.

As with :mod:`~lungscan_monai.inference.plain_steps`, what is not recognised to the letter is refused, never guessed.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lungscan_monai.errors import ConfigError
from lungscan_monai.model_files import settle_architecture
from lungscan_monai.networks import TimmClassifier
from lungscan_monai.task import TaskSpec

_NETWORK = "lungscan_monai.networks.TimmClassifier"
_ARGUMENTS = frozenset(inspect.signature(TimmClassifier).parameters)


def plain_network(bundle_root: Path, task: TaskSpec) -> TimmClassifier:
    """Return the network of a bundle's `inference.json`, with the settings that its `model.pt` was trained with.

    Its weights are those that the config names; a trained bundle's are loaded by
    :func:`~lungscan_monai.checkpoints.load_weights`.

    Args:
        bundle_root: The bundle.
        task: Its task.

    Raises:
        ConfigError: If the config holds another network, or a setting that only MONAI can resolve; it names the
            setting. If the settings are none that the network takes.
        CheckpointError: If the manifest of the model is not readable.
        WeightsError: If the config names weights that cannot be had.
    """
    path = bundle_root / "configs" / "inference.json"
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
        settle_architecture(config, bundle_root / "models")
        arguments = _arguments(config, task)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise ConfigError(f"{path}: not readable without MONAI ({type(error).__name__})") from error
    return TimmClassifier(**arguments)


def _arguments(config: Mapping[str, Any], task: TaskSpec) -> dict[str, Any]:
    settings = dict(config["network_def"])
    if settings.pop("_target_") != _NETWORK or not settings.keys() <= _ARGUMENTS:
        raise ConfigError(f"network_def: {config['network_def']} is not known without MONAI")
    return {name: _value(setting, config, task) for name, setting in settings.items()}


def _value(setting: Any, config: Mapping[str, Any], task: TaskSpec) -> Any:
    """Return what a setting stands for: a fact of the task, another entry of the config, or itself."""
    facts = {f"$@task.{name}": getattr(task, name) for name in ("image_size", "num_channels", "num_outputs")}
    if isinstance(setting, list):
        return [_value(one, config, task) for one in setting]
    if isinstance(setting, dict):
        raise ConfigError(f"network_def: {setting} is not known without MONAI")
    if not isinstance(setting, str):
        return setting
    if setting in facts:
        return facts[setting]
    if setting.startswith("@") and setting[1:] in config:
        return _value(config[setting[1:]], config, task)
    if setting.startswith(("@", "$", "%")):
        raise ConfigError(f"network_def: {setting} is not known without MONAI")
    return setting
