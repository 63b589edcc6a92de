"""Whether `torch.compile` works here, found out before the training rather than in its first step."""

from __future__ import annotations

import logging
import time

import torch

from lungscan_monai.errors import MissingDependencyError

logger = logging.getLogger(__name__)


def tried_compile(wanted: bool, device: torch.device) -> bool:
    """Return `wanted`, the `compile` of MONAI's trainer, after compiling a trifle where it is true.

    Args:
        wanted: Whether the network shall be compiled.
        device: Where it will run. For a CPU torch needs a C++ compiler and Python's headers, for a GPU Triton and a
            C compiler.

    Raises:
        MissingDependencyError: If it does not work.
    """
    if not wanted:
        return False
    started = time.monotonic()
    try:
        torch.compile(_increment)(torch.zeros(2, device=device))
    except RuntimeError as error:
        needed = "Triton and a C compiler" if device.type == "cuda" else "a C++ compiler (g++) and Python's headers"
        raise MissingDependencyError(
            f"compile is on, but torch.compile does not work for {device.type} here: {str(error).splitlines()[0]}; it "
            f"needs {needed}; install them, or leave compile off"
        ) from error
    logger.info("torch.compile works for %s (tried in %.0f s)", device.type, time.monotonic() - started)
    return True


def _increment(x: torch.Tensor) -> torch.Tensor:
    return x + 1
