"""Closed-form ray paths against hand calculation and against counting samples along the ray."""

from __future__ import annotations

import numpy as np
import pytest

from lungscan_monai.data.phantoms.materials import materials_at
from lungscan_monai.data.phantoms.projection import (
    Span,
    add_tube,
    curve_chord,
    cylinder_span,
    ellipsoid_span,
    gaussian_path,
    hull,
    make_grid,
    slab_span,
    total_length,
)
from lungscan_monai.errors import ConfigError

DEPTHS = np.linspace(-15.0, 15.0, 6001)
STEP = DEPTHS[1] - DEPTHS[0]


@pytest.fixture
def grid():
    return make_grid(41, 20.0)


def everywhere(grid, entry=-20.0, leave=20.0):
    return Span(np.full(grid.shape, entry, np.float32), np.full(grid.shape, leave, np.float32))


def test_the_grid_is_upright_with_the_patients_left_at_the_right(grid):
    assert grid.x[0, -1] == pytest.approx(20.0 * 20 / 41)
    assert grid.z[0, 0] == pytest.approx(20.0 * 20 / 41)
    assert grid.z[-1, 0] == pytest.approx(-20.0 * 20 / 41)


@pytest.mark.parametrize("tilt", [0.0, 0.3, -0.2])
def test_a_window_holds_every_ray_near_its_point(tilt):
    grid = make_grid(50, 20.0, tilt, (1.0, -2.0))
    inside = np.zeros(grid.shape, bool)
    inside[grid.window(2.0, 3.0, 2.5)] = True
    near = np.hypot(grid.x - 2.0, grid.z - 3.0) <= 2.5
    assert near.any()
    assert not (near & ~inside).any()


def test_the_attenuation_of_a_sphere_is_its_chord_times_mu(grid):
    radius, mu = 4.0, materials_at(60.0).soft
    distance = np.hypot(grid.x - 1.0, grid.z + 2.0)
    expected = mu * 2.0 * np.sqrt(np.maximum(radius**2 - distance**2, 0.0))
    sphere = ellipsoid_span(grid, (1.0, 3.0, -2.0), (radius, radius, radius))
    np.testing.assert_allclose(mu * sphere.length, expected, atol=2e-4)


def test_a_turned_ellipsoid_equals_samples_along_the_rays(grid):
    angle, axes = 0.5, (5.0, 2.0, 3.0)
    dx, dz = grid.x[..., None] - 1.0, grid.z[..., None] - 0.5
    u, w = dx * np.cos(angle) + dz * np.sin(angle), dz * np.cos(angle) - dx * np.sin(angle)
    counted = ((u / axes[0]) ** 2 + ((DEPTHS - 2.0) / axes[1]) ** 2 + (w / axes[2]) ** 2 <= 1.0).sum(-1) * STEP
    np.testing.assert_allclose(ellipsoid_span(grid, (1.0, 2.0, 0.5), axes, angle).length, counted, atol=2.5 * STEP)


@pytest.mark.parametrize("power", [2.0, 2.6, 6.0])
def test_a_superelliptic_cylinder_equals_samples_along_the_rays(grid, power):
    inside = np.abs((grid.x[..., None] - 1.0) / 6.0) ** power + np.abs((DEPTHS + 1.0) / 4.0) ** power <= 1.0
    chord = cylinder_span(grid.x, (1.0, -1.0), (6.0, 4.0), power).length
    np.testing.assert_allclose(chord, inside.sum(-1) * STEP, atol=2.5 * STEP)


def test_a_slab_is_as_thick_along_the_ray_as_its_height_over_its_slope(grid):
    slab = slab_span(grid.z, 0.0, 0.6, 0.4)
    np.testing.assert_allclose(slab.length, 2 * 0.6 / 0.4, rtol=1e-5)
    assert slab.entry[20, 20] == pytest.approx(-1.5)


def test_what_is_left_of_a_solid_and_what_is_cut_out_make_up_the_whole(grid):
    outer = ellipsoid_span(grid, (0.0, 0.0, 0.0), (8.0, 8.0, 8.0))
    inner = ellipsoid_span(grid, (1.0, 1.0, 0.0), (3.0, 4.0, 3.0))
    rest = total_length(outer.without(inner))
    np.testing.assert_allclose(rest + outer.within(inner).length, outer.length, atol=1e-4)


def test_the_hull_of_two_solids_reaches_from_the_first_entry_to_the_last_exit(grid):
    front = ellipsoid_span(grid, (0.0, -5.0, 0.0), (2.0, 2.0, 2.0))
    back = ellipsoid_span(grid, (0.0, 5.0, 0.0), (2.0, 1.0, 2.0))
    both = hull([front, back])
    assert both.length[20, 20] == pytest.approx(13.0)
    assert both.length[0, 0] == 0.0


def test_an_uncut_gaussian_integrates_to_sigma_times_root_two_pi(grid):
    path = gaussian_path(grid, [everywhere(grid)], (0.0, 1.0, 0.0), (2.0, 1.5, 1.0))
    assert path[20, 20] == pytest.approx(1.5 * np.sqrt(2 * np.pi), rel=1e-5)
    assert path[20, 26] == pytest.approx(path[20, 20] * np.exp(-0.5 * (grid.x[20, 26] / 2.0) ** 2), rel=1e-5)


def test_a_gaussian_cut_in_its_middle_keeps_half(grid):
    whole = gaussian_path(grid, [everywhere(grid)], (0.0, 1.0, 0.0), (2.0, 1.5, 1.0))
    half = gaussian_path(grid, [everywhere(grid, leave=1.0)], (0.0, 1.0, 0.0), (2.0, 1.5, 1.0))
    np.testing.assert_allclose(half, whole / 2, atol=1e-6)


def test_a_tube_has_the_chord_of_a_circle(grid):
    points = np.asarray([(-30.0, 1.0), (30.0, 1.0)])
    expected = 2.0 * np.sqrt(np.maximum(4.0 - (grid.z - 1.0) ** 2, 0.0))
    np.testing.assert_allclose(curve_chord(grid, points, 2.0), expected, atol=1e-4)


def test_a_tube_thinner_than_a_pixel_keeps_its_volume():
    fine, coarse = make_grid(400, 20.0), make_grid(40, 20.0)
    volumes = []
    for grid in (fine, coarse):
        path = np.zeros(grid.shape, np.float32)
        add_tube(path, grid, np.asarray([(-30.0, 0.123), (30.0, 0.123)]), (0.1, 0.1))
        volumes.append(path.sum() * grid.pixel**2)
    assert volumes[0] == pytest.approx(np.pi * 0.1**2 * 20.0, rel=0.1)
    assert volumes[1] == pytest.approx(volumes[0], rel=0.2)


def test_soft_tissue_at_60_kev_has_the_coefficient_of_the_table():
    assert materials_at(60.0).soft == pytest.approx(0.2048 * 1.06)
    assert materials_at(60.0).cortical == pytest.approx(0.3148 * 1.92)


def test_bone_loses_more_than_soft_tissue_as_the_energy_rises():
    low, high = materials_at(52.0), materials_at(75.0)
    assert high.cortical / low.cortical < high.soft / low.soft < 1.0


@pytest.mark.parametrize("energy", [49.0, 81.0, float("nan")])
def test_an_energy_outside_of_the_table_is_refused(energy):
    with pytest.raises(ConfigError, match="expected 50.0 to 80.0 keV"):
        materials_at(energy)
