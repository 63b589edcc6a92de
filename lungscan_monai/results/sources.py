"""The headers of the images that an answer is about, in a form that every object can take patient and study from."""

from __future__ import annotations

import struct
from pathlib import Path

from pydicom import DataElement, Dataset, dcmread
from pydicom.config import RAISE, disable_value_validation
from pydicom.datadict import dictionary_has_tag, dictionary_VM
from pydicom.uid import UID
from pydicom.valuerep import validate_value

from lungscan_monai.errors import DataError, ReadError
from lungscan_monai.gate.admitting import DICOM, admit

REQUIRED = ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID")
"""What an object must have for another one to refer to it."""

_EMPTY_IF_UNKNOWN = (
    *("PatientID", "PatientName", "PatientBirthDate", "PatientSex"),
    *("StudyDate", "StudyTime", "AccessionNumber", "StudyID", "ReferringPhysicianName"),
)
_TAKEN_OVER_GROUPS = (0x0008, 0x0010)
_CHECKED = ("AS", "CS", "DA", "DS", "DT", "IS", "TM")
_SEXES = ("M", "F", "O")
UNUSABLE = (AttributeError, EOFError, LookupError, TypeError, ValueError, OverflowError, struct.error)
"""What pydicom and highdicom raise for values that are not what their VR says."""


def read_header(path: Path) -> Dataset:
    """Read what a DICOM image says of itself, without its pixels.

    Attributes of patient and study that every object must have are there; what is no valid date, time, age, number or
    code is empty, so that no defect of a source spreads.

    Raises:
        ReadError: If the file is not admitted or cannot be read.
        DataError: If it is not a DICOM image, or lacks a UID that results refer to it by.
    """
    if admit(path).kind != DICOM:
        raise DataError(f"{path}: no DICOM file; DICOM and FHIR results refer to a patient and a study, which it lacks")
    try:
        with disable_value_validation():  # which would quote what it finds
            header = dcmread(path, stop_before_pixels=True, force=True)
            _complete(header)
    except UNUSABLE as error:
        raise ReadError(path.name, "malformed", f"its header cannot be used ({type(error).__name__})") from error
    missing = [keyword for keyword in REQUIRED if not header.get(keyword)]
    if missing:
        raise DataError(f"{path}: lacks {' and '.join(missing)}; no result can refer to it")
    if "ImageStorage" not in UID(header.SOPClassUID).keyword:
        raise DataError(f"{path}: SOPClassUID {header.SOPClassUID} is no image that results are made for")
    return header


def _complete(header: Dataset) -> None:
    for keyword in _EMPTY_IF_UNKNOWN:
        if header.get(keyword) is None:
            setattr(header, keyword, "")
    for element in [header[tag] for tag in list(header.keys()) if tag.group in _TAKEN_OVER_GROUPS]:
        if element.VM > 1 and dictionary_has_tag(element.tag) and dictionary_VM(element.tag) == "1":
            header[element.tag] = DataElement(element.tag, element.VR, element.value[0])
        elif element.VR in _CHECKED and not element.is_empty and not _is_valid(element):
            header[element.tag] = DataElement(element.tag, element.VR, "")
    if header.PatientSex not in _SEXES:
        header.PatientSex = ""


def _is_valid(element: DataElement) -> bool:
    """Tell whether all values of an element are what its VR allows."""
    try:
        for value in element.value if element.VM > 1 else [element.value]:
            validate_value(element.VR, str(value), RAISE)
    except ValueError:
        return False
    return True
