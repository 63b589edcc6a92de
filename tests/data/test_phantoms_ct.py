"""CT slices in Hounsfield units."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import binary_erosion

from lungscan_monai.data.phantoms.canvas import AIR, WATER, Canvas, Shape, scan, windowed
from lungscan_monai.data.phantoms.ct_kidney import kidney_ct
from lungscan_monai.data.phantoms.ct_lung import lung_ct
from lungscan_monai.data.phantoms.request import Request


def inner_hounsfield(picture, name):
    return np.median(picture.volume.hounsfield[binary_erosion(picture.masks[name], iterations=2)])


def test_water_is_zero_and_air_is_minus_a_thousand():
    assert (WATER, AIR) == (0.0, -1000.0)
    canvas = Canvas(64, 20.0)
    canvas.paint(Shape(0.0, 0.0, 6.0, 6.0), WATER)
    scanned = scan(canvas.hounsfield, 5.0, 0.5, np.random.default_rng(0))
    assert np.mean(scanned[24:40, 24:40]) == pytest.approx(0.0, abs=2.0)
    assert np.mean(scanned[:6, :6]) == pytest.approx(-1000.0, abs=3.0)


def test_a_painted_ellipse_has_the_area_of_an_ellipse():
    canvas = Canvas(200, 20.0)
    cover = canvas.cover(Shape(1.0, -0.5, 4.0, 2.5, 0.4))
    assert cover.sum() * canvas.pixel**2 == pytest.approx(np.pi * 4.0 * 2.5, rel=0.005)


def test_a_section_of_a_sphere_follows_pythagoras():
    assert Shape(0.0, 0.0, 5.0, 5.0).section(3.0, 5.0).a == pytest.approx(4.0)
    assert Shape(0.0, 0.0, 5.0, 5.0).section(6.0, 5.0).a == pytest.approx(0.01)


def test_the_window_is_the_linear_function_of_the_standard():
    grey = windowed(np.array([-1000, -160, 40, 240, 3000]), (40.0, 400.0))
    np.testing.assert_allclose(grey, [0.0, 0.0, 0.5 + 0.5 / 399, 1.0, 1.0], atol=1e-6)


def test_noise_has_the_wanted_spread_and_is_correlated():
    noise = scan(np.zeros((128, 128), np.float32), 20.0, 0.5, np.random.default_rng(0)).astype(float)
    assert noise.std() == pytest.approx(20.0, rel=0.03)
    assert np.corrcoef(noise[:, :-1].ravel(), noise[:, 1:].ravel())[0, 1] > 0.2


@pytest.mark.parametrize("patient", range(1, 4))
def test_a_cyst_is_water_and_a_stone_is_bright(patient):
    cyst = kidney_ct(Request(0, patient, 1, 256), "Cyst")
    stone = kidney_ct(Request(0, patient, 1, 256), "Stone")
    assert -5 < inner_hounsfield(cyst, "Cyst") < 20
    assert np.median(stone.volume.hounsfield[stone.masks["Stone"]]) > 200


def test_a_malignant_nodule_is_larger_than_a_benign_one():
    areas = {
        kind: np.mean([lung_ct(Request(0, n, 1, 128), kind).masks[kind].sum() for n in range(1, 9)])
        for kind in ("Benign", "Malignant")
    }
    assert areas["Malignant"] > 2.5 * areas["Benign"]


@pytest.mark.parametrize(("draw", "kinds"), [(kidney_ct, ("Normal", "Tumor")), (lung_ct, ("Normal", "Malignant"))])
def test_a_sick_patient_and_the_healthy_twin_differ_only_in_the_lesion(draw, kinds):
    well, sick = (draw(Request(7, 2, 1, 96), kind) for kind in kinds)
    assert well.masks == {}
    assert well.facts == sick.facts
    change = np.abs(well.volume.hounsfield.astype(int) - sick.volume.hounsfield)
    near = np.zeros_like(sick.mask)
    rows, columns = np.nonzero(sick.mask)
    near[max(rows.min() - 12, 0) : rows.max() + 13, max(columns.min() - 12, 0) : columns.max() + 13] = True
    assert change[~near].max() <= 1
    assert change[sick.mask].mean() > 20


def test_neighbouring_slices_share_the_anatomy():
    slices = [lung_ct(Request(0, patient, image, 64), "Normal").grey for patient, image in ((1, 1), (1, 2), (2, 1))]
    same, other = (np.corrcoef(slices[0].ravel(), slices[k].ravel())[0, 1] for k in (1, 2))
    assert same > 0.97
    assert same > other
