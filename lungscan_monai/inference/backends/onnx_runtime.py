"""ONNX Runtime (extra `export`) on an exported model; the CPU, float32 or int8. It also makes models of int8."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from lungscan_monai.inference.backends.base import Backend, Forward, missing_package, threads_wanted
from lungscan_monai.inference.backends.exported import ExportedModel

_IN_INT8 = ("Conv", "MatMul", "Add", "Relu", "Clip", "MaxPool", "AveragePool", "Concat")
"""What is computed in int8. The linear layers of the head are `Gemm`: they stay in float32, as norms and means do."""


class OnnxRuntimeBackend(Backend):
    """An exported model in ONNX Runtime, which fuses and simplifies it when it is loaded.

    Args:
        exported: The model; for ``"int8"`` the one that :func:`write_int8` made of it.
        precision: ``"float32"`` or ``"int8"``.
        threads: Threads for one pass; None as `OMP_NUM_THREADS` says, else ONNX Runtime's own choice.

    Raises:
        MissingDependencyError: If ONNX Runtime is not installed.
    """

    name = "onnx"

    def __init__(self, exported: ExportedModel, precision: str = "float32", threads: int | None = None) -> None:
        try:
            import onnxruntime
        except ImportError as error:
            raise missing_package(self.name, "onnxruntime", "export") from error
        self.precision = precision
        self.engine = f"onnxruntime {onnxruntime.__version__}"
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads_wanted(threads)
        self._session = onnxruntime.InferenceSession(exported.path, options, providers=["CPUExecutionProvider"])

    def forward(self, images: np.ndarray) -> Forward:
        """Run the network on images ``(B, C, H, W)``, float32 in [0, 1]; any B."""
        return Forward(*self._session.run(["logits", "features"], {"image": np.ascontiguousarray(images)}))


def write_int8(source: Path, target: Path, batches: Iterable[np.ndarray], in_float: float = 0.0) -> None:
    """Make a model of int8 from an exported one, after training: static ranges, one scale for each output channel.

    Weights are signed, what flows between the layers is unsigned, in the form (QDQ) that ONNX Runtime and OpenVINO run
    in int8. The ranges are the least and the most that the network gives for the pictures.

    Args:
        source: The exported model.
        target: The file to write.
        batches: Pictures ``(B, C, H, W)``, float32 in [0, 1], as the model will meet them.
        in_float: Share of the convolutions, from the input, that stay in float32, in [0, 1].

    Raises:
        MissingDependencyError: If ONNX Runtime or onnx is not installed.
    """
    try:
        import onnx
        from onnxruntime import quantization
    except ImportError as error:
        raise missing_package("onnx", "onnxruntime and onnx", "export") from error

    class Pictures(quantization.CalibrationDataReader):
        def __init__(self, given: Iterator[np.ndarray]) -> None:
            self._given = given

        def get_next(self) -> dict[str, np.ndarray] | None:
            batch = next(self._given, None)
            return None if batch is None else {"image": batch}

    model = onnx.load(source)
    model.metadata_props.add(key="onnx.quant.pre_process", value="onnxruntime.quant")  # the exporter folds and infers
    convolutions = [node.name for node in model.graph.node if node.op_type == "Conv"]
    quantization.quantize_static(
        model,
        target,
        Pictures(iter(batches)),
        quant_format=quantization.QuantFormat.QDQ,
        op_types_to_quantize=list(_IN_INT8),
        nodes_to_exclude=convolutions[: round(in_float * len(convolutions))],
        per_channel=True,
        activation_type=quantization.QuantType.QUInt8,
        weight_type=quantization.QuantType.QInt8,
        calibrate_method=quantization.CalibrationMethod.MinMax,
    )
