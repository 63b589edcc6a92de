"""An uncompressed frame whose lines are read when they are asked for; it is never in memory as a whole."""

from __future__ import annotations

import numpy as np

from lungscan_monai.hashing import HashedFile

_BLOCK = 2**20


class Lines:
    """The lines of a frame, from the first to the last.

    Lines are read some at a time, into the same memory: what it holds stays in the processor's cache until it is used.

    Args:
        file: A file that has been read up to the frame.
        shape: Rows and columns.
        dtype: Of the stored values.
        unused: Number of high bits of each value that say nothing (PS3.5 8.1.1); a sign is put in their place.
    """

    def __init__(self, file: HashedFile, shape: tuple[int, int], dtype: np.dtype, unused: int = 0) -> None:
        self.shape, self.dtype, self._unused = shape, dtype, unused
        self._file = file
        self._block = np.empty((0, shape[1]), dtype)
        self._first = self._end = 0

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, lines: slice) -> np.ndarray:
        """Return some lines, ``(n, columns)``, until the next are asked for; those must not begin before these do.

        Raises:
            EOFError: If the file ends in the frame.
            OSError: If it cannot be read.
        """
        if lines.stop > self._end:
            self._read(lines.start, lines.stop)
        return self._block[lines.start - self._first : lines.stop - self._first]

    def _read(self, start: int, stop: int) -> None:
        """Read on, as far as there is room behind the lines from `start` on, which are kept."""
        kept = self._block[start - self._first : self._end - self._first]
        room = max(stop - start, _BLOCK // (self.shape[1] * self.dtype.itemsize))
        if room > len(self._block):
            self._block = np.empty((room, self.shape[1]), self.dtype)
        self._block[: len(kept)] = kept
        count = min(len(self._block) - len(kept), self.shape[0] - self._end)
        read = self._block[len(kept) : len(kept) + count]
        self._file.readinto(memoryview(read).cast("B"))
        if self._unused:
            np.left_shift(read, self._unused, out=read)
            np.right_shift(read, self._unused, out=read)
        self._first, self._end = start, self._end + count
