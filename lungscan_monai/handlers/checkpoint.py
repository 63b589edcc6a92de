"""After every epoch: record it, keep the best model, store the state to resume from."""

from __future__ import annotations

from typing import Any

import numpy as np
from ignite import distributed as idist
from ignite.engine import Engine, Events
from monai.engines.utils import IterationEvents

from lungscan_monai.averaging import WeightAverage
from lungscan_monai.training import TrainingRun


class CheckpointHandler:
    """Hand each finished epoch of one phase to the training run, which stores what must not be lost.

    Place it after the validation and learning-rate handlers, so that their results are included.

    Args:
        run: The training run.
        phase: Name of the phase.
        evaluator: The evaluator that validates this phase.
        optimizer: The phase's optimizer.
        lr_scheduler: The phase's learning-rate schedule, if it has one.
        average: The phase's average of the weights, if it has one; then this is what is validated and saved.
    """

    def __init__(
        self,
        run: TrainingRun,
        phase: str,
        evaluator: Engine,
        optimizer: Any,
        lr_scheduler: Any = None,
        average: WeightAverage | None = None,
    ) -> None:
        self.run = run
        self.phase = phase
        self.evaluator = evaluator
        self.stateful = {"optimizer": optimizer}
        if lr_scheduler is not None:
            self.stateful["lr_scheduler"] = lr_scheduler
        if average is not None:
            self.stateful["average"] = average
        self._average = average
        self._losses: list[float] = []
        self._learning_rate = 0.0

    def attach(self, engine: Engine) -> None:
        """Store after every epoch of `engine`, and take part in the run's resuming."""
        self.run.register(self.phase, engine, self.stateful, self._average and self._average.network)
        engine.add_event_handler(Events.EPOCH_STARTED, self._start_epoch)
        engine.add_event_handler(IterationEvents.LOSS_COMPLETED, lambda _: self._losses.append(_loss(engine)))
        engine.add_event_handler(Events.EPOCH_COMPLETED, self)

    def _start_epoch(self) -> None:
        self._losses.clear()
        self._learning_rate = self.stateful["optimizer"].param_groups[0]["lr"]  # the schedule changes it at the end

    def __call__(self, engine: Engine) -> None:
        """Record the epoch that ended."""
        validated = self.evaluator.state.epoch == engine.state.epoch
        metrics = {name: float(value) for name, value in self.evaluator.state.metrics.items()} if validated else {}
        numbers = {
            "train_loss": float(np.mean(self._losses)),
            "learning_rate": self._learning_rate,
            **metrics,
        }
        self.run.epoch_completed(self.phase, engine, numbers, store=idist.get_rank() == 0)


def _loss(engine: Engine) -> float:
    return float(engine.state.output["loss"].detach())
