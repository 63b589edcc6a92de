"""A moving average of the weights, often better than the weights of the last step."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from lungscan_monai.checkpoints import unwrapped
from lungscan_monai.distributed import copy_from_first_rank
from lungscan_monai.errors import CheckpointError, ConfigError


class WeightAverage:
    """The exponential moving average of a network's weights and batch-norm statistics, or the network itself.

    With every update the average becomes ``d * average + (1 - d) * network``, where after n earlier updates ``d =
    min(decay, (1 + n) / (10 + n))``: the warm-up of TensorFlow's ``ExponentialMovingAverage(num_updates=n)``, without
    which a short training never gets away from where it began. Whole numbers, as batch norm counts with, are copied.

    Args:
        network: The network that is trained, maybe inside a DistributedDataParallel.
        decay: Weight of the past in [0, 1), for instance 0.999; 0 switches the average off: no copy is kept.

    Raises:
        ConfigError: If `decay` is not in [0, 1).
    """

    def __init__(self, network: nn.Module, decay: float = 0.0) -> None:
        if not 0 <= decay < 1:
            raise ConfigError(f"decay of the weights' moving average is {decay}, expected 0 (off) up to below 1")
        self.decay = decay
        self._trained = unwrapped(network)
        self._averaged: AveragedModel | None = None
        if decay:
            self._averaged = AveragedModel(self._trained, multi_avg_fn=self._blend, use_buffers=True)
            self._averaged.requires_grad_(False)
            self.restart()

    @property
    def network(self) -> nn.Module:
        """What to validate and to save: the average, or the trained network where there is none; never wrapped."""
        return self._trained if self._averaged is None else self._averaged.module

    def restart(self) -> None:
        """Forget the past: the average is what the network is now."""
        if self._averaged is not None:
            self._averaged.module.load_state_dict(self._trained.state_dict())
            self._averaged.n_averaged.fill_(1)  # at 0 the first update would copy the network

    def update(self) -> None:
        """Take in what the network has become by a step of its optimizer."""
        if self._averaged is not None:
            self._averaged.update_parameters(self._trained)

    def synchronize(self) -> None:
        """Give all ranks :attr:`network` as rank 0 has it: batch norm saw other cases on each."""
        copy_from_first_rank(self.network)

    def state_dict(self) -> dict[str, Any]:
        """Return all that an exact resume needs; nothing where the average is off."""
        return {} if self._averaged is None else self._averaged.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take up what :meth:`state_dict` gave.

        Raises:
            CheckpointError: If it was stored with the average switched on and now it is off, or the other way round.
        """
        if bool(state) != (self._averaged is not None):
            stored, now = ("on", "off") if state else ("off", "on")
            raise CheckpointError(
                f"the run was stored with the weights' moving average switched {stored}, now it is {now}; resume with "
                "the ema_decay of then, or train anew"
            )
        if self._averaged is not None:
            self._averaged.load_state_dict(state)

    def _blend(self, averaged: list[torch.Tensor], trained: list[torch.Tensor], _: Any) -> None:
        """Update tensors of one type and device, for :class:`AveragedModel`."""
        if not averaged[0].is_floating_point():
            for target, source in zip(averaged, trained, strict=True):
                target.copy_(source)
            return
        updates = int(self._averaged.n_averaged) - 1
        get_ema_multi_avg_fn(min(self.decay, (1 + updates) / (10 + updates)))(averaged, trained, None)
