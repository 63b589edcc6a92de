"""What a reader of folders, tables or arrays found: labelled cases, before the missing sections are split off."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from lungscan_monai.data.datalist import Case
from lungscan_monai.errors import ConfigError

SECTION_NAMES = {
    "train": "training",
    "training": "training",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "test": "test",
    "testing": "test",
}
"""What data sets call their sections (in lower case) -> what a datalist calls them."""

NORMAL_NAMES = ("normal", "no finding", "healthy", "negative")
"""Names, in lower case, of the class without disease; it comes first where the order of labels is not given."""


@dataclass(frozen=True)
class Listing:
    """Labelled cases of one source.

    Args:
        name: Name of the data set.
        kind: ``"binary"``, ``"multiclass"`` or ``"multilabel"``.
        labels: Label names, in the order of the indices.
        base_dir: Folder that the image paths start from.
        given: Cases whose section came with the data.
        unsplit: Cases whose section is still to be chosen.
        skipped: Files that were found and not used.
    """

    name: str
    kind: str
    labels: tuple[str, ...]
    base_dir: Path
    given: Mapping[str, tuple[Case, ...]] = field(default_factory=dict)
    unsplit: tuple[Case, ...] = ()
    skipped: tuple[str, ...] = ()


def section_named(name: str) -> str | None:
    """Return the datalist's name of a section ("Val" -> "validation"), None if it is not one."""
    return SECTION_NAMES.get(name.strip().lower())


def normalised(name: str) -> str:
    """Return a name in lower case with single spaces for spaces, ``_`` and ``-``, for comparing."""
    return " ".join(name.lower().replace("_", " ").replace("-", " ").split())


def is_normal(name: str) -> bool:
    """Tell whether a label names the absence of disease."""
    return normalised(name) in NORMAL_NAMES


def ordered_labels(names: Iterable[str]) -> tuple[str, ...]:
    """Sort label names: the normal class first, numbers by value, then the alphabet.

    Example:
        >>> ordered_labels(["Cyst", "Tumor", "Normal"])
        ('Normal', 'Cyst', 'Tumor')
    """

    def place(name: str) -> tuple[bool, int, str]:
        return not is_normal(name), int(name) if name.isdecimal() else -1, name

    return tuple(sorted(set(names), key=place))


def exclusive_kind(labels: tuple[str, ...], kind: str | None) -> str:
    """Return the kind of a source with one class for each case: the one asked for, else by the number of classes.

    Raises:
        ConfigError: If ``"multilabel"`` was asked for.
    """
    if kind == "multilabel":
        raise ConfigError("kind is 'multilabel', but this source holds exactly one class for each case")
    return kind or ("binary" if len(labels) == 2 else "multiclass")
