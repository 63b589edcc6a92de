"""The objects of answers and refusals: conformant by others' tools, in the right study, the same when made again."""

from __future__ import annotations

import shutil
import subprocess
import sys
import warnings
from dataclasses import replace
from pathlib import Path

import pytest
from answers import IDENTITY, answered, answered_series, refused, write_slices, write_source
from pydicom import Dataset, dcmread
from pydicom.data import get_testdata_file
from pydicom.uid import (
    Comprehensive3DSRStorage,
    ComprehensiveSRStorage,
    GrayscaleSoftcopyPresentationStateStorage,
    KeyObjectSelectionDocumentStorage,
    ParametricMapStorage,
    SecondaryCaptureImageStorage,
    SegmentationStorage,
)
from small_bundle import write_png

from lungscan_monai.errors import DataError, ReadError
from lungscan_monai.inference.answering import Reject
from lungscan_monai.inference.studies import Analysed
from lungscan_monai.results.making import make_results, write_results
from lungscan_monai.results.options import ResultOptions

ALL = ResultOptions(presentation_state=True, key_object=True, predecessor="an earlier model")
REPORTS = [Comprehensive3DSRStorage, ComprehensiveSRStorage]
USUAL = [*REPORTS, SecondaryCaptureImageStorage]
EXTRAS = [GrayscaleSoftcopyPresentationStateStorage, KeyObjectSelectionDocumentStorage]
MAPS = [ParametricMapStorage, SegmentationStorage]

SOURCES = {
    "DX of 12 bits": {},
    "DX of 16 bits, MONOCHROME1": {"bits": 16, "PhotometricInterpretation": "MONOCHROME1"},
    "DX of a hand": {"BodyPartExamined": "HAND", "Laterality": "L"},
    "CR without ImagerPixelSpacing": {"modality": "CR"},
    "CR with PixelSpacing 0": {"modality": "CR", "PixelSpacing": [0, 0]},
    "CR that says little": {
        "modality": "CR",
        **dict.fromkeys(("PatientName", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime", "StudyID")),
        **dict.fromkeys(("AccessionNumber", "ReferringPhysicianName", "PatientOrientation", "BodyPartExamined")),
        **dict.fromkeys(("InstanceNumber", "Manufacturer", "PatientID")),
    },
    "CR in Japanese": {
        "modality": "CR",
        "SpecificCharacterSet": ["", "ISO 2022 IR 87"],
        "PatientName": "Yamada^Tarou=山田^太郎=やまだ^たろう",
    },
    "CR of two names": {"modality": "CR", "PatientName": "Doe", "ReferringPhysicianName": ["Roe", "Poe"]},
    "CR in a character set that there is not": {"modality": "CR", "SpecificCharacterSet": "UTF8"},
    "CR with names beyond ASCII": {
        "modality": "CR",
        "SpecificCharacterSet": "ISO_IR 192",
        "PatientName": "Müller^Jürgen",
        "LossyImageCompression": "01",
        "LossyImageCompressionRatio": 12.5,
        "LossyImageCompressionMethod": "ISO_10918_1",
    },
}


def tool(name: str) -> str:
    """Return a program of this environment, or of the machine."""
    beside = Path(sys.executable).with_name(name)
    found = str(beside) if beside.exists() else shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


def complaints(path: Path) -> list[str]:
    """Return the errors that dciodvfy finds in a file."""
    done = subprocess.run([tool("dciodvfy"), path], capture_output=True, timeout=60, check=False)
    lines = (done.stdout + done.stderr).decode("utf-8", "replace").splitlines()
    return [line for line in lines if line.startswith("Error")]


def texts(report: Dataset) -> list[str]:
    """Return the sentences of a report."""
    return [str(element.value) for element in report.iterall() if element.keyword == "TextValue"]


def classes(made: list[Dataset]) -> list[str]:
    return [one.SOPClassUID for one in made]


def checked(made: list[Dataset], folder: Path) -> None:
    """Write objects, and let others' tools look at them."""
    for path in write_results(made, folder):
        assert complaints(path) == [], path
        again = dcmread(path)
        assert again.file_meta.MediaStorageSOPClassUID == again.SOPClassUID
        if again.SOPClassUID in REPORTS + EXTRAS[1:] and shutil.which("dsrdump"):
            subprocess.run(["dsrdump", path], check=True, capture_output=True, timeout=60)
        if again.SOPClassUID == EXTRAS[0] and shutil.which("dcmpschk") and again.PatientName:
            done = subprocess.run(["dcmpschk", path], capture_output=True, text=True, timeout=60, check=True)
            assert "Test passed" in done.stdout + done.stderr


@pytest.mark.parametrize("attributes", SOURCES.values(), ids=SOURCES)
def test_every_object_of_a_radiograph_conforms(tmp_path, attributes):
    source = write_source(tmp_path / "source.dcm", **attributes)
    made = make_results(answered(source), IDENTITY, ALL)
    assert classes(made) == USUAL + EXTRAS
    checked(made, tmp_path / "out")
    name = str(dcmread(source).get("PatientName", ""))
    assert {str(dcmread(path).PatientName) for path in (tmp_path / "out").iterdir()} == {name}


@pytest.mark.parametrize("attributes", [{}, {"bits": 16}, {"BodyPartExamined": None}], ids=["12", "16", "no part"])
def test_every_object_of_a_series_conforms(tmp_path, attributes):
    made = make_results(answered_series(write_slices(tmp_path, **attributes)), IDENTITY, ALL)
    assert classes(made) == USUAL + MAPS + EXTRAS
    checked(made, tmp_path / "out")


@pytest.mark.parametrize("name", ["CT_small.dcm", "JPEG2000.dcm"])
def test_every_object_of_pydicoms_own_images_conforms(tmp_path, name):
    source = Path(get_testdata_file(name))
    made = make_results(answered(source), IDENTITY) + make_results(refused(source), IDENTITY)
    checked(made, tmp_path)


def test_a_refusal_gives_reports_and_a_picture_of_words_and_no_number(tmp_path, dx):
    made = make_results(refused(dx), IDENTITY, ALL)
    assert classes(made) == USUAL
    checked(made, tmp_path / "out")
    assert "Certainty of Finding" not in str(made[0]) and "MeasuredValueSequence" not in str(made[0])
    assert "Not Attempted" in str(made[0]) and "localizer" in str(made[0])
    assert "Not analysed, because: a localizer, and no slice of the examination" in texts(made[1])
    assert not made[2].pixel_array[:10].any()


@pytest.mark.parametrize("lacking", ["FrameOfReferenceUID", "PixelSpacing", "ImagePositionPatient"])
def test_slices_that_do_not_say_where_they_lie_get_no_maps(tmp_path, lacking):
    made = make_results(answered_series(write_slices(tmp_path, **{lacking: None})), IDENTITY)
    assert classes(made) == USUAL
    checked(made, tmp_path / "out")


def test_maps_are_left_out_when_not_wanted_and_radiographs_have_none(tmp_path, dx):
    series = answered_series(write_slices(tmp_path))
    assert classes(make_results(series, IDENTITY, ResultOptions(maps=False))) == USUAL
    assert classes(make_results(answered(dx), IDENTITY)) == USUAL


def test_patient_and_study_are_those_of_the_source_and_the_series_are_new(dx):
    source, made = dcmread(dx), make_results(answered(dx), IDENTITY, ALL)
    same = ("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyInstanceUID", "StudyDate", "StudyTime")
    for one in made:
        assert [str(one[keyword].value) for keyword in same] == [str(source[keyword].value) for keyword in same]
        assert (one.AccessionNumber, one.StudyID) == (source.AccessionNumber, source.StudyID)
    assert len({one.SeriesInstanceUID for one in made} | {source.SeriesInstanceUID}) == len(made) + 1


def test_what_is_no_valid_value_in_a_source_is_left_empty_spreads_no_defect_and_is_not_quoted(tmp_path, caplog):
    path = write_source(tmp_path / "odd.dcm")
    odd = dcmread(path)
    with pytest.warns(UserWarning):
        odd.StudyDate, odd.PatientAge, odd.PatientSex = "yesterday", "62", "female"
        odd.save_as(path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        caplog.clear()
        made = make_results(answered(path, explained=False), IDENTITY)
    assert "yesterday" not in caplog.text
    assert not any(made[0].get(keyword) for keyword in ("StudyDate", "PatientAge", "PatientSex"))
    checked(made, tmp_path / "out")


def uids(made: list[Dataset]) -> list[str]:
    return [uid for one in made for uid in (one.SOPInstanceUID, one.SeriesInstanceUID)]


def test_the_same_input_and_model_give_the_same_uids_in_another_place_too(tmp_path):
    here, there = write_slices(tmp_path / "here"), write_slices(tmp_path / "there")
    first = uids(make_results(answered_series(here), IDENTITY, ALL))
    assert uids(make_results(answered_series(there), IDENTITY, ALL)) == first
    assert len(set(first)) == len(first)


@pytest.mark.parametrize("change", [{"sha256": "00" * 32}, {"fitted": "00" * 32}, {"version": "0.2.0"}])
def test_another_model_gives_other_documents_that_name_those_before_them(dx, change):
    former = make_results(answered(dx), IDENTITY)
    changed = replace(IDENTITY, **change)
    made = make_results(answered(dx), changed, ResultOptions(predecessor=IDENTITY.key))
    assert not set(uids(former)) & set(uids(made))
    for before, after in zip(former[:2], made[:2], strict=True):
        (study,) = after.PredecessorDocumentsSequence
        (series,) = study.ReferencedSeriesSequence
        assert (study.StudyInstanceUID, series.SeriesInstanceUID) == (before.StudyInstanceUID, before.SeriesInstanceUID)
        assert series.ReferencedSOPSequence[0].ReferencedSOPInstanceUID == before.SOPInstanceUID
    again = make_results(answered(dx), IDENTITY, ResultOptions(predecessor=IDENTITY.key))
    assert "PredecessorDocumentsSequence" not in again[0]


def test_other_files_another_outcome_and_another_backend(tmp_path, dx):
    first = uids(make_results(answered(dx), IDENTITY))
    other = write_source(tmp_path / "other.dcm", number=2)
    assert not set(uids(make_results(answered(other), IDENTITY))[::2]) & set(first)
    assert not set(uids(make_results(refused(dx), IDENTITY))[::2]) & set(first)
    assert uids(make_results(answered(dx), replace(IDENTITY, backend="onnx"))) == first


def test_the_equipment_names_the_model_and_its_device_uid(dx):
    for one in make_results(answered(dx), IDENTITY, ALL):
        ours = [item for item in one.ContributingEquipmentSequence if item.Manufacturer == "LungScan MONAI"]
        assert [(item.ManufacturerModelName, item.DeviceSerialNumber) for item in ours] == [
            (IDENTITY.name, IDENTITY.sha256)
        ]
        assert ours[0].DeviceUID.startswith("2.25.")


def test_copies_of_an_instance_count_once(tmp_path):
    paths = write_slices(tmp_path)
    copy = shutil.copy(paths[1], tmp_path / "copy.dcm")
    series = answered_series([paths[0], Path(copy), paths[1], paths[2]])
    made = make_results(series, IDENTITY)
    referred = made[0].CurrentRequestedProcedureEvidenceSequence[0].ReferencedSeriesSequence[0].ReferencedSOPSequence
    pertinent = made[0].get("PertinentOtherEvidenceSequence", [])
    others = [
        item for study in pertinent for one in study.ReferencedSeriesSequence for item in one.ReferencedSOPSequence
    ]
    assert len({item.ReferencedSOPInstanceUID for item in (*referred, *others)}) == 3


def test_a_picture_and_a_damaged_file_are_errors_that_say_what_is_missing(tmp_path, dx):
    with pytest.raises(DataError, match=r"chest.png: no DICOM file; .* refer to a patient and a study"):
        make_results(answered(write_png(tmp_path / "chest.png", 1)), IDENTITY)
    dx.write_bytes(dx.read_bytes()[:-200])
    with pytest.raises(ReadError, match="truncated"):
        make_results(Analysed((dx,), Reject(str(dx), "truncated", "cut short")), IDENTITY)
    nowhere = write_source(tmp_path / "nowhere.dcm", StudyInstanceUID=None)
    with pytest.raises(DataError, match="lacks StudyInstanceUID"):
        make_results(refused(nowhere), IDENTITY)
