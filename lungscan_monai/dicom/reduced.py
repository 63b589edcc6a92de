"""JPEG 2000 frames decoded at a half or a quarter of their size, which takes a fourth or a fifteenth of the time.

The format keeps a picture as a small one and what is to be added to it. So the small one's codestream is made: sizes,
levels and quantisation steps in its header are its own, its packets are the first ones of the whole. It goes to the
decoder that decodes frames in full.

A sample is what the low-pass filter of the format's wavelet makes of the pixels around every second (fourth) one, the
first pixel among them; it is no mean of a block. :mod:`~lungscan_monai.dicom.reduced_means` averages it further.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np
import openjpeg

NARROWEST_TO_REDUCE = 512
"""Width of a window, in stored values, from which a frame may be decoded smaller: the format rounds the small pictures
that it keeps to whole values, one off at most, and that shall be less than half a level of 255."""

_MOST_HALVINGS = 2
_START = b"\xff\x4f"
_LONGEST_WRAPPING = 2**12
_SIGNED = 0x80
_SIZE, _CODING, _QUANTISATION, _COMMENT, _TILE_LENGTHS = 0xFF51, 0xFF52, 0xFF5C, 0xFF64, 0xFF55
_TILE, _PACKET_LENGTHS, _DATA = 0xFF90, 0xFF58, 0xFF93
_IN_HEADER = {_SIZE, _CODING, _QUANTISATION, _COMMENT, _TILE_LENGTHS}
_IN_TILE_HEADER = {_COMMENT, _PACKET_LENGTHS}
_BY_LAYER, _BY_RESOLUTION = 0, (1, 2)
_STEP_BYTES = (1, 0, 2)
"""Bytes of a subband in the segment on quantisation, by its style (ITU-T T.800 A.6.4); style 1 names the first only."""


@dataclass(frozen=True)
class Reduction:
    """How a frame was made smaller by its decoder; sample i lies on pixel ``i * 2**halvings``.

    Args:
        halvings: 1 or 2.
        rows: Rows of the frame in full.
        columns: Columns of the frame in full.
        reversible: Whether its wavelet is the 5/3 one, in integers; else it is the 9/7 one.
    """

    halvings: int
    rows: int
    columns: int
    reversible: bool = True

    @property
    def excess(self) -> float:
        """How far samples lie above what the filter gives, on average, in stored values.

        The 5/3 wavelet rounds down what it subtracts, and to the nearest what it adds (ITU-T T.800 F.4.8.1): where all
        remainders are equally frequent, 1/4 for each pass, of which a halving has two. 9/7 does not round.
        """
        return self.halvings / 2 if self.reversible else 0.0


def possible_reduction(
    encoded: bytes, shape: tuple[int, int], bits: int, signed: bool, smallest: tuple[int, int]
) -> Reduction | None:
    """Return the strongest reduction that leaves a grey JPEG 2000 frame at least so large.

    Args:
        encoded: The frame.
        shape: Its rows and columns, as the data set says.
        bits: `BitsStored`.
        signed: Whether values have a sign.
        smallest: Rows and columns that are needed.

    Returns:
        None if there is none, if the codestream is not the simple picture that the data set describes, or if it does
        not begin with the small picture: then it has to be decoded in full.
    """
    halvings = _MOST_HALVINGS
    while halvings and any(side >> halvings < least for side, least in zip(shape, smallest, strict=True)):
        halvings -= 1
    try:
        stream = _Codestream.of(encoded)
        halvings = min(halvings, stream.levels)
        if halvings and stream.is_simple(shape, bits, signed) and stream.begins_small():
            return Reduction(halvings, *shape, reversible=stream.is_reversible)
    except (LookupError, ValueError, struct.error):
        return None
    return None


def reduced_values(encoded: bytes, reduction: Reduction) -> np.ndarray | None:
    """Decode a frame at a part of its size.

    Args:
        encoded: The frame.
        reduction: One that is possible.

    Returns:
        Stored values, ``(ceil(rows / 2**halvings), ceil(columns / 2**halvings))``; None if it cannot be decoded so.
    """
    try:
        return openjpeg.decode(_Codestream.of(encoded).reduced(reduction.halvings))
    except (LookupError, RuntimeError, ValueError, struct.error):
        return None


@dataclass(frozen=True, eq=False)
class _Codestream:
    """A codestream in parts (ITU-T T.800 A.2).

    Args:
        header: The segments of its main header by their markers, in order; each begins with its marker.
        tiles: All that follows.
    """

    header: dict[int, bytes]
    tiles: memoryview

    @classmethod
    def of(cls, encoded: bytes) -> _Codestream:
        """Take a codestream apart.

        Raises:
            ValueError: If there is none, or its header holds what has no place here.
            struct.error: If it is cut short.
        """
        place, header = encoded.index(_START, 0, _LONGEST_WRAPPING) + len(_START), {}
        while True:
            marker, length = struct.unpack_from(">HH", encoded, place)
            if marker == _TILE:
                return cls(header, memoryview(encoded)[place:])
            if marker not in _IN_HEADER or (marker in header and marker != _COMMENT):
                raise ValueError(f"marker {marker:#x}")
            if marker not in (_COMMENT, _TILE_LENGTHS):
                header[marker] = encoded[place : place + 2 + length]
            place += 2 + length

    @property
    def levels(self) -> int:
        """How often the picture was halved when it was written (A.6.1)."""
        return self.header[_CODING][9]

    @property
    def is_reversible(self) -> bool:
        return self.header[_CODING][13] == 1

    def is_simple(self, shape: tuple[int, int], bits: int, signed: bool) -> bool:
        """Tell whether there is one component of one tile at the origin, of this shape and these values (A.5.1)."""
        right, bottom, left, top, width, height, across, down = struct.unpack_from(">8I", self.header[_SIZE], 6)
        components, depth, step_x, step_y = struct.unpack_from(">H3B", self.header[_SIZE], 38)
        return (
            (bottom, right, left, top, across, down) == (*shape, 0, 0, 0, 0)
            and (width >= right and height >= bottom)
            and (components, step_x, step_y) == (1, 1, 1)
            and depth == (bits - 1 | (_SIGNED if signed else 0))
        )

    def begins_small(self) -> bool:
        """Tell whether all packets of a smaller picture come before those of a larger one (A.6.1, B.12)."""
        progression, layers = struct.unpack_from(">BH", self.header[_CODING], 5)
        one_by_one = layers == 1 if progression == _BY_LAYER else progression in _BY_RESOLUTION
        return one_by_one and self._tiles_are_plain()

    def _tiles_are_plain(self) -> bool:
        """Tell whether all parts of the tile are there, and change nothing that the main header says (A.4.2)."""
        place = 0
        while self.tiles[place : place + 2] == _TILE.to_bytes(2, "big"):
            length, place_in = struct.unpack_from(">I", self.tiles, place + 6)[0], place + 12
            while (marker := struct.unpack_from(">H", self.tiles, place_in)[0]) in _IN_TILE_HEADER:
                place_in += 2 + struct.unpack_from(">H", self.tiles, place_in + 2)[0]
            if marker != _DATA or place + length > len(self.tiles):
                return False
            if length == 0:  # the rest
                return True
            place += length
        return True

    def reduced(self, halvings: int) -> bytes:
        """Return the codestream of the smaller picture; what follows it is not looked at by a decoder."""
        size, coding, steps = (bytearray(self.header[marker]) for marker in (_SIZE, _CODING, _QUANTISATION))
        sides = struct.unpack_from(">8I", size, 6)
        struct.pack_into(">8I", size, 6, *(-(-side >> halvings) for side in sides))
        coding[9] -= halvings
        if coding[4] & 1:  # the precincts of each resolution
            del coding[-halvings:]
        if unused := 3 * halvings * _STEP_BYTES[steps[4] & 31]:
            del steps[-unused:]
        for segment in (coding, steps):
            struct.pack_into(">H", segment, 2, len(segment) - 2)
        return b"".join((_START, size, coding, steps, self.tiles))
