"""Pictures that are no chest radiographs: what a clinic's pipeline may be fed by mistake."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.ndimage import gaussian_filter

from lungscan_monai.data.phantoms.ct_kidney import kidney_ct
from lungscan_monai.data.phantoms.ct_lung import lung_ct
from lungscan_monai.data.phantoms.exposure import detect, develop, draw_exposure
from lungscan_monai.data.phantoms.materials import Materials, materials_at
from lungscan_monai.data.phantoms.picture import Picture
from lungscan_monai.data.phantoms.projection import Grid, curve_chord, ellipsoid_span, make_grid
from lungscan_monai.data.phantoms.request import Request
from lungscan_monai.data.phantoms.textures import power_law_noise

_DIGITS = ((-0.85, 0.66, 0.5), (-0.30, 0.95, 0.45), (-0.06, 1.0, 0.45), (0.17, 0.95, 0.42), (0.42, 0.8, 0.38))
"""Bearing in radians, relative length and radius in cm of the five digits, from the thumb."""
_JOINTS = (1.2, 6.6, 10.2, 12.4, 14.0)
"""Distances of a digit's joints from the wrist in cm."""


def stranger(request: Request) -> Picture:
    """Make a picture of one of the kinds: CT slice, hand, landscape, page, noise, empty."""
    kinds = (_ct, _ct, _hand, _hand, _landscape, _page, _noise, _empty)
    return kinds[int(np.random.default_rng(request.disease_seed()).integers(len(kinds)))](request)


def _ct(request: Request) -> Picture:
    slices: tuple[Callable[[Request, str], Picture], ...] = (kidney_ct, lung_ct)
    return slices[int(np.random.default_rng(request.disease_seed()).integers(100)) % 2](request, "Normal")


def _hand(request: Request) -> Picture:
    taking = request.taking()
    exposure = draw_exposure(taking)
    grid = make_grid(request.size, 26.0 * exposure.margin / 1.3, 6.0 * exposure.tilt, (0.0, 1.0))
    tau = _hand_tau(grid, materials_at(exposure.energy_kev), request.anatomy())
    grey = develop(detect(tau, exposure, grid, taking), exposure, grid)
    return Picture("DX", grey, 10.0 * grid.pixel, "HAND", facts={"view": exposure.view})


def _hand_tau(grid: Grid, materials: Materials, rng: np.random.Generator) -> np.ndarray:
    size, side = rng.uniform(0.85, 1.1), rng.choice((-1.0, 1.0))
    hard, light = materials.cortical - materials.soft, materials.spongy - materials.soft
    flesh = ellipsoid_span(grid, (0.0, 0.0, -2.0 * size), (4.1 * size, 1.7, 5.2 * size)).length
    flesh = np.maximum(flesh, curve_chord(grid, size * np.asarray([(0.0, -5.0), (0.0, -16.0)]), 2.6 * size))
    bone = np.zeros(grid.shape, np.float32)
    for bearing, length, radius in _DIGITS:
        bearing = side * (bearing + rng.normal(0.0, 0.04))
        way = np.asarray((np.sin(bearing), np.cos(bearing)))
        joints = size * (length * np.asarray(_JOINTS)[:, None] * way + (0.0, -6.0))
        flesh = np.maximum(flesh, curve_chord(grid, joints[1:], 2.1 * radius))
        for start, end in zip(joints[:-1], joints[1:], strict=True):
            gap = 0.14 * (end - start) / np.hypot(*(end - start))
            shaft = np.stack([start + gap, end - gap])
            outer, inner = curve_chord(grid, shaft, radius), curve_chord(grid, shaft, 0.6 * radius)
            bone = np.maximum(bone, hard * (outer - inner) + light * inner)
    for offset, radius in ((-1.0, 0.85), (1.15, 0.6)):
        shaft = size * np.asarray([(side * offset, -7.6), (side * offset, -17.0)])
        outer, inner = curve_chord(grid, shaft, radius), curve_chord(grid, shaft, 0.75 * radius)
        bone = np.maximum(bone, hard * (outer - inner) + light * inner)
    for _ in range(8):
        centre = (size * rng.uniform(-1.9, 1.9), 0.0, size * rng.uniform(-6.8, -5.2))
        bone = np.maximum(bone, 0.5 * hard * ellipsoid_span(grid, centre, (0.75, 0.4, 0.65)).length)
    return materials.soft * flesh + bone


def _painted(grey: np.ndarray) -> Picture:
    return Picture("OT", np.clip(grey, 0.0, 1.0).astype(np.float32), 1.0)


def _axes(size: int) -> tuple[np.ndarray, np.ndarray]:
    steps = (np.arange(size) + 0.5) / size
    return steps[None, :], steps[:, None]


def _landscape(request: Request) -> Picture:
    rng = request.taking()
    x, y = _axes(request.size)
    picture = rng.uniform(0.5, 0.9) - rng.uniform(0.1, 0.5) * y * np.ones_like(x)
    picture += 0.12 * power_law_noise(int(rng.integers(2**31)), request.size, 3.2)
    horizon = rng.uniform(0.35, 0.6)
    for layer in range(3):
        count, phase = rng.uniform(2.0, 6.0) * (layer + 1), rng.uniform(0.0, 6.3)
        ridge = horizon + 0.14 * layer + 0.06 * np.sin(count * x + phase) + 0.03 * np.sin(2.3 * count * x)
        ground = 0.45 - 0.13 * layer + 0.05 * power_law_noise(int(rng.integers(2**31)), request.size, 1.5)
        picture = np.where(y > ridge, ground, picture)
    return _painted(picture)


def _page(request: Request) -> Picture:
    rng = request.taking()
    size, line = request.size, max(request.size // 24, 2)
    picture = np.full((size, size), rng.uniform(0.85, 1.0))
    for top in range(line, size - line, 2 * line):
        column = 2 * line
        while column < size - 2 * line - rng.integers(line):
            word = int(rng.integers(line, 4 * line))
            picture[top : top + line, column : min(column + word, size - line)] -= 0.7 * rng.uniform(
                0.3, 1.0, (line, max(min(word, size - line - column), 0))
            )
            column += word + line
    return _painted(gaussian_filter(picture, 0.5))


def _noise(request: Request) -> Picture:
    rng = request.taking()
    grain = power_law_noise(int(rng.integers(2**31)), request.size, rng.uniform(0.0, 3.0))
    return _painted(rng.uniform(0.3, 0.7) + rng.uniform(0.08, 0.25) * grain)


def _empty(request: Request) -> Picture:
    rng = request.taking()
    grain = power_law_noise(int(rng.integers(2**31)), request.size, 0.0)
    return _painted(rng.uniform(0.0, 1.0) + 0.01 * grain)
