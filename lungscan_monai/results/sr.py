"""The coded report that machines read: Comprehensive 3D SR by TID 1500, a group of TID 1501 for each label.

IHE AI Results asks for this object. Many viewers show nothing of it; :mod:`~lungscan_monai.results.sr_twin` is for
eyes.
"""

from __future__ import annotations

from highdicom.sr import (
    Comprehensive3DSR,
    Measurement,
    MeasurementReport,
    MeasurementsAndQualitativeEvaluations,
    ObservationContext,
    QualitativeEvaluation,
    SourceImageForMeasurementGroup,
    TrackingIdentifier,
)
from pydicom.uid import Comprehensive3DSRStorage

from lungscan_monai.results import codes
from lungscan_monai.results.context import REPORT, Context
from lungscan_monai.results.documents import document
from lungscan_monai.results.sentences import is_present
from lungscan_monai.task import LabelCode

_DIGITS = 4


def coded_report(context: Context) -> Comprehensive3DSR:
    """Return the report of an answer, or of a refusal."""
    identity = context.identity
    if context.is_refusal:
        groups = [_refusal(context)]
    else:
        groups = [
            _finding(context, label, code)
            for label, code in zip(identity.label_names, identity.label_codes, strict=True)
        ]
    content = MeasurementReport(
        observation_context=ObservationContext(observer_device_context=context.observer()),
        procedure_reported=codes.IMAGING_PROCEDURE,
        imaging_measurements=groups,
    )
    return document(Comprehensive3DSR, Comprehensive3DSRStorage, REPORT, content[0], context)


def _finding(context: Context, label: str, code: LabelCode) -> MeasurementsAndQualitativeEvaluations:
    answer = context.analysed.answer
    presence = codes.PRESENT if is_present(answer, label) else codes.ABSENT
    return MeasurementsAndQualitativeEvaluations(
        tracking_identifier=TrackingIdentifier(uid=context.finding_uid(label), identifier=code.meaning),
        finding_type=codes.coded(code),
        algorithm_id=context.algorithm(),
        measurements=[_in_percent(codes.CERTAINTY, answer.probabilities[label]), *_operating_point(context, label)],
        qualitative_evaluations=[QualitativeEvaluation(codes.PRESENCE, presence)],
        source_images=_source_images(context),
    )


def _operating_point(context: Context, label: str) -> list[Measurement]:
    """Return the threshold that decides a label, and what it gave on the cases that it was fitted on."""
    threshold = context.identity.threshold_of(label)
    if threshold is None:
        return []
    point = context.identity.operating_points.get(label)
    numbers = [_in_percent(codes.THRESHOLD, threshold)]
    if point is not None:
        numbers.append(_in_percent(codes.SENSITIVITY, point.sensitivity))
        numbers.append(_in_percent(codes.SPECIFICITY, point.specificity))
    return numbers


def _in_percent(name: codes.CodedConcept, share: float) -> Measurement:
    return Measurement(name, round(100 * share, _DIGITS), codes.PERCENT)


def _refusal(context: Context) -> MeasurementsAndQualitativeEvaluations:
    return MeasurementsAndQualitativeEvaluations(
        tracking_identifier=TrackingIdentifier(uid=context.finding_uid(""), identifier="Not analysed"),
        algorithm_id=context.algorithm(),
        qualitative_evaluations=[
            QualitativeEvaluation(codes.STATUS, codes.NOT_ATTEMPTED),
            QualitativeEvaluation(codes.REFUSAL, codes.refusal_code(context.analysed.answer.code)),
        ],
        source_images=_source_images(context),
    )


def _source_images(context: Context) -> list[SourceImageForMeasurementGroup]:
    """Name the images that the answer rests on most; the evidence of the document names all of them."""
    return [SourceImageForMeasurementGroup(one.SOPClassUID, one.SOPInstanceUID) for one in context.shown]
