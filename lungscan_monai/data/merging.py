"""Several sources in one: folders of pictures are added to a data set, each under one label."""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Sequence
from pathlib import Path

from lungscan_monai.data.datalist import SECTIONS, Case
from lungscan_monai.data.files import images_below
from lungscan_monai.data.label_names import LabelNames
from lungscan_monai.data.listing import Listing
from lungscan_monai.data.patients import patient_of, patient_pattern
from lungscan_monai.data.splits import split_cases
from lungscan_monai.errors import ConfigError, DatalistError


def with_folders(
    listing: Listing,
    folders: Sequence[tuple[str, str | os.PathLike]],
    *,
    patient_regex: str | None = None,
    seed: int = 0,
) -> Listing:
    """Add all images in and below folders, each under one label, and note as `source` where each case is from.

    Where the listing has sections, a folder is divided among them in the same shares; else all cases are left to be
    split together.

    Args:
        listing: Cases of exclusive classes.
        folders: Pairs of label and folder; labels that the listing does not have come after its own.
        patient_regex: How to find the patient in a file name; see
            :func:`~lungscan_monai.data.patients.patient_pattern`.
        seed: Seed of the division.

    Raises:
        ConfigError: If the listing is multi-label.
        DatalistError: If a folder is missing or holds no image.
        SplitError: If a folder has too few images for the sections.
    """
    if listing.kind == "multilabel":
        raise ConfigError("a folder is added under one label, which does not fit a multi-label data set; leave it out")
    places = [listing.base_dir, *(folder for _, folder in folders)]
    base_dir = Path(os.path.commonpath([Path(place).absolute() for place in places]))
    own = LabelNames(listing.labels)
    labels = LabelNames((*own.names, *dict.fromkeys(label for label, _ in folders if own.index(label) is None)))
    pattern = patient_pattern(patient_regex) if patient_regex else None
    given = {section: _moved(cases, listing, base_dir) for section, cases in listing.given.items()}
    unsplit = _moved(listing.unsplit, listing, base_dir)
    for label, folder in folders:
        added = _pictures(Path(folder), labels.index(label), base_dir, pattern)
        if given:
            parts = _divided_alike(added, listing, seed, labels.names)
            given = {section: (*cases, *parts[section]) for section, cases in given.items()}
        else:
            unsplit += added
    return dataclasses.replace(
        listing,
        kind=listing.kind if labels.names == listing.labels else "multiclass",
        labels=labels.names,
        base_dir=base_dir,
        given=given,
        unsplit=unsplit,
        facts={**listing.facts, "sources": [listing.name, *(Path(folder).name for _, folder in folders)]},
    )


def _moved(cases: Sequence[Case], listing: Listing, base_dir: Path) -> tuple[Case, ...]:
    """Return cases whose files are named from another folder."""
    way = listing.base_dir.absolute().relative_to(base_dir)

    def moved(case: Case) -> Case:
        facts = {"source": listing.name, **case.facts}
        if facts.get("mask"):
            facts["mask"] = (way / facts["mask"]).as_posix()
        image = (way / case.image).as_posix()
        return Case(image, case.label, case.patient, image if case.id == case.image else case.id, facts)

    return tuple(moved(case) for case in cases)


def _pictures(folder: Path, label: int, base_dir: Path, pattern: re.Pattern[str] | None) -> tuple[Case, ...]:
    if not folder.is_dir():
        raise DatalistError(str(folder), ["there is no such folder to add"])
    images = images_below(folder)
    if not images:
        raise DatalistError(str(folder), ["the folder to add holds no image"])
    way = folder.absolute().relative_to(base_dir)
    return tuple(
        Case((way / image).as_posix(), label, patient_of(str(image), pattern), facts={"source": folder.name})
        for image in images
    )


def _divided_alike(
    cases: Sequence[Case], listing: Listing, seed: int, names: Sequence[str]
) -> dict[str, tuple[Case, ...]]:
    counts = [len(listing.given.get(section, ())) for section in SECTIONS]
    split = split_cases(cases, [count / sum(counts) for count in counts], seed, names)
    return dict(split.sections)
