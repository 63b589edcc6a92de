"""A DICOM file at the gate: what it is, whether all of it is there, and whether it can be what it says."""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from typing import BinaryIO

from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    RLELossless,
)

from lungscan_monai.errors import ReadError
from lungscan_monai.gate.elements import Elements, ElementWalk
from lungscan_monai.gate.limits import Limits
from lungscan_monai.gate.objects import is_other_object, name_of
from lungscan_monai.gate.sources import FileSource, InflatingSource

PREAMBLE = 128
PREFIX = b"DICM"

_RAW_DEFLATE = -15
_LONGEST_INTEGER = 12  # characters of an IS (PS3.5 6.2)
_RLE_GAIN = 64  # a run of 128 bytes is written as two
_FOREIGN = (
    *(b"MZ", b"\x7fELF", b"\xcf\xfa\xed\xfe", b"\xce\xfa\xed\xfe", b"\xca\xfe\xba\xbe", b"#!", b"\0asm", b"dex\n"),
    *(b"%PDF", b"%!PS", b"{\\rtf", b"PK\x03\x04", b"PK\x05\x06", b"Rar!", b"7z\xbc\xaf", b"\x1f\x8b", b"BZh"),
    *(b"\xd0\xcf\x11\xe0", b"<", b"\xef\xbb\xbf", b"GIF8"),
    *(b"\x89PNG", b"\xff\xd8\xff", b"BM", b"RIFF", b"ID3", b"OggS", b"SQLite", b"!<arch>", b"\x1bLua"),
)
"""How programs, archives, pages and pictures begin; a preamble is zeros, some mark of its writer, or the head of a TIFF
file: that is the one double the Standard speaks of (PS3.10 7.1), and old CT and MR images have it."""

_META = {"media_class": 0x00020002, "transfer_syntax": 0x00020010}
_TEXTS = {
    "sop_class": 0x00080016,
    "sop_instance": 0x00080018,
    "modality": 0x00080060,
    "intent": 0x00080068,
    "body_part": 0x00180015,
    "view_position": 0x00185101,
    "study": 0x0020000D,
    "series": 0x0020000E,
    "photometric": 0x00280004,
    "frames": 0x00280008,
}
_NUMBERS = {
    "samples": 0x00280002,
    "rows": 0x00280010,
    "columns": 0x00280011,
    "bits_allocated": 0x00280100,
    "bits_stored": 0x00280101,
}
_VIEW_CODES = 0x00540220
_WANTED = frozenset((*_TEXTS.values(), *_NUMBERS.values(), _VIEW_CODES))
_NATIVE = (ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian)
_BITS = (1, 8, 16, 32, 64)


@dataclass(frozen=True)
class DicomHeader:
    """What the gate read in a DICOM image; nothing about the patient.

    Args:
        sop_class: SOP class UID; ``""`` if the file has none, as for all texts here.
        sop_instance: SOP instance UID.
        study: Study instance UID.
        series: Series instance UID.
        transfer_syntax: Transfer syntax UID, that of the encoding found if the file has none.
        modality: ``CT``, ``CR``, ``DX`` ...
        intent: ``FOR PRESENTATION`` or ``FOR PROCESSING``.
        body_part: Body part examined.
        view_position: ``PA``, ``AP``, ``LL`` ...
        photometric: Photometric interpretation.
        rows: Rows of a frame.
        columns: Columns of a frame.
        frames: Number of frames, at least 1.
        samples: Samples per pixel.
        bits_allocated: Bits for each sample in the file.
        bits_stored: Bits that count among them.
        has_view_codes: Whether there is a `ViewCodeSequence`.
    """

    sop_class: str
    sop_instance: str
    study: str
    series: str
    transfer_syntax: str
    modality: str
    intent: str
    body_part: str
    view_position: str
    photometric: str
    rows: int
    columns: int
    frames: int
    samples: int
    bits_allocated: int
    bits_stored: int
    has_view_codes: bool


def begins_like_dicom(head: bytes) -> bool:
    """Tell from its first 140 bytes whether a file is DICOM, with a preamble or (by its first element) without."""
    if head[PREAMBLE : PREAMBLE + len(PREFIX)] == PREFIX:
        return True
    if len(head) < 8:
        return False
    group, element, vr, short = struct.unpack("<HH2sH", head[:8])
    if vr.isalpha() and vr.isupper():
        return (group in (2, 8) or group == 0x0800) and short <= 0x4000
    return group in (2, 8) and element <= 0x0100 and struct.unpack("<I", head[4:8])[0] <= 0x400


def read_header(stream: BinaryIO, name: str, limits: Limits) -> DicomHeader:
    """Walk over a whole DICOM file without decoding anything of it.

    Args:
        stream: The file, open at its beginning.
        name: Its name, for errors.
        limits: What it may ask for.

    Raises:
        ReadError: ``polyglot``, ``truncated``, ``malformed``, ``too-deep``, ``too-many-elements``, ``expansion``,
            ``not-an-image``, ``no-pixels`` or ``too-large``.
    """
    size = stream.seek(0, os.SEEK_END)
    stream.seek(0)
    preamble = stream.read(PREAMBLE + len(PREFIX))
    if preamble.endswith(PREFIX) and len(preamble) == PREAMBLE + len(PREFIX):
        _check_preamble(preamble, name)
    else:
        stream.seek(0)
    source = FileSource(stream, size, name)
    meta = _texts(_meta(source, name, limits), _META)
    syntax = meta["transfer_syntax"]
    if syntax == DeflatedExplicitVRLittleEndian:
        source = InflatingSource(stream, source.position, size, name, limits, _RAW_DEFLATE)
    implicit, little_endian = _encoding(syntax, source.peek(6))
    found = ElementWalk(source, name, limits, _WANTED).run(implicit, little_endian)
    texts = _texts(found, _TEXTS)
    sop_class = texts["sop_class"] or meta["media_class"]
    if is_other_object(sop_class):
        raise ReadError(name, "not-an-image", f"is no image but {name_of(sop_class)}")
    return _checked(found, texts | {"sop_class": sop_class}, syntax, name, limits)


def _check_preamble(preamble: bytes, name: str) -> None:
    if preamble.lstrip(b"\t\n\r ").startswith(_FOREIGN):
        raise ReadError(name, "polyglot", "its preamble begins like a program, an archive, a page or a picture")


def _meta(source: FileSource, name: str, limits: Limits) -> Elements:
    if source.peek(2) != b"\x02\0":
        return Elements(little_endian=True)
    return ElementWalk(source, name, limits, frozenset(_META.values())).run(False, True, only_group=2)


def _encoding(syntax: str, head: bytes) -> tuple[bool, bool]:
    """Whether a data set has no VRs, and whether it is little-endian; without a syntax its first bytes tell."""
    if syntax:
        return syntax == ImplicitVRLittleEndian, syntax != ExplicitVRBigEndian
    group, vr = int.from_bytes(head[:2], "little"), head[4:6]
    explicit = vr.isalpha() and vr.isupper()
    return not explicit, not (explicit and group >= 0x0400)


def _texts(found: Elements, tags: dict[str, int]) -> dict[str, str]:
    return {
        field: found.values.get(tag, b"").decode("ascii", "replace").strip(" \0").split("\\")[0]
        for field, tag in tags.items()
    }


def _checked(found: Elements, texts: dict[str, str], syntax: str, name: str, limits: Limits) -> DicomHeader:
    if found.pixels is None:
        raise ReadError(name, "no-pixels", "has no pixel data: it is not an image, or it was cut short")
    order = "little" if found.little_endian else "big"
    numbers = {field: int.from_bytes(found.values.get(tag, b"")[:2], order) for field, tag in _NUMBERS.items()}
    frames = texts["frames"] or "1"
    if len(frames) > _LONGEST_INTEGER or not frames.removeprefix("+").isdecimal():
        raise ReadError(name, "malformed", "NumberOfFrames is no integer")
    others = {"frames": int(frames) or 1, "transfer_syntax": syntax, "has_view_codes": _VIEW_CODES in found.values}
    header = DicomHeader(**(texts | numbers | others))
    limits.check_image(name, header.rows, header.columns, header.samples, header.frames)
    if header.bits_allocated not in _BITS:
        raise ReadError(name, "malformed", f"BitsAllocated is {header.bits_allocated}, expected one of {_BITS}")
    native = found.fragments is None
    if syntax and native != (syntax in _NATIVE):
        raise ReadError(name, "malformed", f"its pixel data and {name_of(syntax)} do not fit")
    if native and found.pixel_bytes < _bytes_of(header):
        raise ReadError(name, "truncated", f"has {found.pixel_bytes} bytes of pixel data, expected {_bytes_of(header)}")
    if not native:
        _check_fragments(header, found, name)
    return header


def _bytes_of(header: DicomHeader) -> int:
    """Bytes of all frames, not compressed."""
    samples = 2 if header.photometric == "YBR_FULL_422" else header.samples
    return (header.rows * header.columns * samples * header.frames * header.bits_allocated + 7) // 8


def _check_fragments(header: DicomHeader, found: Elements, name: str) -> None:
    if found.fragments < header.frames:
        raise ReadError(name, "truncated", f"has {max(0, found.fragments)} fragments for {header.frames} frames")
    if header.transfer_syntax == RLELossless and found.pixel_bytes * _RLE_GAIN < _bytes_of(header):
        raise ReadError(name, "expansion", "its RLE data cannot fill the picture that they claim to be")
