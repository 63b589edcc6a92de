"""The FHIR report: valid R4, coded as the DICOM report is, and without the patient's name."""

from __future__ import annotations

import json

import pytest
from answers import IDENTITY, answered, refused
from fhir.resources.R4B.diagnosticreport import DiagnosticReport
from pydicom import dcmread

from lungscan_monai.errors import DataError
from lungscan_monai.results.fhir import diagnostic_report
from lungscan_monai.results.making import make_results

NOT_IN_R4 = {"composition", "note", "bodyStructure", "instantiatesCanonical", "triggeredBy"}
"""Elements of DiagnosticReport and Observation that came after R4, whose other elements R4B left as they were."""


def observations(report: dict) -> list[dict]:
    return [one for one in report["contained"] if one["resourceType"] == "Observation"]


def component(observation: dict, code: str) -> float:
    (found,) = [one for one in observation["component"] if one["code"]["coding"][0]["code"] == code]
    assert (found["valueQuantity"]["system"], found["valueQuantity"]["code"]) == ("http://unitsofmeasure.org", "%")
    return found["valueQuantity"]["value"]


@pytest.mark.parametrize("make", [answered, refused])
def test_a_report_is_valid_r4(dx, make):
    report = diagnostic_report(make(dx), IDENTITY)
    parsed = DiagnosticReport.model_validate_json(json.dumps(report, allow_nan=False))
    assert len(parsed.contained) == len(report["contained"])
    assert not NOT_IN_R4 & {key for one in [report, *report["contained"]] for key in one}


def test_each_label_has_an_observation_with_its_code_and_its_numbers(dx):
    normal, pneumonia = observations(diagnostic_report(answered(dx), IDENTITY))
    coding = {"system": "http://snomed.info/sct", "code": "233604007", "display": "Pneumonia"}
    assert pneumonia["code"]["coding"] == [coding]
    assert (component(normal, "111012"), component(pneumonia, "111012")) == (12.7, 87.3)
    numbers = [component(pneumonia, code) for code in ("threshold", "111088", "111090")]
    assert numbers == [45.0, 90.0, 80.0]
    assert [one["valueCodeableConcept"]["coding"][0]["code"] for one in (normal, pneumonia)] == [
        "272519000",
        "52101004",
    ]


def test_a_refusal_is_cancelled_with_its_reason_and_has_no_number(dx):
    report = diagnostic_report(refused(dx), IDENTITY)
    assert report["status"] == "cancelled"
    assert report["conclusion"].startswith("Not analysed, because: a localizer")
    (only,) = observations(report)
    assert only["dataAbsentReason"]["coding"][0]["code"] == "not-performed"
    assert "component" not in only and "valueQuantity" not in json.dumps(report)


def test_it_names_study_and_report_by_uid_and_the_patient_by_number_or_as_told(dx):
    report, source = diagnostic_report(answered(dx), IDENTITY), dcmread(dx)
    coded = make_results(answered(dx), IDENTITY)[0]
    assert report["identifier"][0]["value"] == f"urn:oid:{coded.SOPInstanceUID}"
    assert report["imagingStudy"][0]["identifier"]["value"] == f"urn:oid:{source.StudyInstanceUID}"
    assert report["subject"]["identifier"] == {"value": source.PatientID}
    told = diagnostic_report(answered(dx), IDENTITY, subject="Patient/17")
    assert {json.dumps(one["subject"]) for one in [told, *observations(told)]} == {'{"reference": "Patient/17"}'}
    assert str(source.PatientName) not in json.dumps(report) and source.PatientID not in json.dumps(told)


def test_a_picture_has_no_study_to_refer_to(tmp_path):
    from small_bundle import write_png

    path = write_png(tmp_path / "chest.png", 1)
    with pytest.raises(DataError, match="refer to a patient and a study, which it lacks"):
        diagnostic_report(answered(path), IDENTITY)
