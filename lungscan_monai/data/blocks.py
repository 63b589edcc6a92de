"""Blocks of neighbouring slices, where nobody recorded which slices are of one scan."""

from __future__ import annotations

import dataclasses
import re
from collections import defaultdict

import numpy as np

from lungscan_monai.data.datalist import Case
from lungscan_monai.data.files import without_suffix
from lungscan_monai.data.listing import Listing
from lungscan_monai.errors import ConfigError, DatalistError

_NUMBER = re.compile(r"\d+")


def in_blocks(listing: Listing, count: int) -> Listing:
    """Make blocks of consecutive file numbers the patients, so that a split keeps neighbours together.

    In each class (and each section, where there are some), the files are ordered by the numbers in their names,
    ``case (9)`` before ``case (10)``, and cut into `count` blocks of equal size. A scan that a border runs through is
    still in two blocks: of fewer blocks, fewer are.

    Args:
        listing: The cases; those of known patient stay as they are.
        count: Blocks of each class, at least 1.

    Raises:
        ConfigError: If `count` is below 1, or every patient is known.
        DatalistError: If a file name has no number, or the task is multi-label.
    """
    if count < 1:
        raise ConfigError(f"blocks is {count}, expected at least 1")
    cases = [case for case in listing.cases() if case.patient is None]
    if not cases:
        raise ConfigError("blocks are for images of unknown patient, but here every image has one; leave blocks out")
    _check(listing, cases)
    members: dict[tuple[str, int], list[Case]] = defaultdict(list)
    for section, found in {"": listing.unsplit, **listing.given}.items():
        for case in found:
            if case.patient is None:
                members[section, case.label].append(case)
    blocks: dict[str, str] = {}
    for (section, label), found in members.items():
        ordered = sorted(found, key=lambda case: _by_number(case.image))
        for number, block in enumerate(np.array_split(np.arange(len(ordered)), count)):
            name = " ".join(filter(None, (section, listing.labels[label], f"block {number + 1}")))
            blocks |= {ordered[place].id: name for place in block}

    def grouped(found: tuple[Case, ...]) -> tuple[Case, ...]:
        return tuple(dataclasses.replace(case, patient=case.patient or blocks[case.id]) for case in found)

    return dataclasses.replace(
        listing,
        unsplit=grouped(listing.unsplit),
        given={section: grouped(found) for section, found in listing.given.items()},
        facts={**listing.facts, "patients": f"{count} blocks of consecutive file numbers in each class"},
        notes=(*listing.notes, f"{len(set(blocks.values()))} blocks of consecutive numbers stand for patients"),
    )


def _check(listing: Listing, cases: list[Case]) -> None:
    if listing.kind == "multilabel":
        raise DatalistError(listing.name, ["blocks are cut in each class, but the task is multi-label"])
    unnumbered = [case.image for case in cases if not _NUMBER.search(without_suffix(case.image))]
    if unnumbered:
        raise DatalistError(
            listing.name,
            [
                f"blocks need numbered file names, but {len(unnumbered)} have no number, for instance {unnumbered[0]}; "
                "give a patient column or a patient regex instead"
            ],
        )


def _by_number(image: str) -> tuple[list[tuple[str, int]], str]:
    """Return what orders file names by text and number, whatever their folders."""
    name = without_suffix(image)
    texts, numbers = _NUMBER.split(name.lower()), [int(number) for number in _NUMBER.findall(name)]
    return list(zip(texts, [*numbers, -1], strict=True)), image
