"""How well letters burned into radiographs are found: on simulated ones, with and without text drawn on them.

python scripts/benchmarks/burned_in_text.py --count 120 --size 512
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import cv2
import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from lungscan_monai.data.phantoms.generate import generate_phantoms
from lungscan_monai.metrics.intervals import wilson_interval
from lungscan_monai.saliency.burned_in import text_mask

FONTS = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
KINDS = {
    "marker L or R": (("L", "R"), (0.03, 0.06), 0.0),
    "AP, PORTABLE, SUPINE": (("AP", "PORTABLE", "SUPINE"), (0.018, 0.03), 0.0),
    "date and time": (("2026-03-14 09:41", "14.03.2026", "09:41:27"), (0.018, 0.03), 0.0),
    "marker of lead, blurred": (("L", "R"), (0.03, 0.06), 0.003),
}
"""Name -> texts, heights and blur (sigma), the last two as shares of the image's side."""


LEGIBLE = 0.25
"""Text is drawn where the image is darker than it by this much."""

TRIES = 200
"""Places tried; on an image that is bright everywhere the last one is taken."""


def drawn(image: np.ndarray, kind: str, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Draw one text near an edge of an image, in a brightness from 0.8 to 1, where it can be read.

    Returns:
        The image, and where the text is (boolean).
    """
    texts, heights, blur = KINDS[kind]
    side = image.shape[0]
    name = rng.choice(["DejaVuSans.ttf", "DejaVuSans-Bold.ttf", "DejaVuSerif.ttf", "DejaVuSansMono.ttf"])
    font = ImageFont.truetype(str(FONTS / name), max(6, round(rng.uniform(*heights) * side / 0.73)))
    text, shade = str(rng.choice(texts)), rng.uniform(0.8, 1.0)
    for _ in range(TRIES):
        opacity = _written(text, font, side, rng)
        if np.median(image[opacity > 0]) < shade - LEGIBLE:
            break
    if blur:
        opacity = cv2.GaussianBlur(opacity, (0, 0), blur * side)
    lighter = image + opacity * np.maximum(0, shade - image)
    return lighter, opacity > 0.5 * opacity.max()


def _written(text: str, font: ImageFont.FreeTypeFont, side: int, rng: np.random.Generator) -> np.ndarray:
    """Return how opaque each pixel is of a text at any place near an edge, in [0, 1]."""
    left, top, right, bottom = font.getbbox(text)
    across, down = side - (right - left) - 4, side - (bottom - top) - 4
    along, near = rng.uniform(), rng.uniform(0, 0.08)
    x, y = [(along, near), (along, 1 - near), (near, along), (1 - near, along)][rng.integers(4)]
    layer = Image.new("L", (side, side))
    ImageDraw.Draw(layer).text((2 + x * across - left, 2 + y * down - top), text, fill=255, font=font)
    return np.asarray(layer, np.float32) / 255


def share_found(images: list[np.ndarray], kind: str, seed: int) -> tuple[int, float]:
    """Return in how many images at least half of the text is found, and the mean share of it that is found."""
    rng = np.random.default_rng(seed)
    shares = []
    for image in images:
        written, where = drawn(image, kind, rng)
        shares.append(float(text_mask(written)[where].mean()))
    return sum(share >= 0.5 for share in shares), float(np.mean(shares))


def main() -> None:
    """Print what is found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=120, help="number of radiographs")
    parser.add_argument("--size", type=int, default=512, help="their rows and columns")
    parser.add_argument("--seed", type=int, default=0, help="seed of everything")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        generate_phantoms("pneumonia_cxr", folder, count=given.count, size=given.size, seed=given.seed)
        files = sorted(Path(folder, "images").glob("*.png"))
        images = [np.asarray(Image.open(file), np.float32) / 255 for file in files]
    clean = [text_mask(image) for image in images]
    empty = sum(not mask.any() for mask in clean)
    area = float(np.mean([mask.mean() for mask in clean]))
    print(f"{len(images)} simulated radiographs of {given.size} x {given.size}, seed {given.seed}")
    print(f"without text: nothing found in {_counted(empty, len(images))}; {area:.3%} of the area called text")
    for kind in KINDS:
        found, share = share_found(images, kind, given.seed)
        print(f"{kind}: found in {_counted(found, len(images))}; {share:.1%} of the letters' pixels")


def _counted(number: int, total: int) -> str:
    interval = wilson_interval(number, total)
    return f"{number} of {total} ({number / total:.3f} [{interval.low:.3f}, {interval.high:.3f}])"


if __name__ == "__main__":
    main()
