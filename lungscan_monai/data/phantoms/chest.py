"""The measures of one simulated patient's chest, and how they vary from patient to patient."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

Segment = tuple[tuple[float, float], tuple[float, float], tuple[float, float]]


@dataclass(frozen=True)
class Chest:
    """One patient's chest; lengths in cm, angles in radians, the origin in the middle of the lungs.

    Args:
        sex: ``"F"`` or ``"M"``.
        age: Years.
        lung_height: From the costophrenic angles to the apices.
        lung_width: Half of the inner width of the thorax at its widest.
        lung_depth: Half of the inner depth of the thorax.
        taper: How much the thorax narrows upwards, 0 (a barrel) to 1 (a cone).
        wall: Thickness of the lateral chest wall.
        apex: Distance of each apex from the midline.
        domes: Height of the right and the left dome of the diaphragm above the costophrenic angles.
        heart_ratio: Width of the heart over the inner width of the thorax.
        heart_angle: Slope of the heart's long axis.
        mediastinum: Half-width of the upper mediastinum.
        knob: Radius of the aortic knob.
        curve: Sideways bend of the spine.
        rib_spacing: Vertical distance of neighbouring ribs.
        rib_slope: Fall of the ribs per cm from back to front.
        rib_half_height: Half of a rib's height.
        bone_density: Multiplies the attenuation of bone over soft tissue.
        clavicle: Height of the inner ends of the clavicles as a share of the lung height.
        breast: Radius of the breasts, 0 for none.
        gastric_gas: Radius of the air bubble in the stomach.
        lung_density: Multiplies the attenuation of the lungs.
        vessels: Blood vessels of both lungs: ``((x0, z0), (x1, z1), (r0, r1))``.
        texture_seed: Seed of the fine structure of the lungs.
    """

    sex: str
    age: int
    lung_height: float
    lung_width: float
    lung_depth: float
    taper: float
    wall: float
    apex: float
    domes: tuple[float, float]
    heart_ratio: float
    heart_angle: float
    mediastinum: float
    knob: float
    curve: float
    rib_spacing: float
    rib_slope: float
    rib_half_height: float
    bone_density: float
    clavicle: float
    breast: float
    gastric_gas: float
    lung_density: float
    vessels: tuple[Segment, ...]
    texture_seed: int

    def height(self, share: float) -> float:
        """Return the z of a share of the lung height: 0 is the costophrenic angle, 1 the apex."""
        return (share - 0.5) * self.lung_height

    def share(self, z: np.ndarray) -> np.ndarray:
        """Return the share of the lung height at each `z`."""
        return z / np.float32(self.lung_height) + np.float32(0.5)

    @property
    def heart_width(self) -> float:
        """Transverse diameter of the heart in cm."""
        return 2.0 * self.lung_width * self.heart_ratio

    @property
    def hila(self) -> tuple[tuple[float, float], tuple[float, float]]:
        """The points ``(x, z)`` where the vessels enter the right and the left lung."""
        return (-3.3, self.height(0.50)), (3.4, self.height(0.54))


def draw_chest(rng: np.random.Generator) -> Chest:
    """Draw a healthy patient's chest."""
    female = bool(rng.random() < 0.5)
    size = rng.normal(0.94 if female else 1.02, 0.05)
    right_dome = rng.uniform(4.2, 6.2)
    chest = Chest(
        sex="F" if female else "M",
        age=int(rng.integers(18, 90)),
        lung_height=rng.uniform(22.0, 26.5) * size,
        lung_width=rng.uniform(13.0, 15.0) * size,
        lung_depth=rng.uniform(8.2, 10.2) * size,
        taper=rng.uniform(0.25, 0.75),
        wall=rng.uniform(1.6, 4.0),
        apex=rng.uniform(5.0, 6.0) * size,
        domes=(right_dome, right_dome - rng.uniform(0.3, 1.8)),
        heart_ratio=rng.uniform(0.38, 0.49),
        heart_angle=-rng.uniform(0.5, 0.85),
        mediastinum=rng.uniform(2.2, 3.0),
        knob=rng.uniform(1.3, 2.1),
        curve=rng.normal(0.0, 0.35),
        rib_spacing=rng.uniform(2.25, 2.65) * size,
        rib_slope=rng.uniform(0.32, 0.46),
        rib_half_height=rng.uniform(0.46, 0.62),
        bone_density=rng.uniform(0.9, 1.5),
        clavicle=rng.uniform(0.86, 0.98),
        breast=rng.uniform(4.5, 7.0) if female else 0.0,
        gastric_gas=rng.uniform(0.0, 2.6),
        lung_density=rng.uniform(0.85, 1.2),
        vessels=(),
        texture_seed=int(rng.integers(2**31)),
    )
    return replace(chest, vessels=tuple(_draw_vessels(rng, chest)))


def _draw_vessels(rng: np.random.Generator, chest: Chest) -> list[Segment]:
    segments: list[Segment] = []
    for side, (x, z) in zip((-1.0, 1.0), chest.hila, strict=True):
        for bearing in np.linspace(-1.5, 1.4, 9) + rng.normal(0.0, 0.12, 9):
            start = (x + rng.normal(0.0, 0.3), z + 1.2 * np.sin(bearing) + rng.normal(0.0, 0.3))
            grow_vessels(rng, segments, start, bearing, side, rng.uniform(0.55, 0.85), 5)
    return segments


def grow_vessels(
    rng: np.random.Generator,
    segments: list[Segment],
    start: tuple[float, float],
    bearing: float,
    side: float,
    radius: float,
    generations: int,
) -> None:
    """Append a branching vessel to `segments`.

    Args:
        rng: Source of lengths, bends and branches.
        segments: What is grown so far.
        start: Where the vessel starts, in cm.
        bearing: Its direction in radians, 0 is away from the midline.
        side: -1 for the right lung, 1 for the left.
        radius: Its radius in cm.
        generations: How often it still branches.
    """
    length = rng.uniform(1.5, 2.8) * (1.0 if generations > 2 else 0.8)
    end = (start[0] + side * length * np.cos(bearing), start[1] + length * np.sin(bearing))
    thinner = radius * rng.uniform(0.68, 0.82)
    segments.append((start, end, (radius, thinner)))
    if generations == 1:
        return
    spread = rng.uniform(0.2, 0.5, 2)
    grow_vessels(rng, segments, end, bearing + spread[0], side, thinner, generations - 1)
    if rng.random() < 0.72:
        grow_vessels(rng, segments, end, bearing - spread[1], side, thinner * 0.9, generations - 1)
