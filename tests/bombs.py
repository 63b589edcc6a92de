"""Hostile files: small, quick to make, and meant to take a reader's memory, time or stack."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from pathlib import Path

EXPLICIT, IMPLICIT, DEFLATED, RLE = (
    f"1.2.840.10008.1.2{rest}".encode() for rest in (".1", "", ".1.99", ".5")
)  # transfer syntaxes
CT = b"1.2.840.10008.5.1.4.1.1.2"
_LONG = (b"OB", b"OW", b"SQ", b"UN", b"UT")


def element(group: int, number: int, vr: bytes, value: bytes, length: int | None = None) -> bytes:
    """One explicit little-endian element; `length` lies about the value."""
    value += b"\0" * (len(value) % 2)
    length = len(value) if length is None else length
    if vr in _LONG:
        return struct.pack("<HH2sHI", group, number, vr, 0, length) + value
    return struct.pack("<HH2sH", group, number, vr, length) + value


def file_of(data_set: bytes, syntax: bytes = EXPLICIT, preamble: bytes = b"") -> bytes:
    """A DICOM file around a data set."""
    meta = element(2, 2, b"UI", CT) + element(2, 3, b"UI", b"2.25.1") + element(2, 0x10, b"UI", syntax)
    return preamble.ljust(128, b"\0") + b"DICM" + element(2, 0, b"UL", struct.pack("<I", len(meta))) + meta + data_set


def image(
    rows: int = 4, columns: int = 4, frames: bytes = b"1", pixels: bytes | None = None, extra: bytes = b""
) -> bytes:
    """The data set of a grey image of 8 bits; `pixels` is the whole last element."""
    numbers = {0x10: rows, 0x11: columns, 0x100: 8, 0x101: 8, 0x102: 7, 0x103: 0}
    return b"".join(
        (
            element(8, 0x16, b"UI", CT),
            element(8, 0x18, b"UI", b"2.25.1"),
            element(8, 0x60, b"CS", b"CT"),
            element(0x28, 2, b"US", b"\1\0"),
            element(0x28, 4, b"CS", b"MONOCHROME2"),
            element(0x28, 8, b"IS", frames),
            *(element(0x28, number, b"US", struct.pack("<H", value)) for number, value in numbers.items()),
            extra,
            element(0x7FE0, 0x10, b"OB", bytes(rows * columns)) if pixels is None else pixels,
        )
    )


def fragments(*contents: bytes) -> bytes:
    """Encapsulated pixel data with an empty offset table."""
    items = b"".join(struct.pack("<HHI", 0xFFFE, 0xE000, len(content)) + content for content in (b"", *contents))
    return element(0x7FE0, 0x10, b"OB", items, 0xFFFFFFFF) + struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)


def nested(depth: int, undefined: bool = True) -> bytes:
    """Sequences in sequences."""
    if undefined:
        opening = element(0x40, 0xA730, b"SQ", b"", 0xFFFFFFFF) + struct.pack("<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF)
        closing = struct.pack("<HHIHHI", 0xFFFE, 0xE00D, 0, 0xFFFE, 0xE0DD, 0)
        return opening * depth + closing * depth
    openings = []
    length = 0
    for _ in range(depth):
        item = struct.pack("<HHI", 0xFFFE, 0xE000, length)
        openings.append(element(0x40, 0xA730, b"SQ", b"", length + 8) + item)
        length += 20
    return b"".join(reversed(openings))


def deflated(start: bytes, zeros: int, window_bits: int = -15) -> bytes:
    """`start` and then zeros, a whole number of MiB, deflated without ever being in memory."""
    deflater = zlib.compressobj(9, zlib.DEFLATED, window_bits)
    head = deflater.compress(start) + deflater.flush(zlib.Z_FULL_FLUSH)
    block = deflater.compress(bytes(2**20)) + deflater.flush(zlib.Z_FULL_FLUSH)  # refers to nothing before it
    return head + block * (zeros // 2**20) + deflater.flush()


def deflate_bomb() -> bytes:
    """1 MiB that become 1 GiB of pixels."""
    zeros = 2**30
    start = image(8192, 8192, b"16", element(0x7FE0, 0x10, b"OB", b"", zeros))
    return file_of(deflated(start, zeros), DEFLATED)


def gzip_bomb() -> bytes:
    """A NIfTI file of 1 MiB that becomes 1 GiB."""
    header = bytearray(352)
    struct.pack_into("<i", header, 0, 348)
    struct.pack_into("<8h", header, 40, 3, 1024, 1024, 1024, 1, 1, 1, 1)
    struct.pack_into("<hh", header, 70, 2, 8)
    struct.pack_into("<f", header, 108, 352)
    header[344:348] = b"n+1\0"
    return deflated(bytes(header), 2**30, window_bits=31)


def png_bomb() -> bytes:
    """A PNG that claims 60,000 x 60,000 pixels."""
    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(bytes(2**20))), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in chunks
    )


def tiff_of_pages(pages: int) -> bytes:
    """A TIFF of many pages of one pixel."""
    page = 2 + 9 * 12 + 4
    tags = ((256, 1), (257, 1), (258, 8), (259, 1), (262, 1), (273, 8), (277, 1), (278, 1), (279, 1))
    entries = struct.pack("<H", 9) + b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    nexts = [*(16 + page * number for number in range(1, pages)), 0]
    return b"II*\0" + struct.pack("<I", 16) + bytes(8) + b"".join(entries + struct.pack("<I", place) for place in nexts)


_NO_PIXELS = element(0x7FE0, 0x10, b"OB", b"")

BOMBS: dict[str, tuple[str, Callable[[], bytes]]] = {
    "deflated, 1 MiB -> 1 GiB": ("expansion", deflate_bomb),
    "gzip, 1 MiB -> 1 GiB": ("expansion", gzip_bomb),
    "deflated sequences, 1,000,000 deep": ("too-deep", lambda: file_of(deflated(nested(1_000_000), 0), DEFLATED)),
    "RLE, 60 bytes -> 64 megapixels": (
        "expansion",
        lambda: file_of(image(8192, 8192, pixels=fragments(bytes(64))), RLE),
    ),
    "rows and columns 65535": ("too-large", lambda: file_of(image(65535, 65535, pixels=fragments(bytes(64))), RLE)),
    "frames 2^31": ("too-large", lambda: file_of(image(4, 4, b"2147483648"))),
    "frames with 1000 digits": ("malformed", lambda: file_of(image(4, 4, b"9" * 1000))),
    "sequences 10,000 deep": ("too-deep", lambda: file_of(image(extra=nested(10_000)))),
    "sequences 10,000 deep with lengths": ("too-deep", lambda: file_of(image(extra=nested(10_000, undefined=False)))),
    "2,000,000 empty elements": ("too-many-elements", lambda: file_of(element(9, 1, b"UN", b"") * 2_000_000)),
    "2,000,000 fragments": ("too-many-elements", lambda: file_of(image(pixels=fragments(*[b""] * 2_000_000)), RLE)),
    "length beyond the file": ("truncated", lambda: file_of(image(extra=element(9, 1, b"OB", b"", 0xFFFFFFF0)))),
    "pixels shorter than promised": (
        "truncated",
        lambda: file_of(image(8000, 8000, pixels=_NO_PIXELS)),
    ),
    "zero bytes": ("empty", lambda: b""),
    "text called DICOM": ("not-dicom", lambda: b"Dear reader, this is no image.\n" * 40),
    "only zeros": ("not-dicom", lambda: bytes(10_000)),
    "program in the preamble": ("polyglot", lambda: file_of(image(), preamble=b"\x7fELF\x02\x01\x01")),
    "page in the preamble": ("polyglot", lambda: file_of(image(), preamble=b"\n <!DOCTYPE html><script>")),
    "PNG of 60,000 x 60,000": ("too-large", png_bomb),
    "TIFF of 200,000 pages": ("too-large", lambda: tiff_of_pages(200_000)),
}
"""Name -> the code that it must be refused with, and its maker; all are written as ``bomb.dcm``."""


def write_bomb(name: str, folder: Path) -> Path:
    """Write one of `BOMBS`."""
    path = folder / "bomb.dcm"
    path.write_bytes(BOMBS[name][1]())
    return path
