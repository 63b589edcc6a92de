"""A CT slice in Hounsfield units, painted shape over shape with edges as soft as a pixel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter

from lungscan_monai.data.phantoms.projection import segment_distance

AIR, FAT, WATER, MUSCLE, BLOOD, SPONGY, COMPACT = -1000.0, -100.0, 0.0, 55.0, 42.0, 190.0, 620.0
"""Hounsfield units; air and water by definition, the rest typical of adults at 120 kV."""

Wave = tuple[int, float, float]


@dataclass(frozen=True)
class Shape:
    """A superellipse with a wavy outline; lengths in cm.

    Args:
        x: Middle, to the right edge of the picture (the patient's left).
        y: Middle, downwards (the patient's back).
        a: Half-axis along x before turning.
        b: Half-axis along y before turning.
        angle: Turn in radians, clockwise in the picture.
        power: 2 for an ellipse, more for squarer outlines.
        waves: Each ``(count, amplitude, phase)`` moves the outline outwards by the share
            ``amplitude * cos(count * theta + phase)`` of its radius.
    """

    x: float
    y: float
    a: float
    b: float
    angle: float = 0.0
    power: float = 2.0
    waves: tuple[Wave, ...] = ()

    def grown(self, by: float) -> Shape:
        """Return the shape with half-axes longer by so many cm, at least 0.01 cm."""
        return Shape(self.x, self.y, max(self.a + by, 0.01), max(self.b + by, 0.01), self.angle, self.power, self.waves)

    def section(self, offset: float, reach: float) -> Shape:
        """Return the cross-section `offset` cm off the middle of an ellipsoid whose third half-axis is `reach` cm."""
        share = np.sqrt(max(1.0 - (offset / reach) ** 2, 0.0))
        return Shape(
            self.x, self.y, max(self.a * share, 0.01), max(self.b * share, 0.01), self.angle, self.power, self.waves
        )


def waves(rng: np.random.Generator, counts: Sequence[int], amplitude: float) -> tuple[Wave, ...]:
    """Draw the waves of an outline, up to `amplitude` each."""
    return tuple((count, amplitude * rng.uniform(0.3, 1.0), rng.uniform(0.0, 2.0 * np.pi)) for count in counts)


class Canvas:
    """A square CT slice that starts as air.

    Args:
        size: Rows and columns.
        width: Width in cm.
        angle: Turn of the patient in radians.
        centre: The point ``(x, y)`` of the patient in the middle, in cm.
    """

    def __init__(self, size: int, width: float, angle: float = 0.0, centre: tuple[float, float] = (0.0, 0.0)) -> None:
        self.pixel = width / size
        steps = (np.arange(size, dtype=np.float32) - np.float32((size - 1) / 2)) * np.float32(self.pixel)
        cos, sin = np.float32(np.cos(angle)), np.float32(np.sin(angle))
        self.x = steps[None, :] * cos + steps[:, None] * sin + np.float32(centre[0])
        self.y = steps[:, None] * cos - steps[None, :] * sin + np.float32(centre[1])
        self.hounsfield = np.full((size, size), AIR, np.float32)

    def cover(self, shape: Shape) -> np.ndarray:
        """Return the share of each pixel that lies in the shape, in [0, 1], shape ``(H, W)``."""
        dx, dy = self.x - np.float32(shape.x), self.y - np.float32(shape.y)
        cos, sin = np.float32(np.cos(shape.angle)), np.float32(np.sin(shape.angle))
        u, v = (dx * cos + dy * sin) / np.float32(shape.a), (dy * cos - dx * sin) / np.float32(shape.b)
        if shape.power == 2.0:
            radius = np.hypot(u, v)
        else:
            radius = (np.abs(u) ** shape.power + np.abs(v) ** shape.power) ** np.float32(1.0 / shape.power)
        edge = np.float32(1.0)
        if shape.waves:
            theta = np.arctan2(v, u)
            edge = 1.0 + sum(height * np.cos(count * theta + phase) for count, height, phase in shape.waves)
        soft = np.float32(self.pixel / np.sqrt(shape.a * shape.b))
        return np.clip((edge - radius) / soft + 0.5, 0.0, 1.0).astype(np.float32)

    def paint(self, shape: Shape, hounsfield: float | np.ndarray, within: np.ndarray | float = 1.0) -> np.ndarray:
        """Paint a shape, only `within` another's cover if given, and return the cover that was painted."""
        cover = self.cover(shape) * within
        self.blend(cover, hounsfield)
        return cover

    def blend(self, cover: np.ndarray, hounsfield: float | np.ndarray) -> None:
        """Replace the share `cover` of each pixel."""
        self.hounsfield += cover * (hounsfield - self.hounsfield)

    def line(self, ends: np.ndarray, radii: tuple[float, float], hounsfield: float, within: np.ndarray) -> None:
        """Paint a straight tapering line from ``ends[0]`` to ``ends[1]``, both ``(x, y)`` in cm."""
        reach = np.abs(ends[1] - ends[0]).max() / 2 + max(radii) + 2 * self.pixel
        middle = ends.mean(axis=0)
        near = (np.abs(self.x - middle[0]) < reach) & (np.abs(self.y - middle[1]) < reach)
        if not near.any():
            return
        rows, columns = np.flatnonzero(near.any(axis=1)), np.flatnonzero(near.any(axis=0))
        part = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
        distance, share = segment_distance(self.x[part], self.y[part], ends)
        radius = radii[0] + (radii[1] - radii[0]) * share
        cover = np.clip((radius - distance) / self.pixel + 0.5, 0.0, np.minimum(2 * radius / self.pixel, 1.0))
        self.hounsfield[part] += cover * within[part] * (hounsfield - self.hounsfield[part])


def scan(hounsfield: np.ndarray, noise: float, blur: float, rng: np.random.Generator) -> np.ndarray:
    """Add what the scanner adds: blur, and noise that is correlated from pixel to pixel as reconstruction leaves it.

    Args:
        hounsfield: Noise-free slice, shape ``(H, W)``.
        noise: Standard deviation in HU.
        blur: Standard deviation of the blur in pixels.
        rng: Source of the noise.

    Returns:
        Hounsfield units from -1024 to 3071, shape ``(H, W)``, int16.
    """
    white = rng.standard_normal(hounsfield.shape, dtype=np.float32)
    band = gaussian_filter(white, 0.7) - 0.6 * gaussian_filter(white, 2.0)
    noisy = gaussian_filter(hounsfield, blur) + noise * band / band.std()
    return np.clip(np.round(noisy), -1024, 3071).astype(np.int16)


def windowed(hounsfield: np.ndarray, window: tuple[float, float]) -> np.ndarray:
    """Map Hounsfield units through a window (centre, width) to grey values in [0, 1], float32.

    The line is DICOM's linear VOI function (PS3.3 C.11.2.1.2.1).
    """
    centre, width = window
    return np.clip((hounsfield - (centre - 0.5)) / (width - 1.0) + 0.5, 0.0, 1.0).astype(np.float32)
