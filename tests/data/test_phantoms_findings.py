"""What a finding does to a radiograph, and where."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import binary_fill_holes

from lungscan_monai.data.phantoms.chest import draw_chest
from lungscan_monai.data.phantoms.chest_xray import NIH_FINDINGS, NO_FINDING, chest_xray, findings_with_companions
from lungscan_monai.data.phantoms.exposure import detect, develop, draw_exposure
from lungscan_monai.data.phantoms.findings import FINDINGS, MASK_LEVEL, lesion_mask, render_findings
from lungscan_monai.data.phantoms.materials import materials_at
from lungscan_monai.data.phantoms.projection import make_grid, total_length
from lungscan_monai.data.phantoms.radiograph import heart_spans, render_scene
from lungscan_monai.data.phantoms.request import Request
from lungscan_monai.errors import ConfigError

MATERIALS = materials_at(60.0)
OPAQUE = (
    "Atelectasis",
    "Infiltration",
    "Mass",
    "Nodule",
    "Pneumonia",
    "Consolidation",
    "Edema",
    "Fibrosis",
    "Effusion",
)
LOCAL = tuple(name for name in FINDINGS if name not in ("Cardiomegaly", "Emphysema"))


@pytest.fixture(scope="module")
def chest():
    return draw_chest(np.random.default_rng(5))


@pytest.fixture(scope="module")
def grid():
    return make_grid(96, 36.0)


@pytest.fixture(scope="module")
def healthy(chest, grid):
    return render_scene(chest, MATERIALS, grid)


def diseased(chest, grid, name, seed=3, contrast=1.0):
    return render_findings(chest, [name], (seed,), MATERIALS, grid, contrast=contrast)


def test_the_lungs_are_darker_than_the_mediastinum_and_air_is_black(healthy, chest, grid):
    lungs = total_length([*healthy.lungs[0], *healthy.lungs[1]]) > 8.0
    middle = np.abs(grid.x) < 1.0
    assert np.median(healthy.tau[lungs]) < 0.7 * np.median(healthy.tau[middle & (np.abs(grid.z) < 8.0)])
    assert healthy.tau.min() == 0.0


def test_the_heart_is_as_wide_as_its_ratio_says(chest):
    fine = make_grid(600, 36.0)
    columns = np.flatnonzero((sum(span.length for span in heart_spans(chest, fine)) > 0).any(axis=0))
    width = (columns[-1] - columns[0] + 1) * fine.pixel
    assert width / (2 * chest.lung_width) == pytest.approx(chest.heart_ratio, rel=0.06)


def test_no_finding_is_the_healthy_chest_without_a_mask(chest, grid, healthy):
    nothing = render_findings(chest, [], (3,), MATERIALS, grid)
    np.testing.assert_array_equal(nothing.tau, healthy.tau)
    assert nothing.masks == {}


@pytest.mark.parametrize("name", LOCAL)
def test_the_mask_is_where_the_lesion_changes_the_noise_free_image(chest, grid, healthy, name):
    sick = diseased(chest, grid, name)
    change = np.abs(sick.tau - healthy.tau)
    expected = binary_fill_holes(change > MASK_LEVEL * change.max())
    assert sick.masks[name].any()
    assert (sick.masks[name] != expected).mean() < 0.002


@pytest.mark.parametrize("name", FINDINGS)
def test_a_finding_lies_inside_of_the_thorax(chest, grid, name):
    mask = diseased(chest, grid, name).masks[name]
    assert mask.mean() < 0.4
    assert np.abs(grid.x[mask]).max() < 1.05 * chest.lung_width
    assert np.abs(grid.z[mask]).max() < 0.6 * chest.lung_height


@pytest.mark.parametrize("name", OPAQUE)
def test_an_opacity_never_exceeds_a_lung_full_of_fluid(chest, grid, healthy, name):
    change = diseased(chest, grid, name, contrast=3.0).tau - healthy.tau
    if name in ("Mass", "Nodule", "Atelectasis", "Effusion"):
        assert change.min() >= -1e-5
        return
    sides = [total_length(spans) for spans in healthy.lungs]
    assert (change <= 2.01 * healthy.consolidation * (sides[0] + sides[1]) + 1e-4).all()
    assert change.min() >= -1e-5


def test_a_pneumothorax_takes_attenuation_away(chest, grid, healthy):
    sick = diseased(chest, grid, "Pneumothorax")
    change = sick.tau - healthy.tau
    assert np.median(change[sick.masks["Pneumothorax"]]) < 0


def test_cardiomegaly_is_a_heart_wider_than_half_of_the_thorax(chest, grid):
    mask = diseased(chest, grid, "Cardiomegaly").masks["Cardiomegaly"]
    columns = np.flatnonzero(mask.any(axis=0))
    assert (columns[-1] - columns[0] + 1) * grid.pixel > 0.5 * 2 * chest.lung_width


def test_tuberculosis_lies_above_and_pneumonia_below(chest, grid):
    def mean_height(name):
        heights = [grid.z[diseased(chest, grid, name, seed).masks[name]].mean() for seed in range(8)]
        return np.mean(heights)

    assert mean_height("Tuberculosis") > 3.0 > 1.0 > mean_height("Pneumonia")


def test_more_contrast_changes_more(chest, grid, healthy):
    weak, strong = (diseased(chest, grid, "Pneumonia", contrast=c).tau - healthy.tau for c in (0.5, 2.0))
    assert 2.0 * weak.sum() < strong.sum()


def test_several_findings_have_a_mask_each(chest, grid):
    sick = render_findings(chest, ["Cardiomegaly", "Effusion"], (3,), MATERIALS, grid)
    assert list(sick.masks) == ["Cardiomegaly", "Effusion"]


def test_a_finding_stays_where_it_is_when_another_joins(chest, grid):
    alone = diseased(chest, grid, "Nodule").masks["Nodule"]
    together = render_findings(chest, ["Effusion", "Nodule"], (3,), MATERIALS, grid).masks["Nodule"]
    np.testing.assert_array_equal(alone, together)


def test_an_unknown_finding_is_refused_by_name(chest, grid):
    with pytest.raises(ConfigError, match="unknown finding.*Gout"):
        diseased(chest, grid, "Gout")


@pytest.mark.parametrize("contrast", [0.0, -1.0, float("nan")])
def test_a_contrast_that_is_not_positive_is_refused(chest, grid, contrast):
    with pytest.raises(ConfigError, match="positive"):
        diseased(chest, grid, "Nodule", contrast=contrast)


def test_a_change_of_nothing_has_an_empty_mask():
    assert not lesion_mask(np.zeros((4, 4))).any()


def test_companions_come_with_some_patients_and_the_finding_itself_with_all():
    drawn = [findings_with_companions(Request(0, patient, 1, 64), "Effusion") for patient in range(60)]
    assert all("Effusion" in names for names in drawn)
    assert 5 < sum(len(names) > 1 for names in drawn) < 55
    assert all(list(names) == [name for name in NIH_FINDINGS if name in names] for names in drawn)
    assert findings_with_companions(Request(0, 1, 1, 64), NO_FINDING) == ()


def test_the_detector_counts_photons_as_poisson_does(grid):
    rng = np.random.default_rng(0)
    exposure = draw_exposure(rng)
    flat = np.full(grid.shape, 2.0, np.float32)
    signal = detect(flat, exposure, grid, rng)
    expected = exposure.photons * grid.pixel**2 * (1.0 + exposure.scatter) * np.exp(-2.0)
    assert signal.std() == pytest.approx(1.0 / np.sqrt(expected), rel=0.05)
    assert signal.mean() == pytest.approx(2.0 - np.log(1.0 + exposure.scatter), abs=0.01)


def test_a_radiograph_for_display_is_in_zero_to_one_and_dense_is_bright(healthy, grid):
    rng = np.random.default_rng(1)
    exposure = draw_exposure(rng)
    grey = develop(detect(healthy.tau, exposure, grid, rng), exposure, grid)
    assert grey.dtype == np.float32
    assert grey.min() == 0.0
    assert 0.9 < grey.max() <= 1.0
    inner = np.s_[10:-10, 10:-10]
    assert np.corrcoef(grey[inner].ravel(), healthy.tau[inner].ravel())[0, 1] > 0.85


def test_a_sick_patient_and_the_healthy_twin_are_exposed_alike():
    well, sick = (chest_xray(Request(0, 4, 1, 96), names) for names in ((), ("Pneumonia",)))
    assert (well.facts, well.pixel, well.masks) == (sick.facts, sick.pixel, {})
    change = np.abs(well.grey - sick.grey)
    assert change[sick.mask].mean() > 5 * change[~sick.mask].mean()


def test_two_radiographs_of_a_patient_show_the_same_lesion_at_another_exposure():
    first, second = (chest_xray(Request(0, 4, image, 96), ("Pneumonia",)) for image in (1, 2))
    areas = [picture.mask.sum() * picture.pixel**2 for picture in (first, second)]
    assert areas[0] == pytest.approx(areas[1], rel=0.25)
    assert first.pixel != second.pixel
