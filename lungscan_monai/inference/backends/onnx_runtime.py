"""ONNX Runtime (extra `export`) on an exported model; the CPU, float32."""

from __future__ import annotations

import numpy as np

from lungscan_monai.inference.backends.base import Backend, Forward, missing_package, threads_wanted
from lungscan_monai.inference.backends.exported import ExportedModel


class OnnxRuntimeBackend(Backend):
    """An exported model in ONNX Runtime, which fuses and simplifies it when it is loaded.

    Args:
        exported: The model.
        threads: Threads for one pass; None as `OMP_NUM_THREADS` says, else ONNX Runtime's own choice.

    Raises:
        MissingDependencyError: If ONNX Runtime is not installed.
    """

    name = "onnx"
    precision = "float32"

    def __init__(self, exported: ExportedModel, threads: int | None = None) -> None:
        try:
            import onnxruntime
        except ImportError as error:
            raise missing_package(self.name, "onnxruntime", "export") from error
        self.engine = f"onnxruntime {onnxruntime.__version__}"
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads_wanted(threads)
        self._session = onnxruntime.InferenceSession(exported.path, options, providers=["CPUExecutionProvider"])

    def forward(self, images: np.ndarray) -> Forward:
        """Run the network on images ``(B, C, H, W)``, float32 in [0, 1]; any B."""
        return Forward(*self._session.run(["logits", "features"], {"image": np.ascontiguousarray(images)}))
