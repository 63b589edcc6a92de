"""Keep a moving average of the weights in step with a trainer."""

from __future__ import annotations

from typing import Any

from ignite.engine import Engine, Events

from lungscan_monai.averaging import WeightAverage


class WeightAverageHandler:
    """Update a weight average after every step of a MONAI trainer's optimizer.

    With gradient accumulation, or a step that mixed precision skips, that is not every iteration. A phase that
    starts anew starts the average anew; a resumed one goes on with what was restored. Place it before the validation
    handler: at the end of an epoch, all ranks take the average of rank 0, so that all validate one network.

    Args:
        average: The weight average.
    """

    def __init__(self, average: WeightAverage) -> None:
        self.average = average
        self._hook: Any = None

    def attach(self, engine: Engine) -> None:
        """Follow `engine`, a trainer with an `optimizer`."""
        engine.add_event_handler(Events.STARTED, self._start)
        engine.add_event_handler(Events.EPOCH_COMPLETED, lambda _: self.average.synchronize())
        engine.add_event_handler(Events.COMPLETED, lambda _: self._hook.remove())

    def _start(self, engine: Engine) -> None:
        if engine.state.iteration == 0:
            self.average.restart()
        self._hook = engine.optimizer.register_step_post_hook(lambda *_: self.average.update())
