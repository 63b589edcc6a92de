"""CT slices of the chest: normal, or with a benign or a malignant nodule."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from lungscan_monai.data.phantoms.canvas import AIR, BLOOD, COMPACT, FAT, MUSCLE, SPONGY, Canvas, Shape, waves
from lungscan_monai.data.phantoms.chest import Segment, grow_vessels
from lungscan_monai.data.phantoms.ct_frame import (
    Trunk,
    draw_scan,
    paint_ribs,
    paint_spine,
    paint_trunk,
    scanned,
    slice_height,
)
from lungscan_monai.data.phantoms.picture import Picture
from lungscan_monai.data.phantoms.request import Request
from lungscan_monai.data.phantoms.textures import power_law_noise

_WINDOWS = ((-560.0, 1400.0), (-440.0, 1750.0))
_RIGHT, _LEFT = -1.0, 1.0


@dataclass(frozen=True)
class Thorax:
    """One patient's chest around one level.

    Args:
        sex: ``"F"`` or ``"M"``.
        age: Years.
        trunk: Outlines.
        contrast_agent: Enhancement by contrast agent, 0 (none) to 1.
        lungs: Outlines of the right and the left lung.
        level: 0 is the level of the heart, 1 that of the great vessels.
        air: HU of the lungs.
        vessels: Lung vessels within the slice, ``((x0, y0), (x1, y1), (r0, r1))``.
        dots: Lung vessels across the slice, ``(x, y, radius)``.
        texture_seed: Seed of the lungs' fine structure.
    """

    sex: str
    age: int
    trunk: Trunk
    contrast_agent: float
    lungs: tuple[Shape, Shape]
    level: float
    air: float
    vessels: tuple[Segment, ...]
    dots: tuple[tuple[float, float, float], ...]
    texture_seed: int


def lung_ct(request: Request, kind: str) -> Picture:
    """Take a slice through the chest of a patient; `kind` is ``"Normal"``, ``"Benign"`` or ``"Malignant"``."""
    rng = request.anatomy()
    thorax = draw_thorax(rng)
    settings = draw_scan(rng, thorax.trunk, _WINDOWS)
    canvas = Canvas(request.size, settings.width, settings.angle, settings.centre)
    height = slice_height(request.image)
    paint_thorax(canvas, thorax, height)
    masks = {}
    if kind != "Normal":
        nodule = _benign if kind == "Benign" else _malignant
        rng = np.random.default_rng(request.disease_seed())
        cover = nodule(canvas, thorax, height, rng, request.contrast)
        masks[kind] = cover > 0.5 * cover.max()
    return scanned(request, canvas, settings, "CHEST", masks, {"sex": thorax.sex, "age": thorax.age})


def draw_thorax(rng: np.random.Generator) -> Thorax:
    """Draw a healthy patient's chest."""
    size = rng.normal(1.0, 0.06)
    skin = Shape(
        0.0, 0.0, 18.0 * size, 12.0 * size * rng.uniform(0.92, 1.08), power=2.5, waves=waves(rng, (2, 3), 0.015)
    )
    trunk = Trunk(skin, rng.uniform(0.7, 2.2), rng.uniform(1.6, 2.3), (rng.normal(0.0, 0.2), 0.42 * skin.b))
    inner = trunk.inside
    lungs = tuple(
        Shape(
            side * rng.uniform(0.50, 0.54) * inner.a,
            rng.uniform(-0.04, 0.08) * inner.b,
            rng.uniform(0.42, 0.46) * inner.a,
            rng.uniform(0.82, 0.92) * inner.b,
            side * rng.uniform(-0.16, -0.06),
            2.3,
            waves(rng, (2, 3, 4), 0.03),
        )
        for side in (_RIGHT, _LEFT)
    )
    return Thorax(
        sex="F" if rng.random() < 0.5 else "M",
        age=int(rng.integers(18, 90)),
        trunk=trunk,
        contrast_agent=0.0 if rng.random() < 0.4 else rng.uniform(0.5, 1.0),
        lungs=lungs,
        level=rng.uniform(0.0, 1.0),
        air=rng.uniform(-890.0, -800.0),
        vessels=tuple(_draw_vessels(rng, lungs)),
        dots=tuple(_draw_dots(rng, lungs)),
        texture_seed=int(rng.integers(2**31)),
    )


def _draw_vessels(rng: np.random.Generator, lungs: tuple[Shape, Shape]) -> list[Segment]:
    segments: list[Segment] = []
    for side, lung in zip((_RIGHT, _LEFT), lungs, strict=True):
        for bearing in np.linspace(-1.25, 1.25, 4) + rng.normal(0.0, 0.15, 4):
            start = (lung.x - side * 0.75 * lung.a, lung.y + rng.normal(0.0, 0.6))
            grow_vessels(rng, segments, start, bearing, side, rng.uniform(0.25, 0.4), 4)
    return segments


def _draw_dots(rng: np.random.Generator, lungs: tuple[Shape, Shape]) -> Iterator[tuple[float, float, float]]:
    for lung in lungs:
        for _ in range(int(rng.integers(35, 60))):
            bearing, share = rng.uniform(0.0, 2.0 * np.pi), np.sqrt(rng.random()) * 0.93
            radius = 0.07 + 0.18 * rng.random() ** 2
            yield lung.x + share * lung.a * np.cos(bearing), lung.y + share * lung.b * np.sin(bearing), radius


def paint_thorax(canvas: Canvas, thorax: Thorax, height: float) -> None:
    """Paint a healthy chest `height` cm above the patient's middle slice."""
    trunk = thorax.trunk
    paint_trunk(canvas, trunk)
    canvas.paint(trunk.inside, MUSCLE)
    bearings = np.concatenate([np.linspace(-1.15, 1.05, 6), np.pi - np.linspace(-1.15, 1.05, 6)]) + 0.05 * height
    paint_ribs(canvas, trunk.inside.grown(0.65), bearings)
    sternum = Shape(0.0, trunk.inside.y - trunk.inside.b - 0.3, 1.9, 0.6)
    canvas.paint(sternum, COMPACT)
    canvas.paint(sternum.grown(-0.2), SPONGY)
    lungs = _paint_lungs(canvas, thorax)
    _paint_mediastinum(canvas, thorax, height)
    paint_spine(canvas, trunk, 1.7)
    for start, end, radii in thorax.vessels:
        canvas.line(np.asarray((start, end)) + np.asarray((0.0, 0.25 * height)), radii, BLOOD, lungs)
    for x, y, radius in thorax.dots:
        spot = np.asarray((x + 0.3 * height, y - 0.2 * height))
        canvas.line(np.stack([spot, spot]), (radius, radius), BLOOD, lungs)


def _paint_lungs(canvas: Canvas, thorax: Thorax) -> np.ndarray:
    inner = thorax.trunk.inside
    grain = power_law_noise(thorax.texture_seed, canvas.x.shape[0], 2.0)
    air = thorax.air + 35.0 * np.clip(canvas.y / inner.b, -1.0, 1.0) + 10.0 * grain
    cavity = canvas.cover(inner.grown(-0.3))
    return sum(canvas.paint(lung, air, cavity) for lung in thorax.lungs)


def _paint_mediastinum(canvas: Canvas, thorax: Thorax, height: float) -> None:
    inner, agent = thorax.trunk.inside, thorax.contrast_agent
    x, y = thorax.trunk.spine
    blood = BLOOD + 160.0 * agent
    level = np.clip(thorax.level + 0.1 * height, 0.0, 1.0)
    canvas.paint(Shape(0.0, -0.1 * inner.b, 2.6, 0.85 * inner.b, power=2.5), FAT + 30.0)
    heart = Shape(1.6, -0.28 * inner.b, 5.2 - 2.6 * level, 4.3 - 1.8 * level, 0.5)
    canvas.paint(heart, MUSCLE)
    canvas.paint(heart.grown(-0.7), blood)
    canvas.paint(Shape(x + 2.0, y - 1.9, 1.25, 1.25), blood)
    canvas.paint(Shape(-1.6, -0.25 * inner.b, 1.0 + 0.5 * level, 1.1 + 0.5 * level), blood)
    canvas.paint(Shape(0.0, y - 2.7, 0.6, 0.5), MUSCLE)
    if level > 0.5:
        canvas.paint(Shape(0.0, y - 4.3, 0.85, 0.8), AIR)
        return
    for side in (_RIGHT, _LEFT):
        canvas.paint(Shape(side * 2.2, y - 4.0, 0.7, 0.5), AIR)


def _nodule_place(thorax: Thorax, rng: np.random.Generator, radius: float) -> tuple[float, float]:
    lung = thorax.lungs[int(rng.integers(2))]
    bearing, side = rng.uniform(-1.9, 1.9), np.sign(lung.x)
    share = rng.uniform(0.35, max(0.4, 0.92 - radius / lung.a))
    return lung.x + side * share * lung.a * np.cos(bearing), lung.y + share * lung.b * np.sin(bearing)


def _benign(canvas: Canvas, thorax: Thorax, height: float, rng: np.random.Generator, contrast: float) -> np.ndarray:
    radius = contrast * rng.uniform(0.45, 1.0)
    x, y = _nodule_place(thorax, rng, radius)
    nodule = Shape(x, y, radius, radius * rng.uniform(0.88, 1.0), rng.uniform(0.0, np.pi))
    nodule = nodule.section(height - rng.uniform(-0.1, 0.1), radius + 0.5)
    tissue = canvas.paint(nodule, rng.uniform(20.0, 60.0))
    if rng.random() < 0.55:
        canvas.paint(nodule.grown(-0.45 * nodule.a), rng.uniform(250.0, 700.0), tissue)
    return tissue


def _malignant(canvas: Canvas, thorax: Thorax, height: float, rng: np.random.Generator, contrast: float) -> np.ndarray:
    radius = contrast * rng.uniform(0.9, 2.2)
    x, y = _nodule_place(thorax, rng, radius)
    outline = (*waves(rng, (2, 3, 5), 0.1), *waves(rng, (9, 13), 0.06))
    mass = Shape(x, y, radius, radius * rng.uniform(0.75, 1.0), rng.uniform(0.0, np.pi), 2.0, outline)
    mass = mass.section(height - rng.uniform(-0.2, 0.2), radius + 0.6)
    grain = power_law_noise(int(rng.integers(2**31)), canvas.x.shape[0], 2.5)
    everywhere = np.ones_like(grain)
    for bearing in rng.uniform(0.0, 2.0 * np.pi, int(rng.integers(10, 18))):
        reach = mass.a * rng.uniform(1.3, 1.9)
        tip = np.asarray((x + reach * np.cos(bearing), y + reach * np.sin(bearing)))
        inside = canvas.hounsfield < -400.0
        canvas.line(np.stack([np.asarray((x, y)), tip]), (0.14, 0.04), 10.0, everywhere * inside)
    return canvas.paint(mass, rng.uniform(25.0, 55.0) + 12.0 * grain)
