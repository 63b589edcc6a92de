"""The forward pass of training, validation and inference, in the precision asked for."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import torch
from monai.inferers import SimpleInferer

from lungscan_monai.errors import ConfigError

logger = logging.getLogger(__name__)

PRECISIONS = ("float32", "bfloat16", "auto")

_CPU_FEATURES = ("amx_bf16", "avx512_bf16", "sve_bf16", "bf16")
"""What :func:`torch.cpu.get_capabilities` calls instructions that multiply bfloat16."""


def has_bfloat16(device: torch.device) -> bool:
    """Tell whether the device multiplies bfloat16 by instructions of its own; elsewhere it is slower than float32.

    A torch older than :func:`torch.cpu.get_capabilities` cannot tell for a CPU, so the answer is no.
    """
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type != "cpu" or not hasattr(torch.cpu, "get_capabilities"):
        return False
    capabilities = torch.cpu.get_capabilities()
    return any(capabilities.get(feature, False) for feature in _CPU_FEATURES)


class PrecisionInferer(SimpleInferer):
    """Run a network on a batch, in bfloat16 where wanted, by torch's autocast; the result is float32 in any case.

    bfloat16 has the range of float32, so that no gradient needs to be scaled, and two to three significant digits.
    MONAI's own `amp` has an effect on GPUs only; this works on a CPU too. There, ordinary convolutions gain most (a
    ResNet-18 trains almost twice as fast on a processor with AVX512-BF16), while small networks of depthwise
    convolutions may lose (MobileNetV2 0.35 at 96 x 96): compare with ``profile``.

    Args:
        precision: ``"float32"``, ``"bfloat16"``, or ``"auto"``: bfloat16 where the device has instructions for it.

    Raises:
        ConfigError: If it is another word.
    """

    def __init__(self, precision: str = "float32") -> None:
        super().__init__()
        if precision not in PRECISIONS:
            raise ConfigError(f"precision is {precision!r}, expected one of {', '.join(PRECISIONS)}")
        self.precision = precision

    def __call__(
        self, inputs: torch.Tensor, network: Callable[..., torch.Tensor], *args: Any, **kwargs: Any
    ) -> torch.Tensor:
        """Return the network's output for `inputs` as float32; `args` and `kwargs` are the network's."""
        if self.precision == "auto":
            self.precision = "bfloat16" if has_bfloat16(inputs.device) else "float32"
            logger.info("precision auto: %s on %s", self.precision, inputs.device.type)
        if self.precision == "float32":
            return super().__call__(inputs, network, *args, **kwargs)
        with torch.autocast(inputs.device.type, torch.bfloat16):
            return super().__call__(inputs, network, *args, **kwargs).float()
