"""From a chest to the attenuation integrals of its radiograph, without noise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.interpolate import PchipInterpolator

from lungscan_monai.data.phantoms.chest import Chest
from lungscan_monai.data.phantoms.materials import Materials
from lungscan_monai.data.phantoms.projection import (
    Grid,
    Span,
    add_tube,
    curve_chord,
    cylinder_span,
    ellipsoid_span,
    gaussian_path,
    hull,
    slab_span,
    total_length,
)
from lungscan_monai.data.phantoms.textures import power_law_noise

RIGHT, LEFT = -1.0, 1.0
_LUNG_POWER = 2.6


@dataclass(frozen=True)
class Scene:
    """A chest as the rays see it, before any lesion.

    Args:
        chest: The patient.
        materials: Attenuation coefficients at the beam's energy.
        grid: The rays.
        rotation: Turn of the patient about the upright axis in radians: what lies `y` behind the middle moves
            ``y * rotation`` sideways.
        lungs: The aerated stretches of the right and the left lung.
        parenchyma: Attenuation integral of the lung tissue with its vessels alone, shape ``(H, W)``.
        tau: Attenuation integral of everything, shape ``(H, W)``.
    """

    chest: Chest
    materials: Materials
    grid: Grid
    rotation: float
    lungs: tuple[tuple[Span, ...], tuple[Span, ...]]
    parenchyma: np.ndarray
    tau: np.ndarray

    def air(self, side: float) -> tuple[Span, ...]:
        """Return the aerated stretches of one lung (`RIGHT` or `LEFT`)."""
        return self.lungs[0] if side == RIGHT else self.lungs[1]

    @property
    def consolidation(self) -> float:
        """Attenuation in 1/cm that is added where fluid replaces the air of the lung."""
        return self.materials.soft - self.materials.lung * self.chest.lung_density


def render_scene(chest: Chest, materials: Materials, grid: Grid, rotation: float = 0.0) -> Scene:
    """Compute the attenuation integrals of a healthy chest.

    Args:
        chest: The patient.
        materials: Attenuation coefficients.
        grid: The rays.
        rotation: Turn of the patient about the upright axis in radians, small.
    """
    blockers = _mediastinal_solids(chest, grid, rotation)
    lungs = tuple(_aerated(chest, grid, rotation, side, blockers) for side in (RIGHT, LEFT))
    length = sum(total_length(spans) for spans in lungs)
    parenchyma = _parenchyma(chest, materials, grid, length, lungs)
    tau = materials.soft * (_body(chest, grid) - length) + parenchyma
    tau -= (materials.soft - materials.air) * _airways(chest, grid, rotation)
    tau += materials.fat * _breasts(chest, grid)
    tau += _bones(chest, materials, grid, rotation)
    return Scene(chest, materials, grid, rotation, lungs, parenchyma, np.maximum(tau, 0.0).astype(np.float32))


def heart_spans(chest: Chest, grid: Grid, rotation: float = 0.0) -> tuple[Span, Span]:
    """Return the paths through the ventricles and through the right atrium."""
    width = chest.heart_width
    middle = chest.height(0.0) + chest.domes[1] - 2.6 + 0.47 * width
    ventricles = ellipsoid_span(
        grid,
        (0.17 * width - 2.0 * rotation, -2.0, middle),
        (0.56 * width, 0.5 * width, 0.41 * width),
        chest.heart_angle,
    )
    atrium = ellipsoid_span(
        grid, (-0.10 * width, -1.0, middle - 0.05 * width), (0.235 * width, 0.45 * width, 0.36 * width)
    )
    return ventricles, atrium


def lung_edge(chest: Chest, z: np.ndarray) -> np.ndarray:
    """Return the distance in cm of the lung's lateral edge from the midline at each height."""
    share = np.clip(chest.share(z), 0.0, 1.0)
    narrowing = 1.0 - 0.30 * chest.taper * share - 0.05 * (1.0 - share) ** 2
    return chest.apex + (chest.lung_width * narrowing - chest.apex) * np.sqrt(1.0 - share**3.6)


def diaphragm_height(chest: Chest, x: np.ndarray, side: float) -> np.ndarray:
    """Return the height in cm of the top of one dome over each sideways position."""
    middle, half = side * 0.52 * chest.lung_width, 0.55 * chest.lung_width
    dome = chest.domes[0] if side == RIGHT else chest.domes[1]
    return chest.height(0.0) + dome - 0.72 * dome * np.abs((x - middle) / half) ** 2.2


def _mediastinal_solids(chest: Chest, grid: Grid, rotation: float) -> list[Span]:
    depth = 1.2 * chest.lung_depth
    share = chest.share(grid.z)
    half = chest.mediastinum * np.interp(share, (0.0, 0.35, 0.62, 0.8, 1.0, 1.2), (0.7, 0.7, 0.85, 0.92, 1.1, 1.5))
    knob = ellipsoid_span(grid, (1.9 + rotation, 1.0, chest.height(0.73)), (chest.knob, 3.0, chest.knob * 1.1))
    trunk = ellipsoid_span(grid, (2.2, -1.0, chest.height(0.58)), (2.0, 2.5, 2.3), -0.5)
    girth = 1.2 * np.sqrt(np.clip((0.74 - share) / 0.06, 0.0, 1.0))
    aorta = cylinder_span(grid.x, (1.5 + 5.0 * rotation, 5.0), (girth, girth))
    return [
        cylinder_span(grid.x, (_spine_x(chest, grid.z) * 0.5, 0.0), (half.astype(np.float32), depth), 3.0),
        *heart_spans(chest, grid, rotation),
        knob,
        trunk,
        aorta,
    ]


def _aerated(chest: Chest, grid: Grid, rotation: float, side: float, blockers: list[Span]) -> tuple[Span, ...]:
    share = np.clip(chest.share(grid.z), 0.0, 1.0)
    lateral = lung_edge(chest, grid.z)
    medial = chest.apex * (0.12 + 0.88 * share**9)
    centre, half = side * 0.5 * (lateral + medial), 0.5 * (lateral - medial)
    depth = chest.lung_depth * np.sqrt(np.maximum(1.0 - share**3.0, 0.0)) * (0.82 + 0.18 * (1.0 - share))
    inside = (chest.share(grid.z) > 0.0) & (chest.share(grid.z) < 1.0)
    lung = cylinder_span(grid.x, (centre, 1.2 * share), (half * inside, depth), _LUNG_POWER)
    fall = (diaphragm_height(chest, grid.x, side) - grid.z) / (0.45 * (chest.domes[0]))
    dome_half = chest.lung_depth * 1.15 * np.sqrt(np.maximum(fall, 0.0))
    dome = Span(np.where(fall > 0, -1.5 - dome_half, 1e4), np.where(fall > 0, -1.5 + dome_half, -1e4))
    return lung.without(hull([*blockers, dome]))


def _body(chest: Chest, grid: Grid) -> np.ndarray:
    share = chest.share(grid.z)
    width, top = chest.lung_width, chest.lung_width + chest.wall
    outline = _profile(
        share,
        (-0.6, 0.0, 0.3, 0.62, 0.8, 0.95, 1.04, 1.12, 1.2, 1.4),
        (
            top * 0.97,
            top,
            top * 1.0,
            top * 0.99,
            top + 2.5,
            top + 5.0,
            top + 1.5,
            0.66 * width,
            0.49 * width,
            0.47 * width,
        ),
    )
    depth = chest.lung_depth + 0.75 * chest.wall
    depths = _profile(
        share, (-0.6, 0.0, 0.5, 0.85, 1.1, 1.4), (depth, depth + 0.4, depth, 0.8 * depth, 0.6 * depth, 0.55 * depth)
    )
    return cylinder_span(grid.x, (0.0, 0.0), (outline, depths), 2.5).length


def _profile(share: np.ndarray, knots: tuple[float, ...], values: tuple[float, ...]) -> np.ndarray:
    fine = np.linspace(knots[0], knots[-1], 400)
    return np.interp(share, fine, PchipInterpolator(knots, values)(fine)).astype(np.float32)


def _parenchyma(
    chest: Chest, materials: Materials, grid: Grid, length: np.ndarray, lungs: Sequence[Sequence[Span]]
) -> np.ndarray:
    texture = power_law_noise(chest.texture_seed, grid.shape[0], 2.2)
    vessels = _vessels(chest, grid)
    for (x, z), spans in zip(chest.hila, lungs, strict=True):
        vessels += 0.45 * gaussian_path(grid, spans, (x, 0.0, z), (1.0, 1.3, 1.7))
    air = materials.lung * chest.lung_density * length * (1.0 + 0.07 * texture)
    return air + (materials.soft - materials.lung) * np.minimum(vessels, length)


def _vessels(chest: Chest, grid: Grid) -> np.ndarray:
    path = np.zeros(grid.shape, np.float32)
    for start, end, radii in chest.vessels:
        add_tube(path, grid, np.asarray((start, end)), radii)
    return path


def _airways(chest: Chest, grid: Grid, rotation: float) -> np.ndarray:
    carina = (-0.35 - rotation, chest.height(0.64))
    top = (float(_spine_x(chest, np.asarray(chest.height(1.4)))) * 0.5, chest.height(1.45))
    path = curve_chord(grid, np.asarray([top, carina]), 0.9)
    for end, radius in (((-2.7, chest.height(0.54)), 0.6), ((3.0, chest.height(0.56)), 0.52)):
        add_tube(path, grid, np.asarray([carina, end]), (radius + 0.1, radius))
    gas = ellipsoid_span(
        grid,
        (0.45 * chest.lung_width, -2.0, chest.height(0.0) + chest.domes[1] - chest.gastric_gas - 1.0),
        (1.5 * chest.gastric_gas + 1e-3, chest.gastric_gas + 1e-3, chest.gastric_gas + 1e-3),
    )
    return path + 0.6 * gas.length


def _breasts(chest: Chest, grid: Grid) -> np.ndarray:
    if chest.breast == 0.0:
        return np.zeros(grid.shape, np.float32)
    centre, radius = (0.62 * chest.lung_width, -chest.lung_depth - 2.0, chest.height(0.24)), chest.breast
    return sum(
        ellipsoid_span(grid, (side * centre[0], *centre[1:]), (1.1 * radius, 0.25 * radius, radius)).length
        for side in (RIGHT, LEFT)
    )


def _spine_x(chest: Chest, z: np.ndarray) -> np.ndarray:
    return np.float32(chest.curve) * np.sin(z / np.float32(0.32 * chest.lung_height))


def _bones(chest: Chest, materials: Materials, grid: Grid, rotation: float) -> np.ndarray:
    hard, light = materials.cortical - materials.soft, materials.spongy - materials.soft
    tau = _ribs(chest, grid, hard, light) + _spine(chest, grid, rotation, hard, light)
    for side in (RIGHT, LEFT):
        tau += _shoulder(chest, grid, side, rotation, hard, light)
    return chest.bone_density * tau


def _ribs(chest: Chest, grid: Grid, hard: float, light: float) -> np.ndarray:
    cage = [_cage(chest, grid, inset) for inset in (0.0, 0.15, 0.55, 0.7)]
    shells = _front_and_back(cage[0], cage[3]), _front_and_back(cage[1], cage[2])
    tau = np.zeros(grid.shape, np.float32)
    for index in range(12):
        top = chest.height(1.06) - chest.rib_spacing * index
        rows = grid.window(0.0, top - chest.rib_slope * chest.lung_depth, chest.rib_slope * chest.lung_depth + 2.5)[0]
        tau[rows] += _rib(chest, grid, index, top, rows, shells, hard, light)
    return tau


def _front_and_back(outer: Span, inner: Span) -> tuple[Span, Span]:
    zero = np.float32(0.0)
    return Span(outer.entry, np.minimum(inner.entry, zero)), Span(np.maximum(inner.exit, zero), outer.exit)


def _cage(chest: Chest, grid: Grid, inset: float) -> Span:
    stretched = grid.z / np.float32(1.09)
    depth = chest.lung_depth * _profile(chest.share(stretched), (-0.5, 0.0, 0.5, 0.9, 1.0), (1.0, 1.0, 0.98, 0.7, 0.45))
    return cylinder_span(grid.x, (0.0, 0.0), (lung_edge(chest, stretched) + 0.75 - inset, depth + 0.6 - inset))


def _rib(
    chest: Chest,
    grid: Grid,
    index: int,
    top: float,
    rows: slice,
    shells: tuple[tuple[Span, Span], tuple[Span, Span]],
    hard: float,
    light: float,
) -> np.ndarray:
    """What one pair of ribs adds to soft tissue: tilted slabs of the cage, compact outside and spongy inside."""
    x, z = grid.x[rows], grid.z[rows]
    height = top - chest.rib_slope * chest.lung_depth
    sideways = np.abs(x)
    back = np.clip((sideways - 1.6) / 0.8, 0.0, 1.0)
    joint = np.interp(index, (0, 2, 6, 9, 11), (2.8, 4.0, 6.5, 10.5, 13.0)) * chest.lung_width / 13.0
    front = np.clip((sideways - joint) / 1.0, 0.0, 1.0)
    lengths = []
    for shell, thickness in zip(shells, (chest.rib_half_height, chest.rib_half_height - 0.15), strict=True):
        slab = slab_span(z, height, thickness, chest.rib_slope)
        cut = [Span(span.entry[rows], span.exit[rows]).within(slab).length for span in shell]
        lengths.append(cut[0] * front + cut[1] * back)
    return hard * (lengths[0] - lengths[1]) + light * lengths[1]


def _spine(chest: Chest, grid: Grid, rotation: float, hard: float, light: float) -> np.ndarray:
    middle = _spine_x(chest, grid.z) + np.float32(6.0 * rotation)
    share = chest.share(grid.z)
    half = np.interp(share, (-0.4, 0.0, 1.0, 1.4), (2.15, 1.95, 1.5, 1.25)).astype(np.float32)
    column = cylinder_span(grid.x, (middle, 6.0), (half, 1.5), 3.0).length
    phase = np.abs(((grid.z / np.float32(chest.rib_spacing)) % 1.0) - 0.5)
    body, endplate = np.clip((0.42 - phase) / 0.04, 0.0, 1.0), np.exp(-(((phase - 0.41) / 0.025) ** 2))
    tau = column * (light * body + 0.12 * hard * endplate)
    for level in range(-9, 9):
        z = (level + 0.42) * chest.rib_spacing
        x = float(_spine_x(chest, np.asarray(z))) + 7.0 * rotation
        for offset in (-0.95, 0.95):
            tau += 0.35 * hard * ellipsoid_span(grid, (x + offset, 7.5, z + 0.25), (0.32, 0.8, 0.5)).length
        tau += 0.3 * hard * ellipsoid_span(grid, (x, 9.0, z - 0.7), (0.22, 1.2, 0.7)).length
    return tau


def _shoulder(chest: Chest, grid: Grid, side: float, rotation: float, hard: float, light: float) -> np.ndarray:
    width, top = chest.lung_width, chest.height(chest.clavicle)
    along = np.linspace(0.0, 1.0, 9)
    sideways = 1.9 + along * (width + 1.5) - 4.0 * rotation * side
    upwards = top + 1.6 * along + 0.7 * np.sin(2.0 * np.pi * along)
    clavicle = np.stack([side * sideways, upwards], axis=1)
    outer, inner = curve_chord(grid, clavicle, 0.62), curve_chord(grid, clavicle, 0.44)
    joint = (side * (width + 4.6), chest.height(0.93))
    head = ellipsoid_span(grid, (joint[0], 0.0, joint[1]), (2.3, 2.3, 2.4)).length
    arm = np.asarray([joint, (joint[0] + side * 3.0, joint[1] - 14.0)])
    blade = ellipsoid_span(
        grid, (side * (width * 0.93 + 0.8), chest.lung_depth, chest.height(0.72)), (3.2, 0.14, 6.2), side * 0.22
    ).length
    border = np.asarray([(side * (width + 2.2), chest.height(0.86)), (side * width * 0.88, chest.height(0.5))])
    return (
        hard * (outer - inner)
        + light * (inner + head + curve_chord(grid, arm, 0.9))
        + 0.35 * hard * (curve_chord(grid, arm, 1.25) - curve_chord(grid, arm, 0.9))
        + 0.9 * hard * blade
        + 1.2 * light * curve_chord(grid, border, 0.4)
    )
