"""The answer as an RGB Secondary Capture image, which every viewer shows; no identity of the patient is burned in."""

from __future__ import annotations

import numpy as np
from highdicom.sc import SCImage
from pydicom import Dataset
from pydicom.uid import ExplicitVRLittleEndian

from lungscan_monai.results import codes
from lungscan_monai.results.context import PICTURE, Context
from lungscan_monai.results.laterality import take_over_body_part
from lungscan_monai.results.orientation import patient_orientation
from lungscan_monai.results.pictures import captioned, image_alone, image_with_heatmap
from lungscan_monai.results.sentences import decision_sentence, finding_sentences, model_sentences

_PLACEHOLDER = ("L", "F")
_TAKEN_OVER = (
    "BurnedInAnnotation",
    "LossyImageCompression",
    "LossyImageCompressionRatio",
    "LossyImageCompressionMethod",
)


def captures(context: Context) -> list[SCImage]:
    """Return one picture for each heatmap, or one without a heatmap, or the words of a refusal.

    Raises:
        ReadError: If there is no heatmap and the image cannot be read.
    """
    if context.is_refusal:
        return [_capture(context, _with_words(context, None, ""), None)]
    if context.heatmaps:
        return [_of_heatmap(context, number) for number in range(len(context.heatmaps))]
    (header,) = context.shown
    path = next(path for path, other in context.headers.items() if other is header)
    return [_capture(context, _with_words(context, image_alone(path), ""), header, "plain")]


def _of_heatmap(context: Context, number: int) -> SCImage:
    heatmap = context.heatmaps[number]
    shown = f"Colour: where the model looked for {heatmap.label.replace('_', ' ')} ({heatmap.method})."
    pixels = _with_words(context, image_with_heatmap(heatmap), shown)
    return _capture(context, pixels, context.headers[heatmap.source], heatmap.label, number)


def _with_words(context: Context, picture: np.ndarray | None, shown: str) -> np.ndarray:
    analysed, identity = context.analysed, context.identity
    found = [] if context.is_refusal else finding_sentences(analysed.answer, identity)
    *told, warning = model_sentences(analysed, identity)
    lines = [*found, *([shown] if shown else []), *told]
    return captioned(picture, decision_sentence(analysed.answer), lines, warning)


def _capture(context: Context, pixels: np.ndarray, header: Dataset | None, part: str = "", number: int = 0) -> SCImage:
    """Make the object; the header is that of the image in the picture."""
    source = context.evidence[0] if header is None else header
    image = SCImage(
        pixel_array=pixels,
        photometric_interpretation="RGB",
        bits_allocated=8,
        coordinate_system="PATIENT",
        patient_orientation=_PLACEHOLDER,
        study_instance_uid=source.StudyInstanceUID,
        transfer_syntax_uid=ExplicitVRLittleEndian,
        **context.common(PICTURE, part, number),
    )
    image.copy_patient_and_study_information(source)
    image.PatientOrientation = [] if header is None else patient_orientation(header)
    for keyword in _TAKEN_OVER if header is not None else ():
        if keyword in source:
            image[keyword] = source[keyword]
    take_over_body_part(image, source)
    image.DerivationDescription = "Image with the answer of a model beneath it; " + (
        "where the model looked is coloured" if context.heatmaps else "nothing is drawn over it"
    )
    image.SourceImageSequence = [_reference(one) for one in ([source] if header is None else [header])]
    return image


def _reference(header: Dataset) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = header.SOPClassUID, header.SOPInstanceUID
    item.PurposeOfReferenceCodeSequence = [codes.SOURCE_IMAGE]
    return item
