"""Bytes that are read forwards only, from a file or out of a deflated stream, and never more than are there."""

from __future__ import annotations

import zlib
from abc import ABC, abstractmethod
from typing import BinaryIO

from lungscan_monai.errors import ReadError
from lungscan_monai.gate.limits import Limits

_STORED_STEP = 2**16
_INFLATED_STEP = 2**18


class ByteSource(ABC):
    """A stream with one block of it in memory; `position` counts the bytes gone by.

    Args:
        name: File name, for errors.
        position: What to begin counting with.
    """

    def __init__(self, name: str, position: int) -> None:
        self.name, self.position = name, position
        self._block, self._used = b"", 0

    @abstractmethod
    def _more(self) -> bytes:
        """Return the next block; nothing at the end."""

    @abstractmethod
    def _pass(self, count: int) -> None:
        """Pass bytes that lie beyond the block."""

    def peek(self, count: int) -> bytes:
        """Return the next bytes without passing them; fewer at the end.

        Raises:
            ReadError: ``truncated``, ``expansion`` or ``malformed``, for a deflated stream.
        """
        while len(self._block) - self._used < count and (more := self._more()):
            self._block, self._used = self._block[self._used :] + more, 0
        return self._block[self._used : self._used + count]

    def read(self, count: int) -> bytes:
        """Return the next bytes and pass them.

        Raises:
            ReadError: ``truncated``, and for a deflated stream ``expansion`` or ``malformed``.
        """
        found = self.peek(count)
        if len(found) < count:
            raise _truncated(self.name)
        self._used += count
        self.position += count
        return found

    def skip(self, count: int) -> None:
        """Pass bytes.

        Raises:
            ReadError: ``truncated``, and for a deflated stream ``expansion`` or ``malformed``.
        """
        in_block = min(count, len(self._block) - self._used)
        self._used += in_block
        self.position += count
        if count > in_block:
            self._pass(count - in_block)


class FileSource(ByteSource):
    """The rest of an open file.

    Args:
        stream: Seekable, open where the source begins.
        size: Bytes of the whole file.
        name: File name, for errors.
    """

    def __init__(self, stream: BinaryIO, size: int, name: str) -> None:
        super().__init__(name, stream.tell())
        self._stream, self._size = stream, size

    def _more(self) -> bytes:
        return self._stream.read(_STORED_STEP)

    def _pass(self, count: int) -> None:
        if self.position > self._size:
            raise _truncated(self.name)
        self._stream.seek(self.position)
        self._block, self._used = b"", 0


class InflatingSource(ByteSource):
    """The inflated rest of an open file, made in small steps and forgotten at once.

    Args:
        stream: Seekable; its beginning does not matter.
        start: Where the compressed bytes begin.
        size: Bytes of the whole file.
        name: File name, for errors.
        limits: How much it may become.
        window_bits: As :func:`zlib.decompressobj` takes them: -15 for DICOM, 31 for gzip.
    """

    def __init__(self, stream: BinaryIO, start: int, size: int, name: str, limits: Limits, window_bits: int) -> None:
        super().__init__(name, 0)
        stream.seek(start)
        self._stream, self._size, self._limits = stream, size, limits
        self._inflater = zlib.decompressobj(window_bits)
        self._made = 0

    def _more(self) -> bytes:
        try:
            while not self._inflater.eof:
                stored = self._inflater.unconsumed_tail or self._stream.read(_STORED_STEP)
                made = self._inflater.decompress(stored, _INFLATED_STEP)
                if made:
                    self._made += len(made)
                    self._limits.check_inflated(self.name, self._made, self._size)
                    return made
                if not stored:
                    raise _truncated(self.name)
        except zlib.error as error:
            raise ReadError(self.name, "malformed", "its compressed data cannot be inflated") from error
        return b""

    def _pass(self, count: int) -> None:
        self._block = b""
        while count > len(self._block):
            count -= len(self._block)
            self._block = self._more()
            if not self._block:
                raise _truncated(self.name)
        self._used = count


def _truncated(name: str) -> ReadError:
    return ReadError(name, "truncated", "ends before what its headers promise")
