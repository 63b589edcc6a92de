"""Every epoch starts from a random state of its own, so that a resumed run goes on exactly as an unbroken one."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import torch
from ignite import distributed as idist
from ignite.engine import Engine, Events
from monai.data.utils import set_rnd


class EpochSeedHandler:
    """Seed Python, NumPy, torch, the data set's transforms and the sampler from (seed, phase, epoch, rank).

    Args:
        seed: The run's seed.
        phase: Name of the phase; different phases draw different numbers.
        dataset: The training data set, whose transforms draw from states of their own.
        sampler: The training sampler; its ``set_epoch`` is called.
        rank: Rank of this process; None takes the running one's. Ranks that must draw alike all give 0.
    """

    def __init__(self, seed: int, phase: str, dataset: Any, sampler: Any, rank: int | None = None) -> None:
        self._key = (seed, *phase.encode(), idist.get_rank() if rank is None else rank)
        self._dataset = dataset
        self._sampler = sampler

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
        set_rnd(self._dataset, seed=seed)
        self._sampler.set_epoch(epoch)
