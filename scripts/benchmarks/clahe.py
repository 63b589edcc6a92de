"""CLAHE side by side: OpenCV's engine as the toolkit calls it, and scikit-image's `equalize_adapthist`.

Run ``python scripts/benchmarks/clahe.py``. The goal is at least 10 times faster at 2048 x 2048. The two follow the same
method with different details, so their pictures differ; how much is printed too.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import cv2
import numpy as np
from scipy.ndimage import gaussian_filter
from skimage.exposure import equalize_adapthist

from lungscan_monai.transforms.clahe import clahe

SIZES = (512, 1024, 2048)
ROUNDS = 7


def picture(size: int, seed: int = 0) -> np.ndarray:
    """A soft random picture with grain, in [0, 1], shape ``(size, size)``, float32."""
    generator = np.random.default_rng(seed)
    soft = gaussian_filter(generator.normal(size=(size, size)), size / 16)
    soft = (soft - soft.min()) / (soft.max() - soft.min())
    return np.clip(soft + generator.normal(scale=0.02, size=soft.shape), 0, 1).astype(np.float32)


def seconds(function: Callable[[], object]) -> float:
    """Time of one call."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def compare(size: int) -> str:
    """One line of the table; the two take turns, so that a busy machine slows both."""
    image = picture(size)
    candidates = {
        "8 bit": lambda: clahe(image, clip_limit=2.0, tiles=(8, 8)),
        "16 bit": lambda: clahe(image, clip_limit=2.0, tiles=(8, 8), bits=16),
        "scikit-image": lambda: equalize_adapthist(image, kernel_size=size // 8, clip_limit=0.01),
    }
    times: dict[str, list[float]] = {name: [] for name in candidates}
    for _ in range(ROUNDS):
        for name, function in candidates.items():
            times[name].append(seconds(function))
    best = {name: min(values) for name, values in times.items()}
    difference = np.abs(candidates["8 bit"]() - candidates["scikit-image"]()).mean()
    return (
        f"{size:5} {best['8 bit'] * 1e3:9.1f} {best['16 bit'] * 1e3:9.1f} {best['scikit-image'] * 1e3:13.1f}"
        f" {best['scikit-image'] / best['8 bit']:9.1f}x {best['scikit-image'] / best['16 bit']:9.1f}x"
        f" {difference:11.3f}"
    )


def main() -> None:
    """Print the table."""
    print(f"threads of OpenCV: {cv2.getNumThreads()}; best of {ROUNDS} rounds, times in ms")
    print(
        f"{'size':>5} {'8 bit':>9} {'16 bit':>9} {'scikit-image':>13} {'8 bit':>10} {'16 bit':>10} {'mean |diff|':>11}"
    )
    for size in SIZES:
        print(compare(size), flush=True)


if __name__ == "__main__":
    main()
