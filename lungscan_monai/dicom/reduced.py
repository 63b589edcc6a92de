"""JPEG 2000 frames decoded at a half or a quarter of their size, which takes a third or a tenth of the time.

The format keeps a picture as a small one and what is to be added to it, so the small one is there to be had. Its
samples are means around every second (fourth) pixel, the first pixel among them, and not means of blocks of pixels:
whoever averages it further has to know where its samples lie.
"""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass

import numpy as np
from PIL import Image

NARROWEST_TO_REDUCE = 512
"""Width of a window, in stored values, from which a frame may be decoded smaller: the format rounds the small pictures
that it keeps to whole values, one off at most, and that shall be less than half a level of 255."""

_MOST_HALVINGS = 2
_START = b"\xff\x4f\xff\x51"
_LONGEST_WRAPPING = 2**12
_SIGNED = 0x80
_CODING, _TILE = 0xFF52, 0xFF90


@dataclass(frozen=True)
class Reduction:
    """How a frame was made smaller by its decoder; sample i lies on pixel ``i * 2**halvings``.

    Args:
        halvings: 1 or 2.
        rows: Rows of the frame in full.
        columns: Columns of the frame in full.
    """

    halvings: int
    rows: int
    columns: int


def reduction_to(shape: tuple[int, int], smallest: tuple[int, int]) -> Reduction | None:
    """Return the strongest reduction that leaves a frame at least so large; None if that is none.

    Args:
        shape: Rows and columns of the frame.
        smallest: Rows and columns that are needed.

    Example:
        >>> reduction_to((2000, 2000), (448, 448)).halvings
        2
    """
    for halvings in range(_MOST_HALVINGS, 0, -1):
        # Pillow rounds where the format rounds up: it cannot read a quarter of 4 n + 1 pixels.
        if halvings == 2 and any(side % 4 == 1 for side in shape):
            continue
        if all(side >> halvings >= least for side, least in zip(shape, smallest, strict=True)):
            return Reduction(halvings, *shape)
    return None


def reduced_values(encoded: bytes, reduction: Reduction, bits: int, signed: bool) -> np.ndarray | None:
    """Decode a grey JPEG 2000 frame at a part of its size.

    Args:
        encoded: The frame.
        reduction: How much smaller, and the size that its header states.
        bits: `BitsStored`.
        signed: Whether values have a sign.

    Returns:
        Stored values, ``(ceil(rows / 2**halvings), ceil(columns / 2**halvings))``; None if the codestream is not the
        simple picture that the header describes, or cannot be decoded so: then it has to be decoded in full.
    """
    start = encoded.find(_START, 0, _LONGEST_WRAPPING)
    try:
        if start < 0 or not _is_simple(encoded, start, reduction, bits, signed):
            return None
        with Image.open(io.BytesIO(encoded[start:])) as picture:
            picture.reduce = reduction.halvings
            values = np.asarray(picture)
    except (OSError, ValueError, struct.error, Image.DecompressionBombError):
        return None
    if values.dtype == np.uint8:
        return values if not signed else None
    values = values >> (16 - bits)  # Pillow gives all 16 bits, and no sign
    return (values.astype(np.int32) - (1 << bits - 1)).astype(np.int16) if signed else values


def _is_simple(encoded: bytes, start: int, reduction: Reduction, bits: int, signed: bool) -> bool:
    """Tell whether there is one component of one tile at the origin, as the header says (ITU-T T.800 A.5.1, A.6.1)."""
    length = struct.unpack_from(">H", encoded, start + 4)[0]
    right, bottom, left, top, width, height, across, down = struct.unpack_from(">8I", encoded, start + 8)
    components, depth, step_x, step_y = struct.unpack_from(">H3B", encoded, start + 40)
    return (
        (bottom, right, left, top, across, down) == (reduction.rows, reduction.columns, 0, 0, 0, 0)
        and (width >= right and height >= bottom)
        and (components, step_x, step_y) == (1, 1, 1)
        and depth == (bits - 1 | (_SIGNED if signed else 0))
        and _levels(encoded, start + 4 + length) >= reduction.halvings
    )


def _levels(encoded: bytes, place: int) -> int:
    """Return how often the picture was halved when it was written, from the marker segments that begin here."""
    while True:
        marker, length = struct.unpack_from(">HH", encoded, place)
        if marker == _CODING:
            return encoded[place + 9]
        if marker == _TILE:
            return 0
        place += 2 + length
