"""What every CT slice of the trunk has: skin, fat, muscle, spine, ribs, table; and how it is scanned."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from lungscan_monai.data.phantoms.canvas import COMPACT, FAT, MUSCLE, SPONGY, Canvas, Shape, scan, windowed
from lungscan_monai.data.phantoms.picture import Picture, Volume
from lungscan_monai.data.phantoms.request import Request

SLICE_CM = 0.5


@dataclass(frozen=True)
class Trunk:
    """Outlines of a trunk in cm.

    Args:
        skin: Outline of the body.
        fat: Thickness of the fat under the skin.
        wall: Thickness of the muscle under the fat.
        spine: The point ``(x, y)`` in the middle of the vertebral body.
    """

    skin: Shape
    fat: float
    wall: float
    spine: tuple[float, float]

    @property
    def inside(self) -> Shape:
        """Outline of the cavity within the muscles."""
        return self.skin.grown(-self.fat - self.wall)


@dataclass(frozen=True)
class Scan:
    """How one slice is taken; drawn without a look at the label.

    Args:
        width: Width of the picture in cm.
        angle: Turn of the patient in radians.
        centre: The point ``(x, y)`` of the patient in the middle, in cm.
        noise: Standard deviation of the noise in HU.
        blur: Standard deviation of the blur in pixels.
        window: Centre and width for display in HU.
    """

    width: float
    angle: float
    centre: tuple[float, float]
    noise: float
    blur: float
    window: tuple[float, float]


def draw_scan(rng: np.random.Generator, trunk: Trunk, windows: tuple[tuple[float, float], tuple[float, float]]) -> Scan:
    """Draw the settings of a patient's slices; `windows` are the least and the greatest centre and width."""
    (low_centre, low_width), (high_centre, high_width) = windows
    return Scan(
        width=2.0 * trunk.skin.a * rng.uniform(1.03, 1.16),
        angle=rng.normal(0.0, 0.04),
        centre=(rng.normal(0.0, 0.4), rng.uniform(-0.5, 1.2)),
        noise=float(np.exp(rng.uniform(np.log(7.0), np.log(24.0)))),
        blur=rng.uniform(0.4, 0.8),
        window=(round(rng.uniform(low_centre, high_centre)), round(rng.uniform(low_width, high_width))),
    )


def slice_height(image: int) -> float:
    """Return the height in cm of a patient's n-th slice: the first in the middle, the others beside it."""
    return SLICE_CM * (0.0, 1.0, -1.0)[(image - 1) % 3]


def paint_trunk(canvas: Canvas, trunk: Trunk) -> np.ndarray:
    """Paint table, skin, fat and muscle; return the cover of the cavity, filled with fat."""
    table = Shape(0.0, trunk.skin.y, 26.0, trunk.skin.b + 0.6)
    top = canvas.y > trunk.skin.y + 0.5 * trunk.skin.b
    canvas.blend((canvas.cover(table.grown(0.4)) - canvas.cover(table)) * top, -120.0)
    canvas.paint(trunk.skin, 20.0)
    canvas.paint(trunk.skin.grown(-0.2), FAT)
    canvas.paint(trunk.skin.grown(-trunk.fat), MUSCLE)
    return canvas.paint(trunk.inside, FAT)


def paint_spine(canvas: Canvas, trunk: Trunk, radius: float) -> None:
    """Paint a vertebra with its canal, arch and processes, and the muscles beside it."""
    x, y = trunk.spine
    for side in (-1.0, 1.0):
        canvas.paint(Shape(x + side * 3.3, y + 3.4, 2.6, 2.0, side * -0.25), MUSCLE)
        canvas.paint(Shape(x + side * 2.4, y + 2.0, 1.8, 0.42, side * -0.2), COMPACT * 0.55)
    canvas.paint(Shape(x, y + 2.1, 1.75, 1.35), COMPACT * 0.6)
    canvas.paint(Shape(x, y + 4.1, 0.38, 1.5), COMPACT * 0.55)
    body = Shape(x, y, 1.25 * radius, radius, power=2.4)
    canvas.paint(body, COMPACT)
    canvas.paint(body.grown(-0.22), SPONGY)
    canvas.paint(Shape(x, y + radius + 0.75, 0.95, 0.75), 25.0)


def paint_ribs(canvas: Canvas, outline: Shape, bearings: np.ndarray) -> None:
    """Paint oblique cuts through ribs on an outline, at the given bearings in radians."""
    for bearing in bearings:
        x = outline.x + outline.a * np.cos(bearing)
        y = outline.y + outline.b * np.sin(bearing)
        along = np.arctan2(outline.b * np.cos(bearing), -outline.a * np.sin(bearing))
        rib = Shape(float(x), float(y), 1.25, 0.48, float(along))
        canvas.paint(rib, COMPACT)
        canvas.paint(rib.grown(-0.2), SPONGY)


def scanned(
    request: Request,
    canvas: Canvas,
    scan_settings: Scan,
    body_part: str,
    masks: Mapping[str, np.ndarray],
    facts: Mapping[str, str | int],
) -> Picture:
    """Return the picture of a painted slice."""
    hounsfield = scan(canvas.hounsfield, scan_settings.noise, scan_settings.blur, request.taking())
    return Picture(
        modality="CT",
        grey=windowed(hounsfield, scan_settings.window),
        pixel=10.0 * canvas.pixel,
        body_part=body_part,
        masks=masks,
        volume=Volume(hounsfield, scan_settings.window, 10.0 * slice_height(request.image), 10.0 * SLICE_CM),
        facts=facts,
    )
