"""DICOM objects that are no pictures to classify, by their SOP class (PS3.4 B.5 and PS3.6 A)."""

from __future__ import annotations

from pydicom import config
from pydicom.uid import UID

_STORAGE = "1.2.840.10008.5.1.4.1.1."
_NOT_IMAGES = (
    "1.2.840.10008.1.3.10",  # DICOMDIR
    "1.2.840.10008.5.1.4.34",  # radiotherapy work
    "1.2.840.10008.5.1.4.38",  # hanging protocols
    "1.2.840.10008.5.1.4.39",  # colour palettes
    "1.2.840.10008.5.1.4.43",  # implants
    "1.2.840.10008.5.1.4.44",
    "1.2.840.10008.5.1.4.45",
    _STORAGE + "4.2",  # spectroscopy
    _STORAGE + "8",  # overlays, curves and tables by themselves, waveforms, presentation states
    _STORAGE + "9",
    _STORAGE + "10",
    _STORAGE + "11",
    _STORAGE + "30",  # parametric maps
    _STORAGE + "66",  # raw data, registrations, fiducials, segmentations, surfaces
    _STORAGE + "67",
    _STORAGE + "68",
    _STORAGE + "77.1.5.3",  # measurements of the eye
    _STORAGE + "77.1.5.8",
    _STORAGE + "78",
    _STORAGE + "79",
    _STORAGE + "80",
    _STORAGE + "81",
    _STORAGE + "82",
    _STORAGE + "88",  # structured reports, key object selections
    _STORAGE + "90",
    _STORAGE + "91",
    _STORAGE + "104",  # encapsulated documents
    _STORAGE + "129",
    _STORAGE + "131",  # displays, protocols, inventories
    _STORAGE + "200",
    _STORAGE + "201",
    _STORAGE + "481",  # radiotherapy
)
_IMAGES = (_STORAGE + "481.1", _STORAGE + "481.23", _STORAGE + "481.24")  # RT images: pictures made by X-rays


def is_other_object(sop_class: str) -> bool:
    """Tell whether objects of a SOP class are reports, plans, states, documents ... and no pictures.

    Example:
        >>> is_other_object("1.2.840.10008.5.1.4.1.1.88.33"), is_other_object("1.2.840.10008.5.1.4.1.1.2")
        (True, False)
    """
    return sop_class not in _IMAGES and any(f"{sop_class}.".startswith(f"{family}.") for family in _NOT_IMAGES)


def name_of(uid: str) -> str:
    """Return the Standard's name of a UID; nothing of the file itself if the Standard has none."""
    known = UID(uid, validation_mode=config.IGNORE)
    return "an unknown kind" if known.name == known else known.name
