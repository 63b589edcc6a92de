"""The gate: every file from outside passes here before anything decodes it.

A file is looked at, not trusted: its size, how it begins, its headers in one bounded walk. Nothing is decoded and
nothing large is kept, so that a hostile file costs milliseconds. What is wrong comes out as a `ReadError` with a code
of :data:`~lungscan_monai.gate.codes.READ_CODES` and one sentence.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from lungscan_monai.errors import ReadError
from lungscan_monai.gate.dicom_file import DicomHeader, begins_like_dicom, read_header
from lungscan_monai.gate.limits import Limits
from lungscan_monai.gate.pictures import begins_like_picture, picture_size
from lungscan_monai.gate.volumes import begins_like_nifti, begins_like_volume, nifti_size, volume_size

DICOM, PICTURE, NIFTI, VOLUME = "dicom", "picture", "nifti", "volume"

_HEAD = 352
_DICOM_SUFFIXES = (".dcm", ".dicom", ".dic", ".ima")


@dataclass(frozen=True)
class Admitted:
    """A file that passed.

    Args:
        kind: ``dicom``, ``picture`` (PNG, JPEG, TIFF ...), ``nifti`` or ``volume`` (MetaImage, NRRD).
        size: Bytes of the file.
        rows: Rows of a frame, page or slice.
        columns: Columns of a frame, page or slice.
        samples: Numbers for each pixel: 1 for grey, 3 for colours ...
        frames: Frames, pages or slices.
        dicom: More of a DICOM file; None for all others.
    """

    kind: str
    size: int
    rows: int
    columns: int
    samples: int
    frames: int
    dicom: DicomHeader | None = None


def admit(path: str | os.PathLike, limits: Limits | None = None) -> Admitted:
    """Look at a file from outside, and let it in or turn it away.

    Args:
        path: The file; its content decides what it is, not its name.
        limits: What it may ask for; `Limits()` if None.

    Raises:
        ReadError: With a code of :data:`~lungscan_monai.gate.codes.READ_CODES`.

    Example:
        >>> admit("chest.dcm").dicom.modality  # doctest: +SKIP
        'DX'
    """
    path, limits = Path(path), limits or Limits()
    try:
        _check_is_file(path, path.stat())
        with path.open("rb") as stream:
            return _admit(stream, path.name, limits)
    except FileNotFoundError as error:
        raise ReadError(path.name, "missing-file", "there is no such file") from error
    except OSError as error:
        raise ReadError(path.name, "unreadable", f"disk or file cannot be read ({type(error).__name__})") from error


def kind_of(path: Path) -> str:
    """Tell by its content what kind of file it is.

    Raises:
        ReadError: ``empty``, ``not-dicom`` or ``unknown-format``.
        OSError: If the file cannot be read.
    """
    with path.open("rb") as stream:
        return _kind(stream.read(_HEAD), path.name)


def _check_is_file(path: Path, found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise ReadError(path.name, "not-a-file", "is a folder, a pipe or a device, expected a file")


def _admit(stream: BinaryIO, name: str, limits: Limits) -> Admitted:
    size = os.fstat(stream.fileno()).st_size
    kind = _kind(stream.read(_HEAD), name)
    if size > limits.file_bytes:
        raise ReadError(name, "too-large", f"has {size} bytes; the limit `file_bytes` is {limits.file_bytes}")
    stream.seek(0)
    if kind == DICOM:
        header = read_header(stream, name, limits)
        return Admitted(kind, size, header.rows, header.columns, header.samples, header.frames, header)
    measure = {PICTURE: picture_size, NIFTI: nifti_size, VOLUME: volume_size}[kind]
    return Admitted(kind, size, *measure(stream, name, limits))


def _kind(head: bytes, name: str) -> str:
    if not head:
        raise ReadError(name, "empty", "has no bytes")
    if head[128:132] == b"DICM":
        return DICOM
    if begins_like_nifti(head):
        return NIFTI
    if begins_like_picture(head):
        return PICTURE
    if begins_like_volume(head):
        return VOLUME
    if begins_like_dicom(head):
        return DICOM
    if name.lower().endswith(_DICOM_SUFFIXES):
        raise ReadError(name, "not-dicom", "is not a DICOM file, though it is named like one")
    raise ReadError(name, "unknown-format", "is of no known format (DICOM, NIfTI, PNG, JPEG, TIFF, NRRD ...)")
