"""CT slices of the abdomen through the kidneys: normal, or with a cyst, a stone or a tumour."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from lungscan_monai.data.phantoms.canvas import BLOOD, FAT, MUSCLE, Canvas, Shape, waves
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

_KIDNEY_REACH = 5.5
_WINDOWS = ((35.0, 340.0), (60.0, 430.0))
_RIGHT, _LEFT = -1.0, 1.0


@dataclass(frozen=True)
class Abdomen:
    """One patient's abdomen.

    Args:
        sex: ``"F"`` or ``"M"``.
        age: Years.
        trunk: Outlines.
        contrast_agent: Enhancement by contrast agent, 0 (none) to 1.
        kidneys: Outlines of the right and the left kidney in the middle slice.
        liver: Outline of the liver.
        spleen: Outline of the spleen.
        bowel: Each loop's outline with the HU of its content.
    """

    sex: str
    age: int
    trunk: Trunk
    contrast_agent: float
    kidneys: tuple[Shape, Shape]
    liver: Shape
    spleen: Shape
    bowel: tuple[tuple[Shape, float], ...]

    @property
    def parenchyma(self) -> float:
        """HU of the kidneys."""
        return 33.0 + 140.0 * self.contrast_agent


def kidney_ct(request: Request, kind: str) -> Picture:
    """Take a slice through the kidneys of a patient; `kind` is ``"Normal"``, ``"Cyst"``, ``"Stone"`` or ``"Tumor"``."""
    rng = request.anatomy()
    abdomen = draw_abdomen(rng)
    settings = draw_scan(rng, abdomen.trunk, _WINDOWS)
    canvas = Canvas(request.size, settings.width, settings.angle, settings.centre)
    height = slice_height(request.image)
    paint_abdomen(canvas, abdomen, height)
    masks = {}
    if kind in _FINDINGS:
        rng = np.random.default_rng(request.disease_seed())
        cover = _FINDINGS[kind](canvas, abdomen, height, rng, request.contrast)
        masks[kind] = cover > 0.5 * cover.max()
    return scanned(request, canvas, settings, "ABDOMEN", masks, {"sex": abdomen.sex, "age": abdomen.age})


def draw_abdomen(rng: np.random.Generator) -> Abdomen:
    """Draw a healthy patient's abdomen."""
    size = rng.normal(1.0, 0.06)
    skin = Shape(0.0, 0.0, 16.5 * size, 11.5 * size * rng.uniform(0.9, 1.1), power=2.3, waves=waves(rng, (2, 3), 0.02))
    trunk = Trunk(skin, rng.uniform(0.8, 2.8), rng.uniform(1.1, 1.6), (rng.normal(0.0, 0.2), 0.30 * skin.b))
    kidneys = tuple(_draw_kidney(rng, trunk, side) for side in (_RIGHT, _LEFT))
    inner = trunk.inside
    liver = Shape(-0.52 * inner.a, -0.25 * inner.b, 0.42 * inner.a, 0.55 * inner.b, 0.35, 2.2, waves(rng, (2, 3), 0.08))
    spleen = Shape(0.80 * inner.a, 0.15 * inner.b, 0.16 * inner.a, 0.36 * inner.b, 0.2, 2.0, waves(rng, (2, 3), 0.08))
    return Abdomen(
        sex="F" if rng.random() < 0.5 else "M",
        age=int(rng.integers(18, 90)),
        trunk=trunk,
        contrast_agent=0.0 if rng.random() < 0.25 else rng.uniform(0.6, 1.0),
        kidneys=kidneys,
        liver=liver,
        spleen=spleen,
        bowel=tuple(_draw_bowel(rng, inner)),
    )


def _draw_kidney(rng: np.random.Generator, trunk: Trunk, side: float) -> Shape:
    x, y = trunk.spine
    return Shape(
        x + side * rng.uniform(5.6, 6.6),
        y + rng.uniform(-0.3, 1.2),
        rng.uniform(2.3, 2.9),
        rng.uniform(2.7, 3.4),
        side * -rng.uniform(0.3, 0.7),
        2.0,
        waves(rng, (2, 3, 5), 0.03),
    )


def _draw_bowel(rng: np.random.Generator, inner: Shape) -> Iterator[tuple[Shape, float]]:
    for _ in range(int(rng.integers(9, 15))):
        shape = Shape(
            rng.uniform(-0.25, 0.72) * inner.a,
            rng.uniform(-0.78, -0.1) * inner.b,
            rng.uniform(0.9, 1.8),
            rng.uniform(0.8, 1.5),
            rng.uniform(0.0, np.pi),
            2.0,
            waves(rng, (2, 3), 0.12),
        )
        yield shape, float(rng.choice((20.0, 25.0, -850.0, 230.0), p=(0.4, 0.28, 0.27, 0.05)))


def paint_abdomen(canvas: Canvas, abdomen: Abdomen, height: float) -> None:
    """Paint a healthy abdomen `height` cm above the middle of the kidneys."""
    trunk, agent = abdomen.trunk, abdomen.contrast_agent
    cavity = paint_trunk(canvas, trunk)
    paint_ribs(
        canvas, trunk.skin.grown(-trunk.fat - 0.5 * trunk.wall), np.asarray((0.35, 0.75, 2.4, 2.8)) + 0.06 * height
    )
    for shape, content in abdomen.bowel:
        canvas.paint(shape, 45.0 + 40.0 * agent, cavity)
        canvas.paint(shape.grown(-0.25), content, cavity)
    canvas.paint(abdomen.liver.section(height - 2.0, 9.0), 58.0 + 55.0 * agent, cavity)
    canvas.paint(abdomen.spleen.section(height - 2.0, 5.0), 48.0 + 75.0 * agent, cavity)
    x, y = trunk.spine
    for side in (_RIGHT, _LEFT):
        canvas.paint(Shape(x + side * 3.4, y + 0.8, 1.5, 1.9, side * 0.3), MUSCLE)
    paint_spine(canvas, trunk, 1.9)
    canvas.paint(Shape(x + 0.9, y - 3.0, 1.0, 1.0), BLOOD + 150.0 * agent)
    canvas.paint(Shape(x - 1.7, y - 2.7, 1.25, 0.95), BLOOD + 110.0 * agent)
    for side, kidney in zip((_RIGHT, _LEFT), abdomen.kidneys, strict=True):
        _paint_kidney(canvas, abdomen, kidney, side, height)


def _paint_kidney(canvas: Canvas, abdomen: Abdomen, kidney: Shape, side: float, height: float) -> None:
    cut = kidney.section(height, _KIDNEY_REACH)
    canvas.paint(cut.grown(0.9), FAT)
    tissue = canvas.paint(cut, abdomen.parenchyma)
    for bearing in np.linspace(0.0, 2.0 * np.pi, 8, endpoint=False):
        x, y = cut.x + 0.58 * cut.a * np.cos(bearing), cut.y + 0.58 * cut.b * np.sin(bearing)
        canvas.paint(Shape(x, y, 0.5, 0.42), abdomen.parenchyma - 45.0 * abdomen.contrast_agent, tissue)
    sinus = Shape(cut.x - side * 0.55 * cut.a, cut.y - 0.25 * cut.b, 0.62 * cut.a, 0.33 * cut.b, side * 0.35)
    canvas.paint(sinus, FAT + 20.0)
    canvas.paint(Shape(sinus.x - side * 0.3, sinus.y, 0.55 * sinus.a, 0.4 * sinus.b, sinus.angle), 8.0)
    vein = np.asarray([(sinus.x, sinus.y + 0.2), (abdomen.trunk.spine[0] + side * 1.6, abdomen.trunk.spine[1] - 2.6)])
    canvas.line(vein, (0.3, 0.35), BLOOD + 110.0 * abdomen.contrast_agent, np.ones_like(tissue))


def _which(abdomen: Abdomen, rng: np.random.Generator) -> tuple[float, Shape]:
    index = int(rng.integers(2))
    return (_RIGHT, _LEFT)[index], abdomen.kidneys[index]


def _on_rim(kidney: Shape, side: float, depth: float, rng: np.random.Generator) -> tuple[float, float]:
    """A point at the share `depth` of the kidney's radius, on its lateral half."""
    bearing = rng.uniform(-1.3, 1.3)
    return kidney.x + side * depth * kidney.a * np.cos(bearing), kidney.y + depth * kidney.b * np.sin(bearing)


def _cyst(canvas: Canvas, abdomen: Abdomen, height: float, rng: np.random.Generator, contrast: float) -> np.ndarray:
    side, kidney = _which(abdomen, rng)
    radius = contrast * rng.uniform(1.2, 3.0)
    x, y = _on_rim(kidney, side, rng.uniform(0.65, 1.0), rng)
    sphere = Shape(x, y, radius, radius * rng.uniform(0.9, 1.0))
    sphere = sphere.section(height - rng.uniform(-0.2, 0.2), radius + 0.4)
    return canvas.paint(sphere, rng.uniform(0.0, 14.0), canvas.cover(abdomen.trunk.inside))


def _stone(canvas: Canvas, abdomen: Abdomen, height: float, rng: np.random.Generator, contrast: float) -> np.ndarray:
    side, kidney = _which(abdomen, rng)
    cover = np.zeros_like(canvas.hounsfield)
    for _ in range(int(rng.integers(1, 4))):
        radius = rng.uniform(0.4, 0.95)
        x = kidney.x - side * rng.uniform(-0.1, 0.6) * kidney.a
        y = kidney.y + rng.uniform(-0.5, 0.25) * kidney.b
        stone = Shape(x, y, radius, radius * rng.uniform(0.6, 1.0), rng.uniform(0, np.pi), 2.0, waves(rng, (3, 5), 0.1))
        stone = stone.section(height - rng.uniform(-0.2, 0.2), radius + 0.6)
        cover = np.maximum(cover, canvas.paint(stone, contrast * rng.uniform(450.0, 1200.0)))
    return cover


def _tumor(canvas: Canvas, abdomen: Abdomen, height: float, rng: np.random.Generator, contrast: float) -> np.ndarray:
    side, kidney = _which(abdomen, rng)
    radius = contrast * rng.uniform(1.8, 3.6)
    x, y = _on_rim(kidney, side, rng.uniform(0.7, 1.05), rng)
    mass = Shape(x, y, radius, radius * rng.uniform(0.8, 1.0), rng.uniform(0, np.pi), 2.0, waves(rng, (2, 3, 5), 0.1))
    mass = mass.section(height - rng.uniform(-0.3, 0.3), radius + 0.6)
    grain = power_law_noise(int(rng.integers(2**31)), canvas.x.shape[0], 2.5)
    level = 47.0 + rng.uniform(20.0, 60.0) * abdomen.contrast_agent
    grain *= 8.0 + 22.0 * abdomen.contrast_agent
    tissue = canvas.paint(mass, level + grain, canvas.cover(abdomen.trunk.inside))
    dead = Shape(x + rng.normal(0, 0.2) * radius, y, 0.45 * mass.a, 0.4 * mass.b, 0.0, 2.0, waves(rng, (2, 3, 5), 0.2))
    canvas.paint(dead, 22.0, tissue)
    return tissue


_FINDINGS: dict[str, Callable[[Canvas, Abdomen, float, np.random.Generator, float], np.ndarray]] = {
    "Cyst": _cyst,
    "Stone": _stone,
    "Tumor": _tumor,
}
