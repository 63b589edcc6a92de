"""Where the computing is done, and what that place can do."""

from __future__ import annotations

import os

import torch


def choose_device() -> torch.device:
    """Return this process's GPU (by ``LOCAL_RANK`` where torchrun sets it), or the CPU where there is none."""
    if torch.cuda.is_available():
        return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
    return torch.device("cpu")


def supports_amp(device: torch.device) -> bool:
    """Tell whether MONAI's automatic mixed precision has an effect there; on a CPU it changes nothing."""
    return device.type == "cuda"
