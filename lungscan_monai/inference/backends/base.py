"""What runs a trained network: one interface, and one file for each library behind it.

Nothing here imports torch, so that an exported model can be applied without it.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np

from lungscan_monai.errors import ConfigError, MissingDependencyError

THREADS_VARIABLE = "OMP_NUM_THREADS"

PRECISIONS = ("float32", "bfloat16", "int8")
"""What a network can compute in."""

COMPUTES_IN = {
    "torch": ("float32", "bfloat16"),
    "torch-compile": ("float32", "bfloat16"),
    "onnx": ("float32", "int8"),
    "openvino": PRECISIONS,
}
"""Which of them each backend has."""


@dataclass(frozen=True, eq=False)
class Forward:
    """What one pass of the network gives.

    Args:
        logits: Shape ``(B, num_outputs)``, float32.
        features: The feature map's means, shape ``(B, C)``, float32; the check of inputs looks at them.
    """

    logits: np.ndarray
    features: np.ndarray


class Backend(ABC):
    """A network that is ready to run.

    Attributes:
        name: As it is chosen, for instance ``"onnx"``.
        precision: A name in :data:`PRECISIONS`: what the network computes in. What goes in and out is float32.
        engine: Library and version.
    """

    name: str
    precision: str
    engine: str

    @abstractmethod
    def forward(self, images: np.ndarray) -> Forward:
        """Run the network on images ``(B, C, H, W)``, float32 in [0, 1]; any B."""

    def logits(self, images: np.ndarray) -> np.ndarray:
        """Return the logits ``(B, num_outputs)``, float32, of images ``(B, C, H, W)``, float32 in [0, 1]."""
        return self.forward(images).logits

    @property
    def facts(self) -> dict[str, Any]:
        """What ran, for records: `backend`, `engine` and `precision`."""
        return {"backend": self.name, "engine": self.engine, "precision": self.precision}


def require_precision(backend: str, precision: str) -> None:
    """Check that a backend computes in a precision.

    Raises:
        ConfigError: If there is no such precision, or this backend does not have it.
    """
    if precision not in PRECISIONS:
        raise ConfigError(f"precision is {precision!r}, expected one of {', '.join(PRECISIONS)}")
    if precision not in COMPUTES_IN[backend]:
        others = [name for name, precisions in COMPUTES_IN.items() if precision in precisions]
        raise ConfigError(
            f"backend {backend} computes in {' and '.join(COMPUTES_IN[backend])} only, not in {precision}; choose "
            f"one of {', '.join(others)} for it"
        )


def threads_wanted(threads: int | None = None) -> int:
    """Return the threads of one pass: those given, else ``OMP_NUM_THREADS``, else 0 for the engine's own choice."""
    if threads is not None:
        return threads
    text = os.environ.get(THREADS_VARIABLE, "")
    return int(text) if text.isdecimal() else 0


def missing_package(backend: str, package: str, extra: str) -> MissingDependencyError:
    """Return the error for a backend whose package is not installed."""
    return MissingDependencyError(
        f"backend {backend} needs {package}, which is not installed: pip install 'lungscan-monai[{extra}]', or choose "
        "--backend torch"
    )
