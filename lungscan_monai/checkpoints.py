"""What a training run keeps on disk: the best model and the state to go on from, both verified by hash.

`model.pt` holds the weights of the best epoch, a flat state dictionary as MONAI's tools expect; `resume.pt` holds all
that `resume` needs; `manifest.json` records both.
"""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import torch
from torch import nn

from lungscan_monai.errors import CheckpointError, WeightsError
from lungscan_monai.model_files import MODEL_NAME, STATE_NAME
from lungscan_monai.networks import TimmClassifier
from lungscan_monai.storage import Manifest, replacing, sha256_file
from lungscan_monai.task import TaskSpec


class CheckpointStore:
    """The checkpoints of one run in one folder.

    Args:
        folder: Where they lie, for a bundle its `models` folder.
        task: The task; its labels are recorded with the model.
    """

    def __init__(self, folder: str | os.PathLike, task: TaskSpec) -> None:
        self.folder = Path(folder)
        self.task = task
        self.manifest = Manifest(self.folder)

    def save_model(self, network: nn.Module, **facts: Any) -> None:
        """Save the weights as `model.pt`; `facts` (epoch, metric) go into the manifest.

        Raises:
            OutputError: If the folder cannot be written.
        """
        network = unwrapped(network)
        facts = {"labels": list(self.task.label_names), "architecture": network.architecture, **facts}
        with replacing(self.folder / MODEL_NAME, self.manifest, **facts) as part:
            torch.save(network.state_dict(), part)

    def save_state(self, state: dict[str, Any]) -> None:
        """Save what `resume` needs as `resume.pt`.

        Raises:
            OutputError: If the folder cannot be written.
        """
        with replacing(self.folder / STATE_NAME, self.manifest) as part:
            torch.save(state, part)

    def load_state(self) -> dict[str, Any]:
        """Return what :meth:`save_state` stored.

        Raises:
            CheckpointError: If there is none, or it is damaged.
        """
        self.manifest.verify(STATE_NAME)
        return _load(self.folder / STATE_NAME)

    def load_model(self, network: nn.Module) -> str:
        """Put the weights of `model.pt` into `network` and return their SHA-256; see :func:`load_weights`."""
        return load_weights(network, self.folder / MODEL_NAME, self.task)


def load_weights(network: nn.Module, path: str | os.PathLike, task: TaskSpec) -> str:
    """Load a verified checkpoint into a network.

    A file that no manifest records (copied in by hand) is loaded too, since nothing is known against it.

    Args:
        network: The network, built with the same backbone and head.
        path: A `model.pt`.
        task: The task whose labels the model must have, in their order.

    Returns:
        The SHA-256 of the file.

    Raises:
        CheckpointError: If the file is missing or damaged.
        WeightsError: If it belongs to another network, or to other labels.
    """
    path = Path(path)
    manifest = Manifest(path.parent)
    entry = manifest.entries().get(path.name, {})
    if not path.is_file():
        raise CheckpointError(f"{path}: there is no trained model; `lungscan train` makes one")
    network = unwrapped(network)
    _require_same_model(entry, network, task, path)
    sha256 = manifest.verify(path.name) if entry else sha256_file(path)
    try:
        network.load_state_dict(_load(path))
    except RuntimeError as error:
        raise WeightsError(f"{path} does not fit this network: {str(error).splitlines()[1].strip()}") from error
    return sha256


def unwrapped(network: nn.Module) -> TimmClassifier:
    """Return the network inside a DistributedDataParallel, or the network itself."""
    return network.module if isinstance(network, nn.parallel.DistributedDataParallel) else network


def _require_same_model(entry: dict[str, Any], network: TimmClassifier, task: TaskSpec, path: Path) -> None:
    labels = entry.get("labels", list(task.label_names))
    if labels != list(task.label_names):
        raise WeightsError(f"{path} was trained for the labels {labels}, expected {list(task.label_names)}")
    for name, trained in entry.get("architecture", {}).items():
        if network.architecture.get(name) != trained:
            raise WeightsError(
                f"{path} was trained with {name} = {trained}, this network has {network.architecture.get(name)}; "
                f"give --{name} {trained}, or train again"
            )


def _load(path: Path) -> dict[str, Any]:
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, EOFError, pickle.UnpicklingError) as error:
        raise CheckpointError(f"{path}: not a checkpoint ({type(error).__name__}), or damaged") from error
