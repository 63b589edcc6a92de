"""What is wrong with the lines of a table."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

from lungscan_monai.errors import DatalistError

_LISTED_AT_MOST = 20


class LineDefects:
    """Sentences by kind and line, and for a kind perhaps how it is mended."""

    def __init__(self) -> None:
        self._found: dict[str, list[str]] = defaultdict(list)
        self._advice: dict[str, str] = {}

    def add(self, kind: str, line: int, sentence: str, advice: str | None = None) -> None:
        """Take down a defect; `advice`, the same for all of a kind, is told once."""
        self._found[kind].append(f"line {line}: {sentence}")
        if advice:
            self._advice[kind] = advice

    def raise_if_any(self, path: Path) -> None:
        """Tell of each kind the first 20.

        Raises:
            DatalistError: If there is a defect.
        """
        sentences = []
        for kind, found in self._found.items():
            sentences += found[:_LISTED_AT_MOST]
            if len(found) > _LISTED_AT_MOST:
                sentences.append(f"... and {len(found) - _LISTED_AT_MOST} more: {kind}")
            sentences += [self._advice[kind]] if kind in self._advice else []
        if sentences:
            raise DatalistError(str(path), sentences)
