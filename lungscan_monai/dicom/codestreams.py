"""What a compressed frame says about itself, read before a decoder believes it.

A decoder takes the memory that the codestream asks for, whatever `Rows` and `Columns` of the data set say. So a frame
that is larger than its header says is refused before it is decoded.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

_JPEG, _JPEG_2000 = b"\xff\xd8", b"\xff\x4f\xff\x51"
_FRAME_MARKERS = {*range(0xC0, 0xD0), 0xF7} - {0xC4, 0xC8, 0xCC}  # ITU-T T.81 table B.1; SOF55 of JPEG-LS (T.87)
_SCAN = 0xDA
_WITHOUT_LENGTH = {0x01, *range(0xD0, 0xD9)}
_LONGEST_WRAPPING = 2**12


@dataclass(frozen=True)
class CodestreamSize:
    """The picture that a codestream claims to be.

    Args:
        rows: Rows.
        columns: Columns.
        samples: Samples for each pixel.
    """

    rows: int
    columns: int
    samples: int


def codestream_size(frame: bytes) -> CodestreamSize | None:
    """Return the size in the header of a JPEG, JPEG-LS or JPEG 2000 codestream (HTJ2K among them).

    Returns:
        None for everything else: RLE, or a codestream whose header is damaged, which a decoder refuses by itself.
    """
    try:
        if frame.startswith(_JPEG):
            return _jpeg_size(frame)
        start = frame.find(_JPEG_2000, 0, _LONGEST_WRAPPING)  # some writers leave the boxes of a JP2 file around it
        return None if start < 0 else _jpeg_2000_size(frame, start)
    except struct.error:
        return None


def _jpeg_size(frame: bytes) -> CodestreamSize | None:
    place = 2
    while True:
        fill, marker = struct.unpack_from(">BB", frame, place)
        place += 1 if marker == 0xFF else 2
        if fill != 0xFF or marker == _SCAN:
            return None
        if marker == 0xFF or marker in _WITHOUT_LENGTH:
            continue
        if marker in _FRAME_MARKERS:
            _, rows, columns, samples = struct.unpack_from(">BHHB", frame, place + 2)
            return CodestreamSize(rows, columns, samples)
        place += struct.unpack_from(">H", frame, place)[0]


def _jpeg_2000_size(frame: bytes, start: int) -> CodestreamSize:
    """Read the SIZ segment (ITU-T T.800 A.5.1): the picture is what lies between its offset and its extent."""
    right, bottom, left, top = struct.unpack_from(">4I", frame, start + 8)
    (samples,) = struct.unpack_from(">H", frame, start + 40)
    return CodestreamSize(bottom - top, right - left, samples)
