"""What a file says about itself before its pixels are read: its format, and the bits of a value."""

from __future__ import annotations

import gzip
import os
import struct
from dataclasses import dataclass
from pathlib import Path

from PIL import Image
from pydicom import dcmread

from lungscan_monai.data.references import split_reference
from lungscan_monai.gate.admitting import DICOM, NIFTI, PICTURE, kind_of

_PILLOW_BITS = {"1": 1, "I": 32, "F": 32}
_NIFTI_HEADER_BYTES = 348
_NIFTI_BITS_AT = 72


@dataclass(frozen=True)
class FileFacts:
    """Format and depth of one file.

    Args:
        format: ``"DICOM"``, ``"NIfTI"``, Pillow's name (``"PNG"``, ``"JPEG"``, ...), or the suffix in capitals.
        bits: Bits of one value of one channel, as they are read; None where it is not known.
    """

    format: str
    bits: int | None


def file_facts(reference: str | os.PathLike) -> FileFacts:
    """Look at the head of a file that `transforms.reading.read_image` can read.

    Args:
        reference: The file; a fragment (``#slice=12``) is of no importance.

    Raises:
        ReadError: If it is of no known kind.
    """
    path, _ = split_reference(reference)
    kind = kind_of(path)
    if kind == DICOM:
        stored = dcmread(path, force=True, stop_before_pixels=True, specific_tags=["BitsStored"]).get("BitsStored")
        return FileFacts("DICOM", stored and int(stored))
    if kind == NIFTI:
        return FileFacts("NIfTI", _nifti_bits(path))
    if kind == PICTURE:
        with Image.open(path) as picture:
            bits = 16 if picture.mode.startswith("I;16") else _PILLOW_BITS.get(picture.mode, 8)
            return FileFacts(picture.format or "", bits)
    return FileFacts(path.suffix.lstrip(".").upper(), None)


def _nifti_bits(path: Path) -> int:
    """Read `bitpix` of a NIfTI-1 or NIfTI-2 header (nifti1.h, nifti2.h)."""
    with gzip.open(path) if path.suffix.lower() == ".gz" else path.open("rb") as file:
        head = file.read(_NIFTI_HEADER_BYTES)
    order = "<" if struct.unpack_from("<i", head)[0] in (_NIFTI_HEADER_BYTES, 540) else ">"
    place = _NIFTI_BITS_AT if struct.unpack_from(f"{order}i", head)[0] == _NIFTI_HEADER_BYTES else 14
    return struct.unpack_from(f"{order}h", head, place)[0]
