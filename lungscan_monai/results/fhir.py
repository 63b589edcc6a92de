"""The answer as a FHIR R4 DiagnosticReport with its Observations and the algorithm contained."""

from __future__ import annotations

from typing import Any

from highdicom.sr import CodedConcept

from lungscan_monai.inference.studies import Analysed, ModelIdentity
from lungscan_monai.results import codes
from lungscan_monai.results.context import MANUFACTURER, REPORT, Context, context_of
from lungscan_monai.results.options import ResultOptions
from lungscan_monai.results.sentences import decision_sentence, finding_sentences, is_present, model_sentences
from lungscan_monai.results.uids import uid_of
from lungscan_monai.task import PRIVATE_SCHEME, LabelCode

SYSTEMS = {
    "SCT": "http://snomed.info/sct",
    "DCM": "http://dicom.nema.org/resources/ontology/DCM",
    "LN": "http://loinc.org",
    "UCUM": "http://unitsofmeasure.org",
    PRIVATE_SCHEME: f"urn:oid:{uid_of('coding scheme')}",
}
"""Coding schemes of DICOM as FHIR names them (the DICOM Standard, PS3.16 chapter 8)."""

_UIDS = "urn:dicom:uid"
_CATEGORY = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "imaging"}]}
_RADIOLOGY = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0074", "code": "RAD"}]}
_NOT_PERFORMED = {"system": "http://terminology.hl7.org/CodeSystem/data-absent-reason", "code": "not-performed"}


def diagnostic_report(analysed: Analysed, identity: ModelIdentity, subject: str | None = None) -> dict[str, Any]:
    """Return the report of an answer, or of a refusal, as JSON can hold it.

    Args:
        analysed: The answer.
        identity: Who answered.
        subject: Reference to the patient's resource, as in ``"Patient/17"``; if None, the `PatientID` of the source is
            named as an identifier. Nothing else of the patient is said.

    Returns:
        A `DiagnosticReport` that is preliminary, or cancelled where nothing was analysed; its identifier is the UID of
        the coded DICOM report of the same answer.

    Raises:
        ReadError: If a source is not admitted or cannot be read.
        DataError: If a source is no DICOM image, or lacks a UID that results refer to it by.
    """
    context = context_of(analysed, identity, ResultOptions())
    person = _subject(context, subject)
    observations = [_with_subject(one, person) for one in _observations(context)]
    status = "cancelled" if context.is_refusal else "preliminary"
    words = [decision_sentence(analysed.answer), *model_sentences(analysed, identity)]
    if not context.is_refusal:
        words[1:1] = finding_sentences(analysed.answer, identity)
    report = {
        "resourceType": "DiagnosticReport",
        "contained": [_device(context), *observations],
        "identifier": [_uid(context.instance_uid(REPORT))],
        "status": status,
        "category": [_RADIOLOGY],
        "code": _concept(codes.REPORT),
        "imagingStudy": [_study(context)],
        "result": [{"reference": f"#{one['id']}"} for one in observations],
        "conclusion": "\n".join(words),
    }
    return _with_subject(report, person)


def _observations(context: Context) -> list[dict[str, Any]]:
    identity = context.identity
    if context.is_refusal:
        reason = {"coding": [_NOT_PERFORMED], "text": decision_sentence(context.analysed.answer)}
        status = {**_observation(context, 0, _concept(codes.STATUS)), "status": "cancelled", "dataAbsentReason": reason}
        return [status]
    return [
        _finding(context, number, label, code)
        for number, (label, code) in enumerate(zip(identity.label_names, identity.label_codes, strict=True))
    ]


def _finding(context: Context, number: int, label: str, code: LabelCode) -> dict[str, Any]:
    identity, answer = context.identity, context.analysed.answer
    threshold, point = identity.threshold_of(label), identity.operating_points.get(label)
    components = [_percent(codes.CERTAINTY, answer.probabilities[label])]
    if threshold is not None:
        components.append(_percent(codes.THRESHOLD, threshold))
        if point is not None:
            components.append(_percent(codes.SENSITIVITY, point.sensitivity))
            components.append(_percent(codes.SPECIFICITY, point.specificity))
    presence = codes.PRESENT if is_present(answer, label) else codes.ABSENT
    return {
        **_observation(context, number, _concept(codes.coded(code))),
        "valueCodeableConcept": _concept(presence),
        "component": components,
    }


def _observation(context: Context, number: int, code: dict[str, Any]) -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "id": f"finding-{number}",
        "status": "preliminary",
        "category": [_CATEGORY],
        "code": code,
        "device": {"reference": "#device"},
        "derivedFrom": [_study(context)],
    }


def _device(context: Context) -> dict[str, Any]:
    identity = context.identity
    return {
        "resourceType": "Device",
        "id": "device",
        "identifier": [_uid(context.device_uid)],
        "manufacturer": MANUFACTURER,
        "serialNumber": identity.sha256,
        "deviceName": [{"name": identity.name, "type": "model-name"}],
        "type": {"text": "Software: a neural network that classifies images"},
        "version": [{"value": identity.version}],
    }


def _subject(context: Context, reference: str | None) -> dict[str, Any] | None:
    if reference is not None:
        return {"reference": reference}
    patient = context.evidence[0].PatientID
    return {"type": "Patient", "identifier": {"value": str(patient)}} if patient else None


def _with_subject(resource: dict[str, Any], subject: dict[str, Any] | None) -> dict[str, Any]:
    return resource if subject is None else {**resource, "subject": subject}


def _study(context: Context) -> dict[str, Any]:
    return {"type": "ImagingStudy", "identifier": _uid(context.evidence[0].StudyInstanceUID)}


def _uid(uid: str) -> dict[str, str]:
    return {"system": _UIDS, "value": f"urn:oid:{uid}"}


def _percent(name: CodedConcept, share: float) -> dict[str, Any]:
    quantity = {"value": round(100 * share, 4), "unit": "%", "system": SYSTEMS["UCUM"], "code": "%"}
    return {"code": _concept(name), "valueQuantity": quantity}


def _concept(code: CodedConcept) -> dict[str, Any]:
    system = SYSTEMS.get(code.scheme_designator)
    coding = {"code": code.value, "display": code.meaning}
    return {"coding": [coding if system is None else {"system": system, **coding}], "text": code.meaning}
