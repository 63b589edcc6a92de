"""Stop at the first loss that is not a number, before it reaches the weights."""

from __future__ import annotations

import torch
from ignite.engine import Engine
from monai.engines.utils import IterationEvents

from lungscan_monai.errors import NonFiniteLossError


class FiniteLossHandler:
    """Watch the loss of every step of a trainer and end the run, naming the cases, when it is NaN or infinite."""

    def attach(self, engine: Engine) -> None:
        """Check after the loss is computed and before the backward pass."""
        engine.add_event_handler(IterationEvents.LOSS_COMPLETED, self)

    def __call__(self, engine: Engine) -> None:
        """Check the present step.

        Raises:
            NonFiniteLossError: If the loss is not finite.
        """
        loss = engine.state.output["loss"].detach()
        if torch.isfinite(loss):
            return
        cases = ", ".join(str(case) for case in engine.state.batch["case"])
        raise NonFiniteLossError(
            f"the loss is {float(loss)} in epoch {engine.state.epoch}, step {engine.state.iteration}; the weights are "
            f"unchanged by this step and the last checkpoint is good; look at these cases: {cases}; "
            "or lower the learning rate"
        )
