"""Say where the time of a training goes."""

from __future__ import annotations

import logging
import os
import time
from collections import Counter
from pathlib import Path
from typing import Any

import torch
from ignite import distributed as idist
from ignite.engine import Engine, Events
from monai.engines.utils import IterationEvents
from torch import nn

from lungscan_monai.storage import write_json

logger = logging.getLogger(__name__)

STAGES = {
    "data": "waiting for the next batch",
    "preparation": "batch to the device, augmentation, mixing, gradients to zero",
    "forward": "network, forward",
    "loss": "loss",
    "backward": "network, backward",
    "optimizer": "optimizer",
    "handlers": "handlers of each step",
    "epoch_end": "validation, checkpoints, other work between epochs",
}
"""The stages of an epoch, and what they mean."""

_ENDS = {
    Events.GET_BATCH_STARTED: "data",
    Events.GET_BATCH_COMPLETED: "data",
    IterationEvents.FORWARD_COMPLETED: "forward",
    IterationEvents.LOSS_COMPLETED: "loss",
    IterationEvents.BACKWARD_COMPLETED: "backward",
    Events.EPOCH_COMPLETED: "handlers",
}
"""Which stage has ended when an event fires."""

_HANDLED = {
    Events.EPOCH_STARTED: "handlers",
    Events.GET_BATCH_COMPLETED: "handlers",
    Events.ITERATION_STARTED: "handlers",
    IterationEvents.FORWARD_COMPLETED: "handlers",
    IterationEvents.LOSS_COMPLETED: "handlers",
    IterationEvents.BACKWARD_COMPLETED: "handlers",
    Events.ITERATION_COMPLETED: "handlers",
    Events.EPOCH_COMPLETED: "epoch_end",
}
"""Which stage has ended when the other handlers of an event have run."""


class ProfileHandler:
    """Measure the stages of every epoch of a MONAI trainer; write them as JSON, and as a table into the log.

    Place it before all other handlers. On a GPU it waits for the device at the end of every stage, which makes
    the stages true and the whole somewhat slower. (Ignite's `BasicTimeProfiler` knows data, processing and handlers
    only: preparation, forward, backward and optimizer are all "processing" to it.)

    Args:
        enabled: Whether to measure; if not, nothing is attached. Of several processes the first one measures itself.
        output: The JSON file; it is up to date after every epoch.
    """

    def __init__(self, enabled: bool, output: str | os.PathLike) -> None:
        self.enabled = enabled
        self.output = Path(output)
        self.epochs: list[dict[str, Any]] = []
        self._seconds: Counter[str] = Counter()
        self._then = 0.0
        self._device = torch.device("cpu")
        self._preparing = False
        self._hooks: list[Any] = []

    def attach(self, engine: Engine) -> None:
        """Follow `engine`, a trainer with a `network` and an `optimizer`."""
        if not self.enabled or idist.get_rank() > 0:
            return
        engine.add_event_handler(Events.STARTED, self._start)
        engine.add_event_handler(Events.EPOCH_STARTED, self._start_epoch)
        for event, stage in _ENDS.items():
            engine.add_event_handler(event, self._end, stage)

    def _start(self, engine: Engine) -> None:
        """Add what must run after all other handlers, which are attached by now, and the hooks."""
        self._device = torch.device(engine.state.device)
        for event, stage in _HANDLED.items():
            engine.add_event_handler(event, self._end, stage)
        engine.add_event_handler(Events.ITERATION_STARTED, self._start_preparation)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self._end_epoch)
        engine.add_event_handler(Events.COMPLETED, self._finish)
        self._hooks = [
            engine.network.register_forward_pre_hook(self._end_preparation),
            engine.optimizer.register_step_post_hook(lambda *_: self._end("optimizer")),
        ]

    def _start_epoch(self) -> None:
        self._seconds.clear()
        self._then = time.perf_counter()

    def _end(self, stage: str) -> None:
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
        now = time.perf_counter()
        self._seconds[stage] += now - self._then
        self._then = now

    def _start_preparation(self) -> None:
        self._preparing = True

    def _end_preparation(self, network: nn.Module, inputs: Any) -> None:
        if self._preparing:  # the validation calls the network, too
            self._end("preparation")
        self._preparing = False

    def _end_epoch(self, engine: Engine) -> None:
        seconds = {stage: round(self._seconds[stage], 6) for stage in STAGES}
        record = {"epoch": engine.state.epoch, "steps": engine.state.epoch_length, "seconds": seconds}
        self.epochs.append(record)
        write_json(self.output, {"device": str(self._device), "stages": STAGES, "epochs": self.epochs})

    def _finish(self, engine: Engine) -> None:
        for hook in self._hooks:
            hook.remove()
        if self.epochs:
            logger.info("where the time went (%s):\n%s", self.output, profile_table(self.epochs))


def profile_table(epochs: list[dict[str, Any]]) -> str:
    """Return the mean over epochs as lines of text: stage, seconds of an epoch, milliseconds of a step, share.

    Args:
        epochs: Records with `steps` and `seconds` for each stage.
    """
    means = {stage: sum(epoch["seconds"][stage] for epoch in epochs) / len(epochs) for stage in STAGES}
    steps = sum(epoch["steps"] for epoch in epochs) / len(epochs)
    total = sum(means.values())
    rows = [*((STAGES[stage], seconds) for stage, seconds in means.items()), ("one epoch", total)]
    width = max(len(name) for name, _ in rows)
    lines = [f"{'':{width}}  s/epoch  ms/step   share"]
    lines += [f"{name:{width}} {s:8.2f} {1000 * s / steps:8.1f} {s / total:7.1%}" for name, s in rows]
    return "\n".join(lines)
