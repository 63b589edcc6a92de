"""Where an image belongs, as its DICOM header says: study, series, instance, modality, and the place of a slice."""

from __future__ import annotations

import math
import os
import struct
from dataclasses import asdict, dataclass, replace
from typing import Any

from pydicom import Dataset, dcmread

from lungscan_monai.dicom.views import is_elsewhere, view_of
from lungscan_monai.gate.admitting import Admitted
from lungscan_monai.inference.pseudonyms import Pseudonyms
from lungscan_monai.task import TaskSpec

SLICED = ("CT", "MR", "PT")
"""Modalities whose series are stacks of slices."""

PROJECTIONS = ("CR", "DX", "RG")
"""Modalities of radiographs, which have a view."""

_PLACE = ("ImageType", "ImagePositionPatient", "ImageOrientationPatient")
_FOR_PROCESSING = "FOR PROCESSING"
_UNUSABLE = (AttributeError, EOFError, LookupError, TypeError, ValueError, OverflowError, struct.error)
"""What pydicom raises for values that are not what their VR says."""


@dataclass(frozen=True)
class ImageFacts:
    """Where an image belongs; everything is None for what is not DICOM, or not in its header.

    Args:
        modality: DICOM `Modality`.
        study_uid: `StudyInstanceUID`.
        series_uid: `SeriesInstanceUID`.
        instance_uid: `SOPInstanceUID`.
        position: `ImagePositionPatient` of a slice: x, y, z in mm.
        orientation: `ImageOrientationPatient` of a slice: direction of its rows, then of its columns.
        is_localizer: Whether it is the scout of a stack of slices, by `ImageType`.
        view: Which way a radiograph was taken, in a word of :data:`~lungscan_monai.dicom.views.VIEWS`.
        is_elsewhere: Whether `BodyPartExamined` names the head or a limb.
        for_processing: Whether its values are the detector's own, which nobody is meant to look at, by
            `PresentationIntentType`.
    """

    modality: str | None = None
    study_uid: str | None = None
    series_uid: str | None = None
    instance_uid: str | None = None
    position: tuple[float, ...] | None = None
    orientation: tuple[float, ...] | None = None
    is_localizer: bool = False
    view: str | None = None
    is_elsewhere: bool = False
    for_processing: bool = False

    def why_not_assessable(self, task: TaskSpec) -> tuple[str, str] | None:
        """Return code and sentence if the model was not made for such an image; None if nothing speaks against it."""
        if self.modality is not None and self.modality not in task.modalities:
            made_for = " and ".join(task.modalities)
            return "modality", f"not assessable: Modality is {self.modality}, and the model was made for {made_for}"
        if self.for_processing:
            return "for-processing", "not assessable: raw values of the detector, FOR PROCESSING by their header"
        if self.is_localizer:
            return "localizer", "not assessable: a localizer, and no slice of the examination"
        if task.views and self.view is not None and self.view not in task.views:
            made_for = " and ".join(task.views)
            return "view", f"not assessable: the view is {self.view}, and the model was made for {made_for}"
        if task.is_of_the_trunk and self.is_elsewhere:
            return "body-part", "not assessable: BodyPartExamined names the head or a limb"
        return None

    def under(self, pseudonyms: Pseudonyms | None) -> ImageFacts:
        """Return the facts with pseudonyms in the place of UIDs; as they are if there are none."""
        if pseudonyms is None:
            return self
        uids = {name: getattr(self, name) for name in ("study_uid", "series_uid", "instance_uid")}
        return replace(self, **{name: uid and pseudonyms.uid(uid) for name, uid in uids.items()})

    def entry(self) -> dict[str, Any]:
        """Return the facts as JSON can hold them."""
        return asdict(self)


def facts_of(path: str | os.PathLike, admitted: Admitted) -> ImageFacts:
    """Return what the header of an admitted file says.

    Args:
        path: The file.
        admitted: What the gate saw.
    """
    header = admitted.dicom
    if header is None:
        return ImageFacts()
    facts = ImageFacts(
        modality=header.modality or None,
        study_uid=header.study or None,
        series_uid=header.series or None,
        instance_uid=header.sop_instance or None,
        view=view_of(header.view_position) if header.modality in PROJECTIONS else None,
        is_elsewhere=is_elsewhere(header.body_part),
        for_processing=header.intent == _FOR_PROCESSING,
    )
    if facts.modality in SLICED:
        return _placed(facts, path)
    return _viewed(facts, path) if header.has_view_codes and header.modality in PROJECTIONS else facts


def _placed(facts: ImageFacts, path: str | os.PathLike) -> ImageFacts:
    """Add place and kind of a slice, as far as they can be read."""
    try:
        dataset = dcmread(path, stop_before_pixels=True, specific_tags=list(_PLACE), force=True)
        kinds = dataset.get("ImageType") or ()
        return replace(
            facts,
            position=_numbers(dataset, "ImagePositionPatient", 3),
            orientation=_numbers(dataset, "ImageOrientationPatient", 6),
            is_localizer="LOCALIZER" in ([kinds] if isinstance(kinds, str) else kinds),
        )
    except _UNUSABLE:
        return facts


def _viewed(facts: ImageFacts, path: str | os.PathLike) -> ImageFacts:
    """Add the view that codes tell, if no word did."""
    if facts.view is not None:
        return facts
    try:
        dataset = dcmread(path, stop_before_pixels=True, specific_tags=["ViewCodeSequence"], force=True)
        return replace(facts, view=view_of("", [str(item.get("CodeValue")) for item in dataset.ViewCodeSequence]))
    except _UNUSABLE:
        return facts


def _numbers(dataset: Dataset, keyword: str, count: int) -> tuple[float, ...] | None:
    value = dataset.get(keyword)
    if not value or isinstance(value, (str, float, int)) or len(value) != count:
        return None
    numbers = tuple(float(number) for number in value)
    return numbers if all(map(math.isfinite, numbers)) else None
