"""`lungscan predict --dicom-out`: objects for a file, a series and a refusal, without any server."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from answers import write_slices, write_source
from pydicom import dcmread
from small_bundle import small_bundle, write_png
from typer.testing import CliRunner

from lungscan_monai.cli import app
from lungscan_monai.errors import ConfigError, DataError

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "error::lungscan_monai.errors.LungScanWarning")


@pytest.fixture(scope="module")
def bundle(tmp_path_factory) -> Path:
    return small_bundle(tmp_path_factory.mktemp("bundle"))


def run(*arguments):
    return CliRunner().invoke(app, ["predict", *map(str, arguments)])


def kinds(folder: Path) -> list[tuple[str, int]]:
    return sorted((dcmread(path).Modality, int(dcmread(path).SeriesNumber)) for path in folder.glob("*.dcm"))


def test_a_file_gives_reports_and_a_picture_and_fhir_and_giving_it_again_changes_no_name(bundle, tmp_path):
    source, out = write_source(tmp_path / "chest.dcm"), tmp_path / "out"
    first = run(bundle, source, "--dicom-out", out, "--fhir", "--json")
    assert first.exit_code == 0, first.stderr
    answer = json.loads(first.stdout)
    assert kinds(out) == [("OT", 903), ("SR", 901), ("SR", 902)]
    assert sorted(answer["results"]) == sorted(str(path) for path in out.iterdir()) and len(answer["results"]) == 4
    (report,) = out.glob("*.json")
    content = json.loads(report.read_text())
    certainty = content["contained"][2]["component"][0]["valueQuantity"]["value"]
    assert certainty == pytest.approx(100 * answer["predictions"][0]["probabilities"]["Pneumonia"], abs=1e-4)
    assert (
        json.loads(run(bundle, source, "--dicom-out", out, "--fhir", "--json").stdout)["results"] == answer["results"]
    )


def test_a_series_is_answered_once_with_maps_and_what_is_refused_says_so(tmp_path, tmp_path_factory):
    kidney = small_bundle(tmp_path_factory.mktemp("kidney"), "kidney_ct_classification")
    study, out = tmp_path / "study", tmp_path / "out"
    write_slices(study / "ct")
    write_source(study / "chest.dcm", number=9, SeriesInstanceUID="2.25.14")
    shown = run(kidney, study, "--dicom-out", out)
    assert shown.exit_code == 3
    assert "Modality is DX, and the model was made for CT" in shown.stderr
    assert kinds(out) == [("OT", 903), ("OT", 903), ("OT", 904), ("SEG", 905), *[("SR", 901)] * 2, *[("SR", 902)] * 2]
    assert "8 result files" in shown.stderr


def test_a_picture_has_no_patient_to_refer_to(bundle, tmp_path):
    picture = write_png(tmp_path / "chest.png", 1)
    result = run(bundle, picture, write_source(tmp_path / "a.dcm"), "--dicom-out", tmp_path / "out")
    assert isinstance(result.exception, DataError) or result.exit_code == DataError.exit_code
    assert "chest.png: no DICOM; the results of --dicom-out belong to a patient and a study" in result.stderr
    assert not list((tmp_path / "out").glob("*.dcm"))


def test_an_answer_that_no_object_can_carry_is_named(bundle, tmp_path):
    nowhere = write_source(tmp_path / "nowhere.dcm", StudyInstanceUID=None)
    result = run(bundle, nowhere, "--dicom-out", tmp_path / "out")
    assert result.exit_code == 3
    assert "answered, but no results were made" in result.stderr and "lacks StudyInstanceUID" in result.stderr


def test_fhir_is_written_beside_dicom_only(bundle, tmp_path):
    result = run(bundle, write_source(tmp_path / "a.dcm"), "--fhir")
    assert result.exit_code == ConfigError.exit_code and "give --dicom-out DIR, too" in result.stderr
