"""The recorded epochs of a run as TensorBoard curves: loss, learning rate and validation metrics over all phases."""

from __future__ import annotations

import os

from ignite.engine import Engine, Events
from torch.utils.tensorboard import SummaryWriter

from lungscan_monai.training import TrainingRun


class HistoryToTensorBoard:
    """Write the newest record of a training run after every epoch; the step counts epochs through all phases.

    Place it after the checkpoint handler.

    Args:
        run: The training run.
        log_dir: Folder of the event files.
    """

    def __init__(self, run: TrainingRun, log_dir: str | os.PathLike) -> None:
        self.run = run
        self.log_dir = log_dir

    def attach(self, engine: Engine) -> None:
        """Write after every epoch of `engine`."""
        engine.add_event_handler(Events.EPOCH_COMPLETED, self)

    def __call__(self, engine: Engine) -> None:
        """Write the epoch that ended."""
        record = self.run.history[-1]
        with SummaryWriter(str(self.log_dir)) as writer:
            for name, value in record.items():
                if isinstance(value, float):
                    writer.add_scalar(name, value, len(self.run.history))
