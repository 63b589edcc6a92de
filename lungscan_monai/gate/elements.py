"""A walk over all elements of a DICOM data set that reads headers only, in one loop, however deep they are nested.

It follows pydicom where files break the Standard and pydicom reads them all the same: an unexpected kind of VR, VRs
that nobody knows, implicit items in explicit files. What lies inside a sequence of known length may be broken, since it
can be passed over; there only depth and number count. Nothing is built but the few values asked for.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

from lungscan_monai.errors import ReadError
from lungscan_monai.gate.limits import Limits
from lungscan_monai.gate.sources import ByteSource

PIXEL_TAGS = frozenset({0x7FE00008, 0x7FE00009, 0x7FE00010})
"""FloatPixelData, DoubleFloatPixelData, PixelData."""

_UNDEFINED = 0xFFFFFFFF
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_SHORT_VRS = frozenset(b"AE AS AT CS DA DS DT FL FD IS LO LT PN SH SL SS ST TM UI UL US".split())
_LONG_VRS = frozenset(b"OB OD OF OL OV OW SQ SV UC UN UR UT UV".split())
_LONGEST_VALUE = 1024
_HEADER = 8


@dataclass
class Elements:
    """What a walk found.

    Args:
        values: Tag -> raw value of the elements asked for, at the top of the data set; empty for a sequence.
        pixels: Tag of the pixel data, None without any.
        pixel_bytes: Their length; of encapsulated ones that of all fragments.
        fragments: Number of fragments after the offset table; None if the pixel data are not encapsulated.
        little_endian: How numbers are stored.
    """

    little_endian: bool
    values: dict[int, bytes] = field(default_factory=dict)
    pixels: int | None = None
    pixel_bytes: int = 0
    fragments: int | None = None


@dataclass(slots=True)
class _Open:
    """A data set, item or sequence that the walk is inside of.

    `end` is None if a delimiter ends it; `bound` is the nearest known end of itself and all that it lies in.
    """

    is_sequence: bool
    implicit: bool
    end: int | None = None
    bound: int | None = None


class _InsideOut(Exception):
    """An element does not fit into what it lies in."""


class ElementWalk:
    """One walk; see :meth:`run`.

    Args:
        source: Where the data set begins.
        name: File name, for errors.
        limits: How deep and how many.
        wanted: Tags whose values are kept.
    """

    def __init__(self, source: ByteSource, name: str, limits: Limits, wanted: frozenset[int]) -> None:
        self._source, self._name, self._limits, self._wanted = source, name, limits, wanted
        self._count = 0
        self._open: list[_Open] = []

    def run(self, implicit: bool, little_endian: bool, only_group: int | None = None) -> Elements:
        """Walk to the end of the source, or to the end of one group of the file's beginning.

        Args:
            implicit: Whether the transfer syntax has no VRs; the first element decides if it disagrees.
            little_endian: As the transfer syntax says.
            only_group: Where to stop: before the first element of another group.

        Raises:
            ReadError: ``truncated``, ``malformed``, ``too-deep``, ``too-many-elements`` or ``expansion``.
        """
        self._found = Elements(little_endian)
        order = "<" if little_endian else ">"
        self._header, self._short, self._long = (struct.Struct(order + form) for form in ("HHI", "HH2sH", "I"))
        self._open = [_Open(False, implicit)]
        self._sniff()
        while True:
            inner = self._open[-1]
            if inner.bound is not None and inner.bound - self._source.position < _HEADER:
                self._leave_broken()
            elif len(self._open) == 1 and self._is_over(only_group):
                return self._found
            else:
                self._step(inner)

    def _step(self, inner: _Open) -> None:
        self._count_one()
        try:
            self._item(inner) if inner.is_sequence else self._element(inner)
        except _InsideOut:
            self._leave_broken()

    def _is_over(self, only_group: int | None) -> bool:
        head = self._source.peek(_HEADER)
        if len(head) == _HEADER:
            return only_group is not None and self._header.unpack(head)[0] != only_group
        if head.strip(b"\0"):
            raise ReadError(self._name, "truncated", "ends within the header of an element")
        return True

    def _count_one(self) -> None:
        self._count += 1
        if self._count > self._limits.elements:
            reason = f"has more than {self._limits.elements} DICOM elements and fragments, the limit `elements`"
            raise ReadError(self._name, "too-many-elements", reason)

    def _leave_broken(self) -> None:
        """Leave the innermost sequence or item whose end is known, at that end."""
        while len(self._open) > 1:
            left = self._open.pop()
            if left.end is not None:
                self._source.skip(left.end - self._source.position)
                return
        raise ReadError(self._name, "malformed", "its DICOM elements do not follow each other as the format wants")

    def _sniff(self) -> None:
        """Let the first element of a data set or an item tell whether there are VRs."""
        inner, head = self._open[-1], self._source.peek(6)
        if len(head) == 6 and not (inner.implicit and len(self._open) > 1):
            inner.implicit = not (0x40 < head[4] < 0x5B and 0x40 < head[5] < 0x5B)

    def _enter(self, is_sequence: bool, implicit: bool, end: int | None) -> None:
        if len(self._open) > 2 * self._limits.depth:
            reason = f"has sequences nested deeper than {self._limits.depth}, the limit `depth`"
            raise ReadError(self._name, "too-deep", reason)
        self._open.append(_Open(is_sequence, implicit, end, self._open[-1].bound if end is None else end))

    def _end_of(self, length: int) -> int | None:
        """Where a value of that length ends; it must lie inside of all that it is in."""
        if length == _UNDEFINED:
            return None
        end, bound = self._source.position + length, self._open[-1].bound
        if bound is not None and end > bound:
            raise _InsideOut
        return end

    def _item(self, sequence: _Open) -> None:
        group, element, length = self._header.unpack(self._source.read(_HEADER))
        tag = group << 16 | element
        if tag == _ITEM:
            self._enter(False, sequence.implicit, self._end_of(length))
            if length:
                self._sniff()
        elif tag == _SEQUENCE_END and sequence.end is None:
            self._open.pop()
        else:
            raise _InsideOut

    def _element(self, inner: _Open) -> None:
        tag, vr, length = self._element_header(inner)
        if len(self._open) == 1 and tag in self._wanted:
            self._found.values[tag] = b""
        if tag == _ITEM_END and inner.end is None and len(self._open) > 1:
            self._open.pop()
        elif tag >> 16 == 0xFFFE:
            raise _InsideOut
        elif tag in PIXEL_TAGS and len(self._open) == 1:
            self._pixels(tag, length)
        elif length == _UNDEFINED:
            self._undefined(vr, inner.implicit)
        else:
            self._value(tag, vr, length, inner.implicit)

    def _element_header(self, inner: _Open) -> tuple[int, bytes, int]:
        head = self._source.read(_HEADER)
        group, element, vr, length = self._short.unpack(head)
        if inner.implicit or not b"AA" <= vr <= b"ZZ":
            vr, length = b"", self._header.unpack(head)[2]
        elif vr in _LONG_VRS:
            self._end_of(4)
            length = self._long.unpack(self._source.read(4))[0]
        return group << 16 | element, vr, length

    def _value(self, tag: int, vr: bytes, length: int, implicit: bool) -> None:
        end = self._end_of(length)
        if length >= _HEADER and vr not in _SHORT_VRS and self._starts_with_item():
            self._enter(True, implicit, end)
        elif len(self._open) == 1 and tag in self._wanted and length <= _LONGEST_VALUE:
            self._found.values[tag] = self._source.read(length)
        else:
            self._source.skip(length)

    def _undefined(self, vr: bytes, implicit: bool) -> None:
        if vr in (b"SQ", b"UN") or self._starts_with_item():
            self._enter(True, implicit, None)
        elif self._source.peek(_HEADER) == self._header.pack(0xFFFE, 0xE0DD, 0):
            self._source.skip(8)
        else:
            raise _InsideOut

    def _starts_with_item(self) -> bool:
        head = self._source.peek(_HEADER)
        return len(head) == _HEADER and self._header.unpack(head)[:2] == (0xFFFE, 0xE000)

    def _pixels(self, tag: int, length: int) -> None:
        self._found.pixels = tag
        if length != _UNDEFINED:
            self._found.pixel_bytes, self._found.fragments = length, None
            self._source.skip(length)
            return
        self._found.fragments, self._found.pixel_bytes = -1, 0  # the first item is the offset table
        while True:
            group, element, length = self._header.unpack(self._source.read(_HEADER))
            if (group, element) == (0xFFFE, 0xE0DD):
                return
            if (group, element) != (0xFFFE, 0xE000) or length == _UNDEFINED:
                raise ReadError(self._name, "malformed", "its pixel data are not the sequence of fragments they claim")
            self._count_one()
            self._source.skip(length)
            self._found.fragments += 1
            self._found.pixel_bytes += length
