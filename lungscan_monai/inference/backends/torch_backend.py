"""PyTorch, eager or compiled, in float32 or bfloat16, on the CPU or a GPU; in float32 all others are measured by it."""

from __future__ import annotations

from math import ceil
from typing import Any

import numpy as np
import torch
from torch import nn

from lungscan_monai.compiling import tried_compile
from lungscan_monai.inference.backends.base import Backend, Forward
from lungscan_monai.networks import TimmClassifier

PIXELS_AT_ONCE = {"float32": 2**18, "bfloat16": 2**19}
"""Pixels of the pictures that go through the network together on a CPU, by what it computes in, for up to two threads;
more threads have more caches, and take more.

With more pixels, layer after layer has more maps than the caches hold: ImageNet networks took 5 to 50 % longer, and
several times the memory. Small pictures go together, since a pass has costs of its own.
"""


class LogitsAndFeatures(nn.Module):
    """A network that returns its logits ``(B, num_outputs)`` and the means of its feature map ``(B, C)``."""

    def __init__(self, network: TimmClassifier) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Run the network once on images ``(B, C, H, W)`` in [0, 1]."""
        features = self.network.features(image)
        return self.network.classify(features), features.mean(dim=(2, 3))


class TorchBackend(Backend):
    """The network itself.

    Args:
        network: In evaluation mode, on its device.
        precision: ``"float32"``, or ``"bfloat16"`` by torch's autocast.
        compiled: Whether `torch.compile` builds code for it, which takes a minute at the first pass.

    Raises:
        MissingDependencyError: If it shall be compiled and `torch.compile` does not work here.
    """

    def __init__(self, network: TimmClassifier, precision: str = "float32", compiled: bool = False) -> None:
        self.name = "torch-compile" if compiled else "torch"
        self.precision = precision
        self.engine = f"torch {torch.__version__}"
        self.device = next(network.parameters()).device
        module = LogitsAndFeatures(network).eval()
        self._run = torch.compile(module) if tried_compile(compiled, self.device) else module

    def forward(self, images: np.ndarray) -> Forward:
        """Run the network on images ``(B, C, H, W)``, float32 in [0, 1]; any B, on a CPU in pieces of like size."""
        passes = [self._pass(piece) for piece in np.array_split(images, self._pieces(images))]
        return Forward(*map(np.concatenate, zip(*passes, strict=True)))

    def _pieces(self, images: np.ndarray) -> int:
        if self.device.type != "cpu":
            return 1
        at_once = PIXELS_AT_ONCE[self.precision] * max(1.0, torch.get_num_threads() / 2)
        return min(len(images), ceil(images.size / images.shape[1] / at_once))

    def _pass(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        bfloat16 = self.precision == "bfloat16"
        with torch.inference_mode(), torch.autocast(self.device.type, torch.bfloat16, enabled=bfloat16):
            logits, features = self._run(torch.from_numpy(np.ascontiguousarray(images)).to(self.device))
        return logits.float().cpu().numpy(), features.float().cpu().numpy()

    @property
    def facts(self) -> dict[str, Any]:
        """What ran, for records, with the device."""
        return {**super().facts, "device": str(self.device)}
