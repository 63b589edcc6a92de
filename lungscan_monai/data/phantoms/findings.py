"""Findings of known kind and place, as changes of a chest's attenuation integrals.

Two sorts: a *change* alters the patient (a larger heart, blown-up lungs) before the chest is rendered; a *lesion* adds
to, or takes from, the attenuation integral of a rendered chest. Names are those of ChestX-ray14, and Tuberculosis.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.ndimage import binary_fill_holes

from lungscan_monai.data.phantoms.chest import Chest
from lungscan_monai.data.phantoms.materials import Materials
from lungscan_monai.data.phantoms.projection import (
    Grid,
    Span,
    add_tube,
    curve_chord,
    ellipsoid_span,
    gaussian_path,
    total_length,
)
from lungscan_monai.data.phantoms.radiograph import (
    LEFT,
    RIGHT,
    Scene,
    diaphragm_height,
    heart_spans,
    lung_edge,
    render_scene,
)
from lungscan_monai.data.phantoms.textures import power_law_noise
from lungscan_monai.errors import ConfigError

MASK_LEVEL = 0.25
"""A pixel belongs to a lesion's mask if the lesion changes it by more than this share of its largest change."""

Lesion = Callable[[Scene, np.random.Generator, float], np.ndarray]
Point = tuple[float, float, float]


@dataclass(frozen=True)
class Change:
    """A finding that alters the patient.

    Args:
        alter: Returns the altered chest.
        extent: Returns where the altered organ is, boolean, shape ``(H, W)``.
    """

    alter: Callable[[Chest, np.random.Generator, float], Chest]
    extent: Callable[[Scene], np.ndarray]


@dataclass(frozen=True)
class Diseased:
    """A chest with findings, without noise.

    Args:
        tau: Attenuation integral, shape ``(H, W)``.
        masks: For each finding where it is, boolean, shape ``(H, W)``.
    """

    tau: np.ndarray
    masks: dict[str, np.ndarray]


def render_findings(
    chest: Chest,
    names: Sequence[str],
    seed: Sequence[int],
    materials: Materials,
    grid: Grid,
    rotation: float = 0.0,
    contrast: float = 1.0,
) -> Diseased:
    """Render a chest with findings.

    Args:
        chest: The healthy patient.
        names: Findings, see :data:`FINDINGS`; none gives the healthy chest.
        seed: Seed of place, size and density of the findings; it does not touch the anatomy.
        materials: Attenuation coefficients.
        grid: The rays.
        rotation: Turn of the patient about the upright axis in radians.
        contrast: Multiplies the strength of every finding; 1 spreads from subtle to obvious.

    Raises:
        ConfigError: If a finding is not known, or `contrast` is not positive.
    """
    unknown = sorted(set(names) - set(FINDINGS))
    if unknown:
        raise ConfigError(f"unknown finding(s) {', '.join(unknown)}; there are {', '.join(FINDINGS)}")
    if not contrast > 0.0:
        raise ConfigError(f"contrast is {contrast}, expected a positive number")
    streams = {name: np.random.default_rng([*seed, FINDINGS.index(name)]) for name in names}
    changes = {name: how for name in names if isinstance(how := _HOW[name], Change)}
    for name, how in changes.items():
        chest = how.alter(chest, streams[name], contrast)
    scene = render_scene(chest, materials, grid, rotation)
    tau, masks = scene.tau, {}
    for name in names:
        if name in changes:
            masks[name] = changes[name].extent(scene)
            continue
        change = _HOW[name](scene, streams[name], contrast)
        tau = tau + change
        masks[name] = lesion_mask(change)
    return Diseased(np.maximum(tau, 0.0).astype(np.float32), masks)


def lesion_mask(change: np.ndarray) -> np.ndarray:
    """Return where a change of the attenuation integral exceeds :data:`MASK_LEVEL` of its peak, holes filled."""
    size = np.abs(change)
    return binary_fill_holes(size > max(MASK_LEVEL * float(size.max()), 1e-6))


# ---------------------------------------------------------------------------------------------------------- places


def _side(rng: np.random.Generator) -> float:
    return RIGHT if rng.random() < 0.5 else LEFT


def _place(scene: Scene, rng: np.random.Generator, side: float, shares: tuple[float, float], inset: float) -> Point:
    """Draw a point in one lung, between two shares of its height and `inset` cm from its edges where there is room."""
    chest = scene.chest
    z = chest.height(rng.uniform(*shares))
    inner = 2.2 + (0.32 * chest.heart_width if side == LEFT and z < chest.height(0.38) else 0.8)
    outer = float(lung_edge(chest, np.asarray(z)))
    low, high = min(inner + 0.6 * inset, outer - 1.5), max(outer - inset, inner + 0.5)
    x = side * rng.uniform(min(low, high), max(low, high))
    top = float(diaphragm_height(chest, np.asarray(x), side))
    return x, rng.uniform(-0.4, 0.4) * chest.lung_depth, max(z, top + 0.6 * inset)


def _in_air(scene: Scene, side: float, solid: Span) -> np.ndarray:
    return total_length(span.within(solid) for span in scene.air(side))


def _flooded(scene: Scene, side: float, path: np.ndarray) -> np.ndarray:
    """Turn the path through a fluid-filled part of the lung into attenuation, never more than the lung holds."""
    air = total_length(scene.air(side))
    filled = air * -np.expm1(-path / np.maximum(air, np.float32(1e-3)))
    return scene.consolidation * filled


def _patch(scene: Scene, rng: np.random.Generator, side: float, centre: Point, size: float, fill: float) -> np.ndarray:
    """An ill-defined cloud of `size` cm made of Gaussian blobs, the share `fill` of its air replaced."""
    path = np.zeros(scene.grid.shape, np.float32)
    for _ in range(int(rng.integers(5, 9))):
        offset = rng.normal(0.0, 0.75 * size, 3)
        sigma = size * rng.uniform(0.45, 0.85, 3) * (1.0, 1.7, 1.0)
        path += fill * rng.uniform(0.5, 1.0) * gaussian_path(scene.grid, scene.air(side), centre + offset, sigma)
    grain = power_law_noise(int(rng.integers(2**31)), scene.grid.shape[0], 2.4)
    return _flooded(scene, side, path * np.clip(1.0 + 0.3 * grain, 0.2, 2.0))


# --------------------------------------------------------------------------------------------------------- lesions


def _pneumonia(scene: Scene, rng: np.random.Generator, contrast: float) -> np.ndarray:
    change = np.zeros(scene.grid.shape, np.float32)
    side = _side(rng)
    for _ in range(int(rng.choice((1, 2, 3), p=(0.6, 0.3, 0.1)))):
        size = rng.uniform(1.4, 2.5)
        centre = _place(scene, rng, side, (0.2, 0.62), size)
        change += _patch(scene, rng, side, centre, size, contrast * rng.uniform(0.7, 1.25))
        side = side if rng.random() < 0.6 else -side
    return change


def _consolidation(scene: Scene, rng: np.random.Generator, contrast: float) -> np.ndarray:
    side, size = _side(rng), rng.uniform(2.0, 3.2)
    centre = _place(scene, rng, side, (0.25, 0.8), size)
    change = _patch(scene, rng, side, centre, size, contrast * rng.uniform(0.5, 0.9))
    fissure = centre[2] + rng.uniform(-0.4, 0.4) * size + 0.1 * (scene.grid.x - centre[0])
    above = 1.0 if rng.random() < 0.5 else -1.0
    return change * np.clip(0.5 + above * (scene.grid.z - fissure) / 0.4, 0.0, 1.0)


def _infiltration(scene: Scene, rng: np.random.Generator, contrast: float) -> np.ndarray:
    change = np.zeros(scene.grid.shape, np.float32)
    for _ in range(int(rng.integers(2, 5))):
        side, size = _side(rng), rng.uniform(1.0, 2.2)
        centre = _place(scene, rng, side, (0.2, 0.8), size)
        change += _patch(scene, rng, side, centre, size, contrast * rng.uniform(0.15, 0.35))
    return change


def _edema(scene: Scene, rng: np.random.Generator, contrast: float) -> np.ndarray:
    change = np.zeros(scene.grid.shape, np.float32)
    fill, spread = contrast * rng.uniform(0.12, 0.32), rng.uniform(2.0, 3.0)
    for side, (x, z) in zip((RIGHT, LEFT), scene.chest.hila, strict=True):
        centre = (x + side * 2.0, 0.0, z - 1.0)
        change += _patch(scene, rng, side, centre, spread, fill * rng.uniform(0.8, 1.2))
    return change


def _atelectasis(scene: Scene, rng: np.random.Generator, contrast: float) -> np.ndarray:
    change = np.zeros(scene.grid.shape, np.float32)
    for _ in range(int(rng.integers(1, 4))):
        side = _side(rng)
        x, _, z = _place(scene, rng, side, (0.2, 0.42), 2.5)
        reach, slope = rng.uniform(1.8, 3.5), rng.normal(0.0, 0.25)
        along = np.linspace(-reach, reach, 7)
        bow = slope * along + 0.04 * along**2
        band = curve_chord(scene.grid, np.stack([x + along, z + bow], axis=1), rng.uniform(0.25, 0.6))
        change += _flooded(scene, side, 2.5 * contrast * rng.uniform(0.6, 1.2) * band)
    return change


def _effusion(scene: Scene, rng: np.random.Generator, contrast: float) -> np.ndarray:
    change, chest, grid = np.zeros(scene.grid.shape, np.float32), scene.chest, scene.grid
    sides = (RIGHT, LEFT) if rng.random() < 0.25 else (_side(rng),)
    for side in sides:
        level = chest.height(0.0) + 0.75 * chest.domes[0] + contrast * rng.uniform(0.8, 6.0)
        edge = np.clip(side * grid.x / lung_edge(chest, grid.z), 0.0, 1.1)
        surface = level + rng.uniform(1.5, 3.0) * (edge**5 - 0.2)
        under = np.clip((surface - grid.z) / 1.2 + 0.5, 0.0, 1.0)
        change += scene.consolidation * under * total_length(scene.air(side))
    return change


def _rounded(scene: Scene, rng: np.random.Generator, radius: float, lobes: int, density: float) -> np.ndarray:
    side = _side(rng)
    centre = np.asarray(_place(scene, rng, side, (0.22, 0.88), radius + 0.8))
    length = np.zeros(scene.grid.shape, np.float32)
    for lobe in range(lobes):
        offset = rng.normal(0.0, 0.35 * radius, 3) if lobe else np.zeros(3)
        axes = radius * rng.uniform(0.8, 1.05, 3) * (0.8 if lobe else 1.0)
        length = np.maximum(length, _in_air(scene, side, ellipsoid_span(scene.grid, centre + offset, axes)))
    return scene.consolidation * density * length


def _nodule(scene: Scene, rng: np.random.Generator, contrast: float) -> np.ndarray:
    return _rounded(scene, rng, rng.uniform(0.7, 1.4), 1, contrast * rng.uniform(1.0, 1.9))


def _mass(scene: Scene, rng: np.random.Generator, contrast: float) -> np.ndarray:
    return _rounded(scene, rng, rng.uniform(1.7, 3.2), 4, contrast * rng.uniform(0.6, 1.0))


def _pneumothorax(scene: Scene, rng: np.random.Generator, contrast: float) -> np.ndarray:
    chest, grid, side = scene.chest, scene.grid, _side(rng)
    gap = contrast * rng.uniform(1.2, 4.0) * np.clip(chest.share(grid.z), 0.0, 1.0) ** rng.uniform(0.7, 1.6)
    middle = side * (0.35 * lung_edge(chest, grid.z) + 1.0)
    inside = (lung_edge(chest, grid.z) - np.abs(grid.x)) - gap
    roof = chest.height(1.0) - 0.8 * gap - 0.12 * (grid.x - middle) ** 2 - grid.z
    collapsed = np.minimum(inside, roof)
    air = total_length(scene.air(side))
    outside = np.clip(0.5 - collapsed / 0.15, 0.0, 1.0) * (air > 0)
    line = np.exp(-0.5 * (collapsed / 0.09) ** 2) * (air > 0)
    return -(scene.parenchyma - scene.materials.air * air) * outside + 0.12 * line


def _emphysema(chest: Chest, rng: np.random.Generator, contrast: float) -> Chest:
    strength = min(contrast * rng.uniform(0.5, 1.0), 1.2)
    return replace(
        chest,
        lung_density=chest.lung_density * (1.0 - 0.45 * strength),
        lung_height=chest.lung_height * (1.0 + 0.10 * strength),
        lung_depth=chest.lung_depth * (1.0 + 0.10 * strength),
        domes=(chest.domes[0] * (1.0 - 0.5 * strength), chest.domes[1] * (1.0 - 0.5 * strength)),
        heart_ratio=chest.heart_ratio * (1.0 - 0.14 * strength),
        taper=chest.taper * (1.0 - 0.6 * strength),
    )


def _cardiomegaly(chest: Chest, rng: np.random.Generator, contrast: float) -> Chest:
    return replace(chest, heart_ratio=min(0.5 + contrast * rng.uniform(0.05, 0.18), 0.78))


def _fibrosis(scene: Scene, rng: np.random.Generator, contrast: float) -> np.ndarray:
    change = np.zeros(scene.grid.shape, np.float32)
    top = rng.uniform(0.3, 0.5)
    for side in (RIGHT, LEFT):
        mesh = np.zeros(scene.grid.shape, np.float32)
        for _ in range(int(rng.integers(70, 120))):
            x, _, z = _place(scene, rng, side, (0.15, top), 0.3)
            bearing, reach = rng.uniform(0.0, np.pi), rng.uniform(0.4, 0.9)
            dx, dz = reach * np.cos(bearing), reach * np.sin(bearing)
            add_tube(mesh, scene.grid, np.asarray([(x - dx, z - dz), (x + dx, z + dz)]), (0.11, 0.11))
        change += _flooded(scene, side, contrast * rng.uniform(6.0, 11.0) * mesh)
    return change


def _pleural_thickening(scene: Scene, rng: np.random.Generator, contrast: float) -> np.ndarray:
    chest, grid, side = scene.chest, scene.grid, _side(rng)
    middle, reach = rng.uniform(0.3, 0.85), rng.uniform(0.1, 0.25)
    bulge = np.exp(-(((chest.share(grid.z) - middle) / reach) ** 4))
    width = contrast * rng.uniform(0.7, 1.6) * bulge
    depth = np.clip((width - (lung_edge(chest, grid.z) - side * grid.x)) / 0.3, 0.0, 1.0)
    return scene.consolidation * depth * np.minimum(total_length(scene.air(side)), rng.uniform(2.5, 5.0))


def _hernia(scene: Scene, rng: np.random.Generator, contrast: float) -> np.ndarray:
    radius = rng.uniform(2.4, 3.8)
    centre = (rng.uniform(-1.0, 2.5), 3.5, scene.chest.height(0.0) + scene.chest.domes[1] + 0.6 * radius)
    sac = ellipsoid_span(scene.grid, centre, (1.15 * radius, 0.9 * radius, radius))
    fluid = sum(_in_air(scene, side, sac) for side in (RIGHT, LEFT))
    gas = np.clip((scene.grid.z - centre[2]) / 0.2, 0.0, 1.0) * np.maximum(sac.length - 0.8, 0.0)
    return contrast * (scene.consolidation * fluid - 0.55 * scene.materials.soft * gas)


def _tuberculosis(scene: Scene, rng: np.random.Generator, contrast: float) -> np.ndarray:
    side, size = _side(rng), rng.uniform(0.9, 1.6)
    change = np.zeros(scene.grid.shape, np.float32)
    main = _place(scene, rng, side, (0.74, 0.86), 2.0)
    for _ in range(int(rng.integers(2, 5))):
        spot = tuple(main + rng.normal(0.0, 1.3, 3))
        change += _patch(scene, rng, side, spot, size * rng.uniform(0.5, 0.9), contrast * rng.uniform(0.5, 1.0))
    if rng.random() < 0.6:
        change += _cavity(scene, rng, side, main, contrast)
    if rng.random() < 0.35:
        other = _place(scene, rng, -side, (0.72, 0.88), 1.8)
        change += _patch(scene, rng, -side, other, size * 0.8, contrast * rng.uniform(0.25, 0.5))
    return change


def _cavity(scene: Scene, rng: np.random.Generator, side: float, centre: Point, contrast: float) -> np.ndarray:
    radius, wall = rng.uniform(1.1, 2.0), rng.uniform(0.25, 0.5)
    axes = radius * rng.uniform(0.85, 1.1, 3)
    outer = _in_air(scene, side, ellipsoid_span(scene.grid, centre, axes))
    inner = _in_air(scene, side, ellipsoid_span(scene.grid, centre, axes - wall))
    lung = scene.materials.lung * scene.chest.lung_density
    return contrast * (scene.consolidation * (outer - inner) - lung * inner)


# ---------------------------------------------------------------------------------------------------------- extent


def _heart_extent(scene: Scene) -> np.ndarray:
    return sum(span.length for span in heart_spans(scene.chest, scene.grid, scene.rotation)) > 0.0


def _lung_extent(scene: Scene) -> np.ndarray:
    return total_length([*scene.lungs[0], *scene.lungs[1]]) > 1.0


_HOW: dict[str, Lesion | Change] = {
    "Atelectasis": _atelectasis,
    "Cardiomegaly": Change(_cardiomegaly, _heart_extent),
    "Effusion": _effusion,
    "Infiltration": _infiltration,
    "Mass": _mass,
    "Nodule": _nodule,
    "Pneumonia": _pneumonia,
    "Pneumothorax": _pneumothorax,
    "Consolidation": _consolidation,
    "Edema": _edema,
    "Emphysema": Change(_emphysema, _lung_extent),
    "Fibrosis": _fibrosis,
    "Pleural_Thickening": _pleural_thickening,
    "Hernia": _hernia,
    "Tuberculosis": _tuberculosis,
}
FINDINGS = tuple(_HOW)
"""Findings that can be rendered: the fourteen of ChestX-ray14 in their order, and Tuberculosis."""
