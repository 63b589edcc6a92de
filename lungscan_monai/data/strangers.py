"""Generated pictures that are no chest X-ray, to train the class Unknown with.

They belong to nobody and cost nothing, but they are easy: without photographs and pictures of other parts of the body
beside them, a network learns to refuse nothing else.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from lungscan_monai.data.phantoms.chest_xray import chest_xray
from lungscan_monai.data.phantoms.request import Request
from lungscan_monai.data.phantoms.strangers import stranger
from lungscan_monai.data.phantoms.textures import power_law_noise
from lungscan_monai.data.phantoms.writing import write_png
from lungscan_monai.errors import ConfigError, OutputError
from lungscan_monai.storage import require_writable

_SMALLEST = 32
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 .:-/"


def write_strangers(
    output: str | os.PathLike,
    count: int,
    size: int = 256,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[Path, ...]:
    """Write pictures that are no chest X-ray, of the kinds of `KINDS` in turn.

    The same arguments give the same bytes; of another `count`, the pictures with the same numbers are the same.

    Args:
        output: The folder; it must be empty, or not exist.
        count: Number of pictures.
        size: Rows and columns.
        seed: Seed of everything.
        progress: Called after each picture with the number done and the number wanted.

    Returns:
        The files, ``<kind>_<number>.png``.

    Raises:
        ConfigError: If `count` or `size` is too small.
        OutputError: If the folder is not empty, or cannot be written.
    """
    if count < 1 or size < _SMALLEST:
        raise ConfigError(f"count is {count} and size {size}, expected at least 1 and {_SMALLEST}")
    folder = require_writable(output)
    if any(folder.iterdir()):
        raise OutputError(f"{folder}: is not empty; choose another folder, so that no older pictures are mixed in")
    files = []
    names = tuple(KINDS)
    for number in range(count):
        kind = names[number % len(names)]
        files.append(folder / f"{kind}_{number + 1:05d}.png")
        write_png(files[-1], KINDS[kind](Request(seed, number + 1, 1, size)))
        if progress is not None:
            progress(number + 1, count)
    return tuple(files)


def _phantom(request: Request) -> np.ndarray:
    """A hand, a CT slice, a landscape, a page, ...: what the phantoms of the task have for Unknown."""
    return stranger(request).grey


def _blank(request: Request) -> np.ndarray:
    """One grey, black or white, perhaps in a frame; with a faint grain, so that no two are equal byte for byte."""
    rng, shape = request.taking(), (request.size, request.size)
    grey = np.full(shape, rng.choice((0.0, 1.0, rng.uniform())))
    if rng.random() < 0.5:
        border = int(rng.integers(1, request.size // 4))
        grey[border:-border, border:-border] = rng.uniform()
    return np.clip(grey + rng.normal(0.0, rng.uniform(0.002, 0.02), shape), 0, 1)


def _noise(request: Request) -> np.ndarray:
    """Normal, uniform, coloured, or black and white dots."""
    rng, shape = request.taking(), (request.size, request.size)
    kind = rng.integers(4)
    if kind == 0:
        return np.clip(rng.normal(rng.uniform(0.2, 0.8), rng.uniform(0.05, 0.4), shape), 0, 1)
    if kind == 1:
        return rng.uniform(size=shape)
    if kind == 2:
        coloured = power_law_noise(int(rng.integers(2**31)), request.size, rng.uniform(0.5, 3.0))
        return np.clip(0.5 + rng.uniform(0.1, 0.3) * coloured, 0, 1)
    dots = rng.uniform(size=shape)
    share = rng.uniform(0.01, 0.5)
    return np.where(dots < share / 2, 0.0, np.where(dots > 1 - share / 2, 1.0, rng.uniform()))


def _gradient(request: Request) -> np.ndarray:
    """Light that falls off along a line, or round a point."""
    rng = request.taking()
    y, x = (np.mgrid[: request.size, : request.size] + 0.5) / request.size
    if rng.random() < 0.5:
        bearing = rng.uniform(0, 2 * np.pi)
        ramp = np.cos(bearing) * x + np.sin(bearing) * y
    else:
        ramp = np.hypot(x - rng.uniform(), y - rng.uniform())
    return (ramp - ramp.min()) / np.ptp(ramp) * rng.uniform(0.3, 1.0)


def _pattern(request: Request) -> np.ndarray:
    """Checks or stripes."""
    rng = request.taking()
    y, x = np.mgrid[: request.size, : request.size] // int(rng.integers(2, request.size // 4))
    odd = (x + y) % 2 if rng.random() < 0.5 else (x if rng.random() < 0.5 else y) % 2
    return np.where(odd == 1, rng.uniform(), rng.uniform())


def _text(request: Request) -> np.ndarray:
    """Lines of letters, dark on light or light on dark."""
    rng = request.taking()
    paper, ink = (255, int(rng.integers(120))) if rng.random() < 0.5 else (int(rng.integers(60)), 255)
    picture = Image.new("L", (request.size, request.size), paper)
    pen, height = ImageDraw.Draw(picture), int(rng.integers(8, max(request.size // 8, 9)))
    for top in range(0, request.size, height + 4):
        letters = "".join(rng.choice(list(_LETTERS), size=int(rng.integers(3, 40))))
        pen.text((int(rng.integers(request.size // 3)), top), letters, fill=ink, font_size=height)
    return np.asarray(picture) / 255.0


def _tiles(request: Request) -> np.ndarray:
    """A simulated chest radiograph in pieces, shuffled, turned, some inverted: its greys without its anatomy."""
    rng = request.taking()
    grey = chest_xray(request, ()).grey
    number = int(rng.integers(3, 8))
    side = request.size // number
    tiles = [
        grey[side * row : side * (row + 1), side * column : side * (column + 1)]
        for row in range(number)
        for column in range(number)
    ]
    turned = [np.rot90(tile, int(rng.integers(4))) for tile in tiles]
    mixed = [1 - turned[place] if rng.random() < 0.3 else turned[place] for place in rng.permutation(len(tiles))]
    whole = np.block([mixed[row * number : (row + 1) * number] for row in range(number)])
    return np.pad(whole, ((0, request.size - len(whole)),) * 2)


KINDS: dict[str, Callable[[Request], np.ndarray]] = {
    "phantom": _phantom,
    "blank": _blank,
    "noise": _noise,
    "gradient": _gradient,
    "pattern": _pattern,
    "text": _text,
    "tiles": _tiles,
}
"""Kind of picture -> what makes one: grey values in [0, 1] of shape ``(size, size)``."""
