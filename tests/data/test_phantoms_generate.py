"""A whole set of phantoms in a folder: files, labels, sections, DICOM headers."""

from __future__ import annotations

import json
from collections import defaultdict

import numpy as np
import pydicom
import pytest
from PIL import Image

from lungscan_monai.data.datalist import load_datalist
from lungscan_monai.data.phantoms import TASKS, generate_phantoms, phantom_task
from lungscan_monai.data.phantoms.generate import FRACTIONS, plan_patients
from lungscan_monai.dicom.pixels import hounsfield, read_display_image
from lungscan_monai.errors import ConfigError, OutputError

SMALL = {"pneumonia_cxr": 12, "lungscan_cxr": 24, "kidney_ct": 12, "lung_cancer_ct": 12, "nih14_cxr": 54}


@pytest.fixture(scope="module")
def sets(tmp_path_factory):
    root = tmp_path_factory.mktemp("phantoms")
    for name, count in SMALL.items():
        generate_phantoms(name, root / name, count, 48, formats=("png", "dicom"))
    return root


def files_of(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def dicoms(sets, name):
    return [pydicom.dcmread(path) for path in sorted((sets / name / "dicom").glob("*.dcm"))]


@pytest.mark.parametrize("name", SMALL)
def test_the_datalist_loads_and_its_files_exist(sets, name):
    datalist = load_datalist(sets / name / "datalist.json")
    datalist.require_files()
    assert len(datalist) == SMALL[name]
    assert (datalist.kind, datalist.labels) == (TASKS[name].kind, TASKS[name].labels)


@pytest.mark.parametrize("name", [name for name, task in TASKS.items() if task.kind != "multilabel"])
def test_what_is_normal_or_unknown_has_no_mask_and_the_rest_has_one(sets, name):
    datalist = load_datalist(sets / name / "datalist.json")
    for case in datalist.cases():
        healthy = datalist.labels[case.label] in ("Normal", "Unknown")
        assert ("mask" in case.facts) is not healthy
        if not healthy:
            mask = np.asarray(Image.open(sets / name / case.facts["mask"]))
            assert set(np.unique(mask)) == {0, 255}


def test_every_finding_of_a_multi_label_case_has_its_own_mask_and_the_mask_is_their_union(sets):
    folder = sets / "nih14_cxr"
    datalist = load_datalist(folder / "datalist.json")
    seen = np.zeros(len(datalist.labels), int)
    for case in datalist.cases():
        seen += case.label
        present = {name for name, flag in zip(datalist.labels, case.label, strict=True) if flag}
        assert set(case.facts.get("masks", {})) == present
        if present:
            parts = [np.asarray(Image.open(folder / path)) for path in case.facts["masks"].values()]
            np.testing.assert_array_equal(np.max(parts, axis=0), Image.open(folder / case.facts["mask"]))
    assert seen.all()
    assert max(sum(case.label) for case in datalist.cases()) > 1


@pytest.mark.parametrize("name", ["pneumonia_cxr", "lung_cancer_ct"])
def test_the_same_seed_gives_the_same_bytes_and_another_seed_other_pictures(sets, tmp_path, name):
    again = generate_phantoms(name, tmp_path / "again", SMALL[name], 48, formats=("png", "dicom"))
    generate_phantoms(name, tmp_path / "other", SMALL[name], 48, seed=1, formats=("png", "dicom"))
    first = files_of(sets / name)
    assert files_of(tmp_path / "again") == first
    others = files_of(tmp_path / "other")
    assert not {path for path, content in others.items() if path.startswith("images/") and first.get(path) == content}
    assert again.base_dir == (tmp_path / "again")


@pytest.mark.parametrize("count", [30, 100, 401])
def test_no_patient_straddles_two_sections_and_the_shares_are_kept(count):
    strata = ("Normal", "Pneumonia")
    patients = plan_patients(strata, count, seed=4)
    assert sorted(patient.number for patient in patients) == list(range(1, len(patients) + 1))
    assert {patient.images for patient in patients} == {1, 2, 3}
    images = defaultdict(int)
    for patient in patients:
        images[patient.stratum, patient.section] += patient.images
    assert sum(images.values()) == count
    for stratum in strata:
        for section, share in zip(("training", "validation", "test"), FRACTIONS, strict=True):
            assert images[stratum, section] == pytest.approx(share * count / 2, abs=3)


def test_every_class_is_in_every_section_of_the_smallest_set():
    patients = plan_patients(("a", "b", "c"), 9, seed=0)
    assert {(p.stratum, p.section) for p in patients} == {
        (stratum, section) for stratum in "abc" for section in ("training", "validation", "test")
    }


def test_a_patients_number_says_nothing_about_the_class():
    patients = plan_patients(("Normal", "Pneumonia"), 400, seed=0)
    numbers = {s: np.mean([p.number for p in patients if p.stratum == s]) for s in ("Normal", "Pneumonia")}
    assert abs(numbers["Normal"] - numbers["Pneumonia"]) < 0.1 * len(patients)


def test_the_bundles_name_serves_as_well():
    assert phantom_task("kidney_ct_classification") is phantom_task("kidney_ct")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"task": "gout"}, "there are pneumonia_cxr"),
        ({"count": 5}, "at least 6"),
        ({"size": 16}, "at least 32"),
        ({"formats": ()}, "one or both of png, dicom"),
        ({"formats": ("jpeg",)}, "one or both of png, dicom"),
        ({"formats": ("png", "png")}, "one or both of png, dicom"),
        ({"contrast": 0.0}, "positive"),
        ({"png_bits": 12}, "8 or 16"),
    ],
)
def test_a_wrong_argument_is_refused_and_nothing_is_written(tmp_path, arguments, message):
    with pytest.raises(ConfigError, match=message):
        generate_phantoms(**{"task": "pneumonia_cxr", "output": tmp_path / "set", "count": 12, "size": 48, **arguments})
    assert not (tmp_path / "set").exists()


def test_a_folder_that_cannot_be_made_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError):
        generate_phantoms("pneumonia_cxr", tmp_path / "file", 12, 48)


def test_progress_is_told_after_each_picture(tmp_path):
    calls = []
    generate_phantoms("kidney_ct", tmp_path, 12, 32, progress=lambda done, wanted: calls.append((done, wanted)))
    assert calls == [(done, 12) for done in range(1, 13)]


def test_sixteen_bits_hold_the_same_picture(sets, tmp_path):
    generate_phantoms("pneumonia_cxr", tmp_path, 12, 48, png_bits=16)
    for path in sorted((tmp_path / "images").iterdir()):
        deep = np.asarray(Image.open(path)).astype(float) / 65535
        flat = np.asarray(Image.open(sets / "pneumonia_cxr" / "images" / path.name)).astype(float) / 255
        np.testing.assert_allclose(deep, flat, atol=0.5 / 255 + 1e-5)


@pytest.mark.parametrize("name", SMALL)
def test_every_header_says_that_there_is_no_patient(sets, name):
    for dataset in dicoms(sets, name):
        assert dataset.SyntheticData == "YES"
        assert str(dataset.PatientName) == "SYNTHETIC^PHANTOM"
        assert dataset.PatientID.startswith("PHANTOM-")
        assert dataset.SeriesDescription == dataset.ImageComments == "synthetic, not a patient"
        assert dataset.BurnedInAnnotation == "NO"
        assert dataset.Manufacturer == "LungScan MONAI phantoms"
        assert dataset.Modality in {"DX", "CT", "OT"}


@pytest.mark.parametrize("name", SMALL)
def test_uids_are_distinct_and_valid(sets, name):
    uids = [dataset.SOPInstanceUID for dataset in dicoms(sets, name)]
    assert len(set(uids)) == len(uids) == SMALL[name]
    assert all(uid.is_valid for uid in uids)


def test_the_slices_of_a_patient_share_a_series_and_lie_apart(sets):
    series = defaultdict(list)
    for dataset in dicoms(sets, "kidney_ct"):
        series[dataset.SeriesInstanceUID].append(dataset)
    assert len(series) == len({dataset.PatientID for slices in series.values() for dataset in slices})
    for slices in series.values():
        assert len({float(dataset.ImagePositionPatient[2]) for dataset in slices}) == len(slices)


def test_some_radiographs_are_monochrome1_and_all_read_as_their_png(sets):
    folder, polarities = sets / "pneumonia_cxr", set()
    for path in sorted((folder / "dicom").iterdir()):
        polarities.add(pydicom.dcmread(path).PhotometricInterpretation)
        png = np.asarray(Image.open(folder / "images" / f"{path.stem}.png")) / 255
        np.testing.assert_allclose(np.squeeze(read_display_image(path)), png, atol=0.5 / 255 + 1 / 4095)
    assert polarities == {"MONOCHROME1", "MONOCHROME2"}


def test_ct_files_hold_hounsfield_units(sets):
    path = sorted((sets / "lung_cancer_ct" / "dicom").iterdir())[0]
    values = np.squeeze(hounsfield(path))
    assert values[:4, :].mean() == pytest.approx(-1000, abs=60)
    png = np.asarray(Image.open(sets / "lung_cancer_ct" / "images" / f"{path.stem}.png")) / 255
    np.testing.assert_allclose(np.squeeze(read_display_image(path)), png, atol=0.5 / 255 + 1e-3)


def test_the_datalist_can_refer_to_dicom_alone(tmp_path):
    generate_phantoms("pneumonia_cxr", tmp_path, 12, 32, formats=("dicom",))
    content = json.loads((tmp_path / "datalist.json").read_text())
    assert content["training"][0]["image"].endswith(".dcm")
    assert not (tmp_path / "images").exists()
