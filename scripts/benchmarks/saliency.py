"""What an explained prediction costs, in plain forward passes over the same batch.

Networks start from random weights: time does not depend on them. Each round measures plain prediction and every way of
explaining in turn, so that a busy machine slows all of them alike; the medians over the rounds are printed.

    python scripts/benchmarks/saliency.py --rounds 15
"""

from __future__ import annotations

import argparse
import copy
import statistics
import time
from collections.abc import Callable

import monai.visualize
import torch

from lungscan_monai.networks import SALIENCY_LAYER, TimmClassifier
from lungscan_monai.saliency.cams import explain
from lungscan_monai.saliency.scaling import scale_to_peak

CASES = (("mobilenetv2_035", 96), ("resnet18", 224))
NUM_LABELS = 14
ONE, ALL = "ours, 1 class", f"ours, {NUM_LABELS} classes"
GOALS = {ONE: 1.15, ALL: 2.5}
PLAIN = "plain prediction"


def our_ways(network: TimmClassifier, images: torch.Tensor) -> dict[str, Callable[[], object]]:
    """Return plain prediction and our ways to explain a batch."""
    each = torch.arange(len(images)) % NUM_LABELS
    every = torch.arange(NUM_LABELS).expand(len(images), -1)
    return {
        PLAIN: lambda: predict(network, images),
        ONE: lambda: explain(network, images, each, "multilabel"),
        ALL: lambda: explain(network, images, every, "multilabel"),
        **{
            f"ours, {method}, 1 class": lambda method=method: explain(network, images, each, "multilabel", method)
            for method in ("gradcam++", "layercam", "hirescam")
        },
    }


def monai_ways(network: TimmClassifier, images: torch.Tensor) -> dict[str, Callable[[], object]]:
    """Return plain prediction and MONAI's Grad-CAM, case by case and class by class."""
    visualizer = monai.visualize.GradCAM(copy.deepcopy(network), SALIENCY_LAYER, postprocessing=scale_to_peak)

    def run(num_labels: int) -> torch.Tensor:
        return torch.cat([visualizer(image[None], class_idx=k) for image in images for k in range(num_labels)])

    return {
        PLAIN: lambda: predict(network, images),
        "MONAI case by case, 1 class": lambda: run(1),
        f"MONAI case by case, {NUM_LABELS} classes": lambda: run(NUM_LABELS),
    }


def predict(network: TimmClassifier, images: torch.Tensor) -> torch.Tensor:
    """Return probabilities, as one does without explanations."""
    with torch.inference_mode():
        return network(images).sigmoid()


def report(ways: dict[str, Callable[[], object]], rounds: int, clock: Callable[[], float]) -> None:
    """Print the median time of each way, and the median of its ratio to plain prediction in the same round."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(rounds + 1):  # the first warms up
        for name, work in ways.items():
            start = clock()
            work()
            if turn:
                seconds[name].append(clock() - start)
    for name, values in seconds.items():
        ratio = statistics.median(ours / plain for ours, plain in zip(values, seconds[PLAIN], strict=True))
        goal = f"   (goal: at most {GOALS[name]} x)" if name in GOALS else ""
        print(f"  {name:32} {statistics.median(values) * 1000:9.1f} ms {ratio:8.2f} x{goal}", flush=True)


def main() -> None:
    """Print one table for each network."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15, help="rounds of ours; MONAI's takes a fifth of them")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--cpu-time", action="store_true", help="count the process's CPU time, for a busy machine")
    arguments = parser.parse_args()
    clock = time.process_time if arguments.cpu_time else time.perf_counter
    torch.manual_seed(0)
    for backbone, side in CASES:
        network = TimmClassifier(backbone, NUM_LABELS, weights="none").eval()
        images = torch.rand(arguments.batch, 3, side, side)
        print(f"{backbone} {side}x{side}, batch of {arguments.batch}, {torch.get_num_threads()} threads")
        with torch.no_grad():
            report(our_ways(network, images), arguments.rounds, clock)
        report(monai_ways(network, images), max(1, arguments.rounds // 5), clock)


if __name__ == "__main__":
    main()
