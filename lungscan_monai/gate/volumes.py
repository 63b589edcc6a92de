"""Volumes at the gate: the headers of NIfTI, MetaImage and NRRD files, read here without any library."""

from __future__ import annotations

import math
import os
import struct
from typing import BinaryIO

from lungscan_monai.errors import ReadError
from lungscan_monai.gate.limits import Limits
from lungscan_monai.gate.sources import ByteSource, FileSource, InflatingSource

GZIP = b"\x1f\x8b"
NIFTI_SUFFIXES = (".nii", ".nii.gz")

_GZIP_WINDOW = 31
_NIFTI_HEADER = 540  # the longer one, of NIfTI-2
_TEXT_HEADER = 2**14
_META_BYTES = {"CHAR": 1, "SHORT": 2, "INT": 4, "LONG": 4, "LONG_LONG": 8, "FLOAT": 4, "DOUBLE": 8}
_NRRD_BYTES = {"char": 1, "int8": 1, "short": 2, "int16": 2, "int": 4, "int32": 4, "long": 8, "int64": 8} | {
    "float": 4,
    "double": 8,
}

Shape = tuple[int, int, int, int]
"""Rows, columns, numbers for each pixel, slices."""


def begins_like_nifti(head: bytes) -> bool:
    """Tell from its first 350 bytes whether a file is NIfTI, or compressed by gzip, as only NIfTI files may be."""
    return head.startswith(GZIP) or head[344:348] in (b"n+1\0", b"ni1\0") or head[4:7] in (b"n+2", b"ni2")


def begins_like_volume(head: bytes) -> bool:
    """Tell from its first bytes whether a file is MetaImage or NRRD."""
    return head.startswith((b"NRRD000", b"ObjectType", b"NDims", b"Comment"))


def nifti_size(stream: BinaryIO, name: str, limits: Limits) -> Shape:
    """Return the shape of a NIfTI volume, compressed or not; of a compressed one only the header is inflated.

    Raises:
        ReadError: ``unknown-format``, ``malformed``, ``truncated``, ``too-large``, ``expansion`` or ``dimensions``.
    """
    size = _size_of(stream)
    compressed = stream.read(2) == GZIP
    stream.seek(0)
    source: ByteSource = FileSource(stream, size, name)
    if compressed:
        source = InflatingSource(stream, 0, size, name, limits, _GZIP_WINDOW)
    head = source.peek(_NIFTI_HEADER)
    if not (begins_like_nifti(head) or name.lower().endswith(NIFTI_SUFFIXES)):
        raise ReadError(name, "unknown-format", "is compressed by gzip, and no NIfTI file")
    shape, end = _nifti_header(head, name)
    limits.check_image(name, *shape)
    _check_bytes(name, limits, end, size, compressed)
    return shape


def volume_size(stream: BinaryIO, name: str, limits: Limits) -> Shape:
    """Return the shape of a MetaImage or NRRD volume whose pixels are in the same file.

    Raises:
        ReadError: ``malformed``, ``truncated``, ``too-large``, ``expansion``, ``dimensions`` or ``refers-elsewhere``.
    """
    size = _size_of(stream)
    head = stream.read(_TEXT_HEADER).decode("latin-1")
    is_nrrd = head.startswith("NRRD")
    text, end, _ = head.partition("\n\n") if is_nrrd else _through_line(head, "ElementDataFile")
    try:
        shape, number_bytes, compressed = (_nrrd_header if is_nrrd else _meta_header)(text, name)
    except ReadError:
        raise
    except (KeyError, ValueError) as error:
        raise ReadError(name, "malformed", f"its header describes no volume ({type(error).__name__})") from error
    if not end:
        raise ReadError(name, "truncated", "ends within its header, or has none that ends")
    limits.check_image(name, *shape)
    _check_bytes(name, limits, len(text + end) + math.prod(shape) * number_bytes, size, compressed)
    return shape


def _through_line(head: str, key: str) -> tuple[str, str, str]:
    """Part a text after the line that begins with a word."""
    start = head.find(key)
    line, end, rest = head[max(0, start) :].partition("\n")
    return head[: max(0, start)] + line, end, rest


def _size_of(stream: BinaryIO) -> int:
    size = stream.seek(0, os.SEEK_END)
    stream.seek(0)
    return size


def _check_bytes(name: str, limits: Limits, needed: int, size: int, compressed: bool) -> None:
    if compressed:
        limits.check_inflated(name, needed, size)
    elif needed > size:
        raise ReadError(name, "truncated", f"has {size} bytes, expected at least {needed}")


def _nifti_header(head: bytes, name: str) -> tuple[Shape, int]:
    """Return the shape and where the numbers end."""
    second = head[4:7] in (b"n+2", b"ni2")
    if len(head) < (_NIFTI_HEADER if second else 348):
        raise ReadError(name, "truncated", "ends within the NIfTI header")
    if not second and head[344:347] not in (b"n+1", b"ni1"):
        raise ReadError(name, "malformed", "is no NIfTI file, though its name or compression says so")
    if (head[6:7] if second else head[345:346]) == b"i":
        raise ReadError(name, "refers-elsewhere", "is the header of a pair of files; one .nii file is expected")
    order = "<" if head[:4] in (b"\x5c\x01\0\0", b"\x1c\x02\0\0") else ">"
    place, form = (16, "8q") if second else (40, "8h")
    count, *sizes = struct.unpack_from(order + form, head, place)
    bits = struct.unpack_from(order + "h", head, 14 if second else 72)[0]
    offset = struct.unpack_from(order + ("q" if second else "f"), head, 168 if second else 108)[0]
    if not 1 <= count <= 7 or bits < 1 or not 0 <= offset < 2**31:
        raise ReadError(name, "malformed", f"has {count} dimensions of {bits} bits at byte {offset:g}")
    return _shape(sizes[:count], 1, name), int(offset) + math.prod(sizes[:count]) * bits // 8


def _shape(sizes: list[int], components: int, name: str) -> Shape:
    """Return a shape from sizes, columns first."""
    if len(sizes) < 2 or any(size > 1 for size in sizes[3:]):
        raise ReadError(name, "dimensions", f"has sizes {sizes}, expected two or three dimensions")
    if min(sizes) < 1:
        raise ReadError(name, "malformed", f"has sizes {sizes}")
    return sizes[1], sizes[0], components, sizes[2] if len(sizes) > 2 else 1


def _meta_header(text: str, name: str) -> tuple[Shape, int, bool]:
    fields = {}
    for line in text.splitlines():
        key, _, value = line.partition("=")
        fields[key.strip()] = value.strip()
    if fields["ElementDataFile"] != "LOCAL":
        raise ReadError(name, "refers-elsewhere", "names other files that hold its pixels; one file is expected")
    kind = fields["ElementType"].removeprefix("MET_").removesuffix("_ARRAY").replace("UCHAR", "CHAR")
    number_bytes = _META_BYTES[kind.removeprefix("U")]
    sizes = [int(size) for size in fields["DimSize"].split()]
    shape = _shape(sizes, int(fields.get("ElementNumberOfChannels", 1)), name)
    return shape, number_bytes, fields.get("CompressedData", "False") == "True"


def _nrrd_header(text: str, name: str) -> tuple[Shape, int, bool]:
    fields = {}
    for line in text.splitlines()[1:]:
        key, _, value = line.partition(":")
        fields[key.strip().lower()] = value.strip()
    if {"data file", "datafile"} & fields.keys():
        raise ReadError(name, "refers-elsewhere", "names other files that hold its pixels; one file is expected")
    sizes = [int(size) for size in fields["sizes"].split()]
    kind = fields["type"].lower().removesuffix("_t").removeprefix("unsigned ").removeprefix("signed ")
    kind = kind if kind in _NRRD_BYTES else kind.removeprefix("u")
    raw = fields["encoding"].lower() == "raw"
    colours = sizes.pop(0) if len(sizes) > 2 and sizes[0] in (3, 4) and "vector" in fields.get("kinds", "vector") else 1
    return _shape(sizes, colours, name), _NRRD_BYTES[kind], not raw
