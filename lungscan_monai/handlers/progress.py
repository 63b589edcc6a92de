"""Show on stderr how far an engine is: a bar with rate and remaining time on a terminal, else a line for each epoch."""

from __future__ import annotations

import logging
import sys
import time

from ignite.engine import Engine, Events
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

logger = logging.getLogger(__name__)


class ProgressHandler:
    """Report the progress of one engine.

    Args:
        description: What the engine does, a word or two.
        evaluator: The evaluator whose metrics an epoch's line shows, if any.
    """

    def __init__(self, description: str, evaluator: Engine | None = None) -> None:
        self.description = description
        self.evaluator = evaluator
        self._bar: Progress | None = None
        self._started = 0.0

    def attach(self, engine: Engine) -> None:
        """Follow `engine`."""
        engine.add_event_handler(Events.EPOCH_STARTED, self._start)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._step)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self._end)
        engine.add_event_handler(Events.EXCEPTION_RAISED, self._abort)

    def _start(self, engine: Engine) -> None:
        self._started = time.monotonic()
        if not sys.stderr.isatty():
            return
        columns = [TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()]
        columns += [TextColumn("{task.fields[rate]:.1f} steps/s"), TimeRemainingColumn()]
        self._bar = Progress(*columns, console=Console(stderr=True), transient=True)
        self._bar.add_task(self._title(engine), total=engine.state.epoch_length, rate=0.0)
        self._bar.start()

    def _step(self, engine: Engine) -> None:
        if self._bar is not None:
            task = self._bar.tasks[0]
            rate = (task.completed + 1) / max(time.monotonic() - self._started, 1e-9)
            self._bar.update(task.id, advance=1, rate=rate)

    def _end(self, engine: Engine) -> None:
        self._close()
        seconds = time.monotonic() - self._started
        metrics = {} if self.evaluator is None else self.evaluator.state.metrics
        numbers = "".join(f", {name} {value:.4f}" for name, value in metrics.items())
        logger.info("%s: %.0f s%s", self._title(engine), seconds, numbers)

    def _abort(self, engine: Engine, error: BaseException) -> None:
        self._close()
        raise error

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def _title(self, engine: Engine) -> str:
        if engine.state.max_epochs == 1:
            return self.description
        return f"{self.description}, epoch {engine.state.epoch}/{engine.state.max_epochs}"
