"""How fast each backend runs the networks of the bundles, and how far its answers are from PyTorch's.

    python scripts/benchmarks/backends.py [--network BACKBONE] [--batch 8] [--rounds 5]

The networks have the bundles' shape and random weights; in int8 all their convolutions are. The baseline is PyTorch,
eager, float32, in the usual memory format (NCHW); all others take turns with it, so that a change of the machine's
speed meets all alike. Printed for each: the ratio of its fastest pass to that of the baseline, and the largest
difference of any probability. ``OMP_NUM_THREADS`` sets the threads of all. With one thread the processor's time is
counted, which a busy machine changes little, else the time of the clock.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from lungscan_monai.errors import MissingDependencyError
from lungscan_monai.inference.backends.base import Backend
from lungscan_monai.inference.backends.exported import sample_images
from lungscan_monai.inference.backends.exporting import export_model
from lungscan_monai.inference.backends.quantised import ensure_quantised
from lungscan_monai.inference.backends.starting import start_engine
from lungscan_monai.inference.backends.torch_backend import TorchBackend
from lungscan_monai.networks import TimmClassifier
from lungscan_monai.transforms.outputs import probabilities


@dataclass(frozen=True)
class Network:
    """The network of a bundle: backbone, side of its input, kind of task, number of logits, settings of the head."""

    backbone: str
    side: int
    kind: str
    outputs: int
    head: dict


NETWORKS = (
    Network("mobilenetv2_035", 96, "multiclass", 4, {"hidden_features": 32}),
    Network("mobilenetv2_100", 224, "binary", 1, {}),
    Network("resnet18", 224, "multiclass", 3, {}),
    Network("convnextv2_tiny", 224, "multiclass", 4, {"head_norm": True}),
    Network("convnext_large", 512, "multilabel", 14, {"head_norm": True}),
)


class Nchw(TorchBackend):
    """PyTorch in the memory format that a network has unless something is done."""

    def __init__(self, network: TimmClassifier) -> None:
        super().__init__(network)

        def features(image: torch.Tensor) -> torch.Tensor:
            return network.backbone((image - network.mean) / network.std)

        network.features = features


def made(network: Network) -> TimmClassifier:
    """Return the network with random weights, the same each time."""
    torch.manual_seed(0)
    classifier = TimmClassifier(network.backbone, network.outputs, weights="none", **network.head)
    return classifier.eval()


def backends(network: Network, compiled: bool) -> dict[str, Backend]:
    """Return what can run here, by name; the first is the baseline."""
    shape = (3, network.side, network.side)
    classifier = made(network)
    found: dict[str, Backend] = {"eager NCHW float32": Nchw(made(network).to(memory_format=torch.contiguous_format))}
    makers: dict[str, Callable[[], Backend]] = {
        "torch float32 (channels last)": lambda: TorchBackend(classifier),
        "torch bfloat16": lambda: TorchBackend(classifier, "bfloat16"),
    }
    if compiled:
        makers["torch-compile float32"] = lambda: TorchBackend(classifier, compiled=True)
    with tempfile.TemporaryDirectory() as folder:
        makers["onnx float32"] = lambda: start_engine("onnx", exported)
        makers["onnx int8"] = lambda: start_engine("onnx", exported, "int8")
        for precision in ("float32", "bfloat16", "int8"):
            makers[f"openvino {precision}"] = lambda precision=precision: start_engine("openvino", exported, precision)
        try:
            exported = export_model(classifier, Path(folder), "benchmark", shape)
            ensure_quantised(exported, lambda: [sample_images(shape, 4)], {}, lambda made: 0.0)
        except MissingDependencyError as error:
            sys.exit(str(error))
        for name, make in makers.items():
            try:
                found[name] = make()
            except MissingDependencyError as error:
                print(f"{name}: {error}")
    return found


def fastest(found: dict[str, Backend], images: np.ndarray, rounds: int) -> dict[str, float]:
    """Let all take turns and return the seconds of the fastest pass of each."""
    clock = time.process_time if torch.get_num_threads() == 1 else time.perf_counter
    seconds = dict.fromkeys(found, float("inf"))
    for number in range(rounds + 1):  # the first round warms up
        for name, backend in found.items():
            started = clock()
            backend.logits(images)
            passed = clock() - started
            seconds[name] = min(seconds[name], passed) if number else seconds[name]
    return seconds


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", choices=[network.backbone for network in NETWORKS], help="one of them; else all")
    parser.add_argument("--batch", type=int, default=8, help="images in one pass")
    parser.add_argument("--rounds", type=int, default=5, help="passes of each")
    parser.add_argument("--compile", action="store_true", help="torch.compile, too; it builds for a minute or two")
    options = parser.parse_args()
    print(f"batch {options.batch}, {torch.get_num_threads()} thread(s), {options.rounds} rounds")
    for network in NETWORKS:
        if options.network not in (None, network.backbone):
            continue
        images = sample_images((3, network.side, network.side), options.batch)
        found = backends(network, options.compile)
        seconds = fastest(found, images, options.rounds)
        base = next(iter(found))
        rows = {name: probabilities(torch.from_numpy(one.logits(images)), network.kind) for name, one in found.items()}
        print(f"\n{network.backbone} @{network.side}")
        for name, passed in seconds.items():
            difference = float((rows[name] - rows[base]).abs().max())
            rate = options.batch / passed
            print(f"  {name:30s} {seconds[base] / passed:5.2f}x  {rate:8.1f} images/s  difference {difference:.1e}")


if __name__ == "__main__":
    main()
