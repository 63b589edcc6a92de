"""Names of labels as data sets spell them, and which label of a task is meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence

OTHER_SPELLINGS = {
    "normal": ("no finding", "healthy", "negative"),
    "benign": ("bengin",),
    "tumor": ("tumour",),
    "tuberculosis": ("tb",),
    "effusion": ("pleural effusion",),
    "infiltration": ("infiltrate",),
    "unknown": ("other", "others"),
}
"""Label -> other names that published data sets give it; :func:`label_key` says what is left out of account."""

_MEANT = {other: label for label, others in OTHER_SPELLINGS.items() for other in others}
_UNITS = (" cases", " case")


def normalised(name: str) -> str:
    """Return a name in lower case with single spaces for spaces, ``_`` and ``-``, for comparing."""
    return " ".join(name.lower().replace("_", " ").replace("-", " ").split())


def label_key(name: str) -> str:
    """Return what names of one label have in common: no case, no ``_`` or ``-``, no "cases" after it, one spelling.

    Example:
        >>> label_key("Bengin cases"), label_key("Pleural_Thickening"), label_key("TB")
        ('benign', 'pleural thickening', 'tuberculosis')
    """
    key = normalised(name)
    for unit in _UNITS:
        key = key.removesuffix(unit)
    return _MEANT.get(key, key)


def is_normal(name: str) -> bool:
    """Tell whether a label names the absence of disease."""
    return label_key(name) == "normal"


def ordered_labels(names: Iterable[str]) -> tuple[str, ...]:
    """Sort label names: the normal class first, numbers by value, then the alphabet.

    Example:
        >>> ordered_labels(["Cyst", "Tumor", "Normal"])
        ('Normal', 'Cyst', 'Tumor')
    """

    def place(name: str) -> tuple[bool, int, str]:
        return not is_normal(name), int(name) if name.isdecimal() else -1, name

    return tuple(sorted(set(names), key=place))


def distinct_labels(names: Iterable[str]) -> tuple[str, ...]:
    """Return each label once, as it is spelt first by the alphabet, in the order of :func:`ordered_labels`."""
    spellings: dict[str, str] = {}
    for name in sorted(set(names)):
        spellings.setdefault(label_key(name), name)
    return ordered_labels(spellings.values())


class LabelNames:
    """The labels of a task, found by any of their spellings; one that is equal but for the case goes first.

    Args:
        names: Label names, in the order of the indices.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self.names = tuple(names)
        numbered = list(enumerate(self.names))[::-1]
        self._exact = {name.lower(): index for index, name in numbered}
        self._loose = {label_key(name): index for index, name in numbered}

    def index(self, name: str) -> int | None:
        """Return the index of a label, None if it is none of them."""
        return self._exact.get(name.strip().lower(), self._loose.get(label_key(name)))

    def hint(self, name: str) -> str:
        """Return the nearest label as a question, or all of them, for a message about an unknown one."""
        near = difflib.get_close_matches(name, self.names, n=1)
        return f"did you mean {near[0]}?" if near else f"expected {', '.join(self.names)}"
