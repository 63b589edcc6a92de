"""What a reader of folders, tables or arrays found: labelled cases, before the missing sections are split off."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

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
        facts: What the datalist's `split` entry shall tell about the source.
        notes: Sentences that the user should read.
    """

    name: str
    kind: str
    labels: tuple[str, ...]
    base_dir: Path
    given: Mapping[str, tuple[Case, ...]] = field(default_factory=dict)
    unsplit: tuple[Case, ...] = ()
    skipped: tuple[str, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def cases(self) -> tuple[Case, ...]:
        """Return all cases, those without section first."""
        return (*self.unsplit, *(case for members in self.given.values() for case in members))


def section_named(name: str) -> str | None:
    """Return the datalist's name of a section ("Val" -> "validation"), None if it is not one."""
    return SECTION_NAMES.get(name.strip().lower())


def exclusive_kind(labels: tuple[str, ...], kind: str | None) -> str:
    """Return the kind of a source with one class for each case: the one asked for, else by the number of classes.

    Raises:
        ConfigError: If ``"multilabel"`` was asked for.
    """
    if kind == "multilabel":
        raise ConfigError("kind is 'multilabel', but this source holds exactly one class for each case; give a table")
    return kind or ("binary" if len(labels) == 2 else "multiclass")
