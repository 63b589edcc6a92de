"""What several processes of one training run must agree on."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import torch
import torch.distributed
from ignite import distributed as idist
from torch import nn

_LONGEST_WAIT = timedelta(hours=12)


def gather(items: Any) -> list[Any]:
    """Return the `items` of every rank, in the order of the ranks, on every rank."""
    if idist.get_world_size() == 1:
        return [items]
    gathered: list[Any] = [None] * idist.get_world_size()
    torch.distributed.all_gather_object(gathered, items)
    return gathered


def copy_from_first_rank(module: nn.Module) -> None:
    """Give every rank the weights and buffers of rank 0."""
    if idist.get_world_size() > 1:
        for tensor in module.state_dict().values():
            torch.distributed.broadcast(tensor, src=0)


def start() -> None:
    """Join the process group that torchrun announces: NCCL on GPUs, gloo on CPUs.

    Ranks wait long for rank 0, which reads images for a shared folder and explains cases; of one that died torchrun
    tells the others at once.
    """
    if not torch.distributed.is_initialized():
        backend = "nccl" if torch.cuda.is_available() else "gloo"
        torch.distributed.init_process_group(backend, timeout=_LONGEST_WAIT)


def stop() -> None:
    """Leave the process group, if there is one."""
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()
