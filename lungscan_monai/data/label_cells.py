"""What a table's cells say about the label of an image: a name, several, or one number for each finding."""

from __future__ import annotations

from collections.abc import Sequence

from lungscan_monai.data.datalist import Label
from lungscan_monai.data.label_names import LabelNames, is_normal

SEPARATOR = "|"
"""What stands between the findings of one cell."""

_ASSESSED = {"1": 1, "1.0": 1, "0": 0, "0.0": 0, "": None, "-1": None, "-1.0": None}


class NameCells:
    """Turns one cell of names, or of indices, into a label.

    Args:
        names: Label names, in the order of the indices.
        multilabel: Whether a cell may hold several names, or that of the normal class for none of them.
    """

    def __init__(self, names: Sequence[str], *, multilabel: bool) -> None:
        self._names = LabelNames(names)
        self._multilabel = multilabel

    def problem(self, cell: str) -> str | None:
        """Return what is wrong with the cell, if anything."""
        parts = self._parts(cell)
        if not all(parts):
            return "the label is empty"
        unknown = [part for part in parts if self._index(part) is None and not self._means_none(part)]
        if unknown:
            return f"unknown label {unknown[0]!r}; {self._names.hint(unknown[0])}"
        if len(parts) > 1 and any(self._means_none(part) for part in parts):
            return f"label {cell!r} names findings and their absence"
        return None

    def label(self, cell: str) -> Label:
        """Return the label of a cell without problem."""
        found = {self._index(part) for part in self._parts(cell)}
        if self._multilabel:
            return tuple(int(index in found) for index in range(len(self._names.names)))
        return found.pop()

    def _parts(self, cell: str) -> list[str]:
        return [part.strip() for part in cell.split(SEPARATOR)] if self._multilabel else [cell]

    def _index(self, part: str) -> int | None:
        index = self._names.index(part)
        if index is None and part.isdecimal() and int(part) < len(self._names.names):
            return int(part)
        return index

    def _means_none(self, part: str) -> bool:
        return self._multilabel and is_normal(part) and self._index(part) is None


class FindingCells:
    """Turns the cells of a table with one column for each finding into a label.

    Args:
        names: Label names, in the order of the cells.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self._names = tuple(names)

    def problem(self, cells: Sequence[str]) -> str | None:
        """Return what is wrong with the cells, if anything."""
        wrong = [f"{name} is {cell!r}" for name, cell in zip(self._names, cells, strict=True) if cell not in _ASSESSED]
        return f"{', '.join(wrong)}; expected 1, 0, and nothing or -1 for not assessed" if wrong else None

    def label(self, cells: Sequence[str]) -> Label:
        """Return the label of cells without problem."""
        return tuple(_ASSESSED[cell] for cell in cells)
