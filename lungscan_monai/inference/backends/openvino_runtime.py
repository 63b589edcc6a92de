"""OpenVINO (extra `openvino`) on an exported model; the CPU, float32, bfloat16 or int8."""

from __future__ import annotations

import numpy as np

from lungscan_monai.inference.backends.base import Backend, Forward, missing_package, threads_wanted
from lungscan_monai.inference.backends.exported import ExportedModel

_HINTS = {"float32": "f32", "bfloat16": "bf16", "int8": "f32"}
"""What is not in int8 in a model of int8 stays in float32."""


class OpenVinoBackend(Backend):
    """An exported model in OpenVINO.

    Args:
        exported: The model; for ``"int8"`` the one made for it.
        precision: ``"float32"``, ``"bfloat16"`` or ``"int8"``; said outright, since OpenVINO's own choice is bfloat16
            where the processor has it.
        threads: Threads for one pass; None as `OMP_NUM_THREADS` says, else OpenVINO's own choice.

    Raises:
        MissingDependencyError: If OpenVINO is not installed.
    """

    name = "openvino"

    def __init__(self, exported: ExportedModel, precision: str = "float32", threads: int | None = None) -> None:
        try:
            import openvino
        except ImportError as error:
            raise missing_package(self.name, "openvino", "openvino") from error
        self.precision = precision
        self.engine = f"openvino {openvino.__version__.split('-')[0]}"
        settings = {"INFERENCE_PRECISION_HINT": _HINTS[precision]}
        if wanted := threads_wanted(threads):
            settings["INFERENCE_NUM_THREADS"] = wanted
        self._model = openvino.Core().compile_model(exported.path, "CPU", settings)

    def forward(self, images: np.ndarray) -> Forward:
        """Run the network on images ``(B, C, H, W)``, float32 in [0, 1]; any B."""
        found = self._model({"image": np.ascontiguousarray(images)})
        return Forward(np.array(found["logits"]), np.array(found["features"]))
