"""What the two reports say: codes and numbers for machines, sentences for people."""

from __future__ import annotations

from dataclasses import replace

import pytest
from answers import IDENTITY, answered, answered_series, refused, write_slices
from highdicom.sr import Comprehensive3DSR
from pydicom import Dataset, dcmread

from lungscan_monai.inference.answering import Prediction, Reject
from lungscan_monai.inference.studies import Analysed
from lungscan_monai.results.making import make_results, write_results
from lungscan_monai.results.sentences import decision_sentence, finding_sentences, percent


def groups(report: Dataset, folder) -> list:
    """Write a coded report and return the groups that highdicom finds in it."""
    (path,) = write_results([report], folder)
    return Comprehensive3DSR.from_dataset(dcmread(path)).content.get_image_measurement_groups()


def numbers(group) -> dict[str, float]:
    return {item.name.value: item.value for item in group.get_measurements()}


def presence(group) -> str:
    (item,) = group.get_qualitative_evaluations()
    return item.value.value


def texts(report: Dataset) -> list[str]:
    return [str(element.value) for element in report.iterall() if element.keyword == "TextValue"]


def test_each_label_is_a_group_with_its_code_certainty_and_presence(dx, tmp_path):
    report = make_results(answered(dx), IDENTITY)[0]
    normal, pneumonia = groups(report, tmp_path)
    assert [(one.finding_type.value, one.finding_type.scheme_designator) for one in (normal, pneumonia)] == [
        ("17621005", "SCT"),
        ("233604007", "SCT"),
    ]
    assert numbers(normal) == {"111012": 12.7}
    assert numbers(pneumonia) == {"111012": 87.3, "threshold": 45.0, "111088": 90.0, "111090": 80.0}
    assert (presence(normal), presence(pneumonia)) == ("272519000", "52101004")
    assert pneumonia.source_images[0].referenced_sop_instance_uid == dcmread(dx).SOPInstanceUID


def test_the_algorithm_is_named_with_the_hash_of_its_weights_and_observes_as_a_device(dx):
    report = make_results(answered(dx), IDENTITY)[0]
    found = texts(report)
    assert f"weights SHA-256 {IDENTITY.sha256}" in found and "probabilities calibrated" in found
    assert {IDENTITY.name, IDENTITY.version, "LungScan MONAI", IDENTITY.sha256} <= set(found)
    assert (report.CompletionFlag, report.VerificationFlag, report.PreliminaryFlag) == (
        "COMPLETE",
        "UNVERIFIED",
        "PRELIMINARY",
    )


def test_all_slices_are_evidence_and_the_explained_one_is_the_source(tmp_path):
    paths = write_slices(tmp_path / "in")
    report = make_results(answered_series(paths), IDENTITY)[0]
    evidence = {
        item.ReferencedSOPInstanceUID
        for name in ("CurrentRequestedProcedureEvidenceSequence", "PertinentOtherEvidenceSequence")
        for study in report.get(name, [])
        for series in study.ReferencedSeriesSequence
        for item in series.ReferencedSOPSequence
    }
    assert evidence == {dcmread(path).SOPInstanceUID for path in paths}
    for group in groups(report, tmp_path / "out"):
        (source,) = group.source_images
        assert source.referenced_sop_instance_uid == dcmread(paths[1]).SOPInstanceUID


def test_a_refusal_states_that_and_why_and_nothing_else(dx, tmp_path):
    (group,) = groups(make_results(refused(dx), IDENTITY)[0], tmp_path)
    assert numbers(group) == {} and group.finding_type is None
    said = {item.name.value: item.value.value for item in group.get_qualitative_evaluations()}
    assert said == {"111065": "111225", "refusal": "localizer"}


def test_findings_are_present_by_their_own_thresholds(dx, tmp_path):
    several = replace(IDENTITY, kind="multilabel", operating_points={})
    answer = Prediction(str(dx), {"Normal": 0.7, "Pneumonia": 0.2}, None, None, ("Normal",))
    first, second = groups(make_results(Analysed((dx,), answer), several)[0], tmp_path)
    assert numbers(first) == {"111012": 70.0, "threshold": 50.0}
    assert (presence(first), presence(second)) == ("52101004", "272519000")
    assert decision_sentence(answer) == "Findings: Normal"
    assert decision_sentence(replace(answer, findings=())) == "Findings: none of those looked for"
    assert finding_sentences(answer, several)[0] == "Normal: 70.0 % (threshold 50.0 %, not fitted)"


def test_the_readable_report_has_the_decision_every_label_the_model_and_the_warning(tmp_path):
    report = make_results(answered_series(write_slices(tmp_path)), IDENTITY)[1]
    assert report.ConceptNameCodeSequence[0].CodeValue == "18748-4"
    found = texts(report)
    for sentence in (
        "Decision: Pneumonia",
        "Normal: 12.7 %",
        "Mean over 3 places of 3 slices.",
        "Not for diagnosis. Research and teaching.",
    ):
        assert sentence in found


def test_what_an_intended_use_says_already_is_not_said_twice(dx):
    stated = replace(IDENTITY, intended_use="Teaching. Not for diagnosis: nobody assessed it.")
    assert "Teaching. Not for diagnosis: nobody assessed it." in texts(make_results(answered(dx), stated)[1])


@pytest.mark.parametrize(
    ("share", "text"), [(0, "0.0 %"), (0.0004, "< 0.1 %"), (0.5, "50.0 %"), (0.9996, "> 99.9 %"), (1, "100.0 %")]
)
def test_what_is_neither_none_nor_all_is_not_called_so(share, text):
    assert percent(share) == text


def test_long_reasons_have_a_code_that_dicom_can_hold(dx, tmp_path):
    long = Analysed((dx,), Reject(str(dx), "too-many-elements", "there are more than a limit"))
    (group,) = groups(make_results(long, IDENTITY)[0], tmp_path)
    reason = group.get_qualitative_evaluations()[1].value
    assert (reason.value, reason.meaning) == ("too-many-element", "too many elements")
