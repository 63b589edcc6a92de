"""Turn Keras Applications' ImageNet weights of MobileNetV2 into a file that `--weights` takes.

timm has no weights for the narrow MobileNetV2 of the kidney task; Keras has, as an HDF5 file (``no_top.h5``):

    python scripts/convert_keras_weights.py mobilenet_v2_weights_..._0.35_96_no_top.h5 mobilenetv2_035.safetensors

It needs `h5py` (``pip install h5py``). The result holds the backbone of timm's network of that width, and wants images
in [-1, 1]: a mean and a standard deviation of 0.5, as the kidney bundle states them.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import timm
import torch
from safetensors.torch import save_file
from torch import nn

KERAS_EPSILON = 1e-3
"""What Keras adds to the variance in batch norm; the difference to timm's goes into the stored variance."""


def convert(arrays: dict[tuple[str, str], np.ndarray], backbone: nn.Module) -> dict[str, torch.Tensor]:
    """Return the state dictionary of a timm MobileNetV2 with the weights of Keras's.

    Args:
        arrays: Keras's arrays by layer and weight, for instance ``("Conv1", "kernel")``.
        backbone: The timm network without its classifier; it says how names and shapes must come out.

    Raises:
        ValueError: If a layer is missing, left over, or has another shape.
    """
    expected, converted = backbone.state_dict(), {}
    modules = [(name, part) for name, part in backbone.named_modules() if isinstance(part, nn.Conv2d | nn.BatchNorm2d)]
    layers = list(_keras_layers())
    if len(layers) != len(modules) or {layer for layer, _ in arrays} != set(layers):
        raise ValueError(f"expected the {len(modules)} layers of a MobileNetV2 without its top, found other ones")
    for layer, (name, module) in zip(layers, modules, strict=True):
        own = {weight: array for (of_layer, weight), array in arrays.items() if of_layer == layer}
        is_norm = isinstance(module, nn.BatchNorm2d)
        for entry, array in (_batch_norm(own, module) if is_norm else _convolution(layer, own)).items():
            tensor = torch.from_numpy(np.ascontiguousarray(array, dtype=np.float32))
            if tensor.shape != expected[f"{name}.{entry}"].shape:
                raise ValueError(f"{layer}: shape {tuple(tensor.shape)}; is the width (--backbone) right?")
            converted[f"{name}.{entry}"] = tensor
    counts = {name: value for name, value in expected.items() if name.endswith("num_batches_tracked")}
    return {**converted, **counts}


def _keras_layers() -> Iterator[str]:
    """Give the names of Keras's layers with weights, from the input to the top."""
    yield from ("Conv1", "bn_Conv1")
    for block in ("expanded_conv", *(f"block_{number}" for number in range(1, 17))):
        parts = ("depthwise", "project") if block == "expanded_conv" else ("expand", "depthwise", "project")
        for part in parts:
            yield from (f"{block}_{part}", f"{block}_{part}_BN")
    yield from ("Conv_1", "Conv_1_bn")


def _convolution(layer: str, own: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    if "depthwise" in layer:  # (rows, columns, channels, 1), under the one name in Keras 2 and the other in Keras 3
        return {"weight": own.get("depthwise_kernel", own.get("kernel")).transpose(2, 3, 0, 1)}
    return {"weight": own["kernel"].transpose(3, 2, 0, 1)}  # (rows, columns, in, out)


def _batch_norm(own: dict[str, np.ndarray], module: nn.BatchNorm2d) -> dict[str, np.ndarray]:
    return {
        "weight": own["gamma"],
        "bias": own["beta"],
        "running_mean": own["moving_mean"],
        "running_var": own["moving_variance"] + (KERAS_EPSILON - module.eps),
    }


def read_arrays(path: Path) -> dict[tuple[str, str], np.ndarray]:
    """Return the arrays of Keras's HDF5 file by layer and weight."""
    import h5py

    arrays: dict[tuple[str, str], np.ndarray] = {}

    def take(name: str, entry: object) -> None:
        if isinstance(entry, h5py.Dataset):
            layer, *_, weight = name.split("/")
            arrays[layer, weight.partition(":")[0]] = entry[()]

    with h5py.File(path) as file:
        file.visititems(take)
    return arrays


def main() -> None:
    """Convert one file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path, help="Keras's file, mobilenet_v2_weights_..._no_top.h5")
    parser.add_argument("output", type=Path, help="the file to write, .safetensors")
    parser.add_argument("--backbone", default="mobilenetv2_035", help="timm name of the network of the same width")
    options = parser.parse_args()
    backbone = timm.create_model(options.backbone, num_classes=0)
    save_file(convert(read_arrays(options.source), backbone), options.output)
    print(options.output)


if __name__ == "__main__":
    main()
