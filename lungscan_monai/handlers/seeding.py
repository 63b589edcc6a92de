"""Every epoch starts from a random state of its own, so that a resumed run goes on exactly as an unbroken one."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import torch
from ignite import distributed as idist
from ignite.engine import Engine, Events

from lungscan_monai.batches import BatchPreparation


class EpochSeedHandler:
    """Seed Python, NumPy, torch, the random transforms and the sampler from (seed, phase, epoch, rank).

    Args:
        seed: The run's seed.
        phase: Name of the phase; different phases draw different numbers.
        sampler: The training sampler; its ``set_epoch`` is called.
        preparation: What changes the batches at random, if anything.
        rank: Rank of this process; None takes the running one's. Ranks that must draw alike all give 0.
    """

    def __init__(
        self,
        seed: int,
        phase: str,
        sampler: Any,
        preparation: BatchPreparation | None = None,
        rank: int | None = None,
    ) -> None:
        self._key = (seed, *phase.encode(), idist.get_rank() if rank is None else rank)
        self._sampler = sampler
        self._preparation = preparation

    def attach(self, engine: Engine) -> None:
        """Seed at the start of every epoch of `engine`."""
        engine.add_event_handler(Events.EPOCH_STARTED, self)

    def __call__(self, engine: Engine) -> None:
        """Seed the epoch that starts."""
        epoch = engine.state.epoch
        seed = int(np.random.SeedSequence((*self._key, epoch)).generate_state(1)[0])
        random.seed(seed)
        np.random.seed(seed)
        torch.manual_seed(seed)
        if self._preparation is not None:
            self._preparation.seed(seed)
        self._sampler.set_epoch(epoch)
