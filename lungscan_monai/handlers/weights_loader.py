"""Load a verified model at the start of an evaluation or inference."""

from __future__ import annotations

import os

from ignite.engine import Engine, Events
from torch import nn

from lungscan_monai.checkpoints import load_weights
from lungscan_monai.task import TaskSpec


class WeightsLoader:
    """Load `model.pt` into the network before an engine's first step, checking hash, architecture and labels.

    Args:
        network: The network.
        path: The `model.pt`.
        task: The task whose labels the model must have.
    """

    def __init__(self, network: nn.Module, path: str | os.PathLike, task: TaskSpec) -> None:
        self.network = network
        self.path = path
        self.task = task
        self.sha256: str | None = None

    def attach(self, engine: Engine) -> None:
        """Load when `engine` starts."""
        engine.add_event_handler(Events.STARTED, self)

    def __call__(self, engine: Engine) -> None:
        """Load the weights.

        Raises:
            CheckpointError: If the file is missing or damaged.
            WeightsError: If it belongs to another network or other labels.
        """
        self.sha256 = load_weights(self.network, self.path, self.task)
