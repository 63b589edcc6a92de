"""Learning rates that follow from the size of the batch."""

from __future__ import annotations

import logging

from ignite import distributed as idist

from lungscan_monai.errors import ConfigError

logger = logging.getLogger(__name__)


def linear_scaled_learning_rate(
    base: float, reference_batch: int, batch_size: int, accumulation_steps: int = 1, num_replicas: int | None = None
) -> float:
    """Return ``base * global batch / reference_batch``, the linear scaling rule of Goyal et al. (2017).

    The global batch is what one step of the optimizer sees: ``batch_size * accumulation_steps * num_replicas``. Rank 0
    logs the calculation.

    Args:
        base: Learning rate that suits the reference batch.
        reference_batch: Number of cases that `base` was chosen for.
        batch_size: Cases in one forward pass of one process.
        accumulation_steps: Forward passes for one step of the optimizer.
        num_replicas: Number of processes; None takes the running ones'.

    Raises:
        ConfigError: If a number is not positive.

    Example:
        >>> linear_scaled_learning_rate(8e-4, reference_batch=1024, batch_size=16, num_replicas=4)
        5e-05
    """
    num_replicas = idist.get_world_size() if num_replicas is None else num_replicas
    numbers = {
        "base": base,
        "reference_batch": reference_batch,
        "batch_size": batch_size,
        "accumulation_steps": accumulation_steps,
        "num_replicas": num_replicas,
    }
    wrong = [f"{name} is {value}" for name, value in numbers.items() if not value > 0]
    if wrong:
        raise ConfigError(f"the learning rate cannot be scaled: {', '.join(wrong)}; expected positive numbers")
    global_batch = batch_size * accumulation_steps * num_replicas
    learning_rate = base * global_batch / reference_batch
    if idist.get_rank() == 0:
        logger.info(
            "learning rate %g = %g x %d / %d (batch %d x %d accumulated x %d process%s)",
            *(learning_rate, base, global_batch, reference_batch, batch_size, accumulation_steps, num_replicas),
            "" if num_replicas == 1 else "es",
        )
    return learning_rate
