"""Blocks of neighbouring slices, where nobody recorded which slices are of one scan."""

from __future__ import annotations

import dataclasses
import re
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from lungscan_monai.data.datalist import Case
from lungscan_monai.data.files import without_suffix
from lungscan_monai.data.listing import Listing
from lungscan_monai.errors import ConfigError, DatalistError

UNLIKE = 0.5
"""Correlation of neighbouring slices below which a new scan is taken to begin."""

_NUMBER = re.compile(r"\d+")
_SIDE = 32


def in_blocks(listing: Listing, count: int | None = None) -> Listing:
    """Make blocks of consecutive slices the patients, so that a split keeps neighbours together.

    In each class (and each section, where there are some), the files are ordered by the numbers in their names,
    ``case (9)`` before ``case (10)``, and cut where neighbours look least alike: their correlation is that of grey
    pictures of 32 x 32 pixels.

    Args:
        listing: The cases, PNG, JPEG, TIFF or BMP; those of known patient stay as they are.
        count: Blocks of each class; if not given, as many as there are neighbours with a correlation below `UNLIKE`.

    Raises:
        ConfigError: If `count` is below 1, or every patient is known.
        DatalistError: If a file name has no number, a file is no picture, or the task is multi-label.
    """
    if count is not None and count < 1:
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
        alike = likeness([listing.base_dir / case.image for case in ordered])
        cuts = alike < UNLIKE if count is None else np.isin(np.arange(len(alike)), np.argsort(alike)[: count - 1])
        for case, number in zip(ordered, np.cumsum([1, *cuts]), strict=True):
            blocks[case.id] = " ".join(filter(None, (section, listing.labels[label], f"block {number}")))

    def grouped(found: tuple[Case, ...]) -> tuple[Case, ...]:
        return tuple(dataclasses.replace(case, patient=case.patient or blocks[case.id]) for case in found)

    return dataclasses.replace(
        listing,
        unsplit=grouped(listing.unsplit),
        given={section: grouped(found) for section, found in listing.given.items()},
        facts={**listing.facts, "patients": "blocks of consecutive slices"},
        notes=(*listing.notes, f"{len(set(blocks.values()))} blocks of consecutive slices stand for patients"),
    )


def likeness(files: Sequence[Path]) -> np.ndarray:
    """Return how alike each picture and the next are: Pearson's correlation, shape ``(n - 1,)``; 0 for an even grey.

    Raises:
        DatalistError: If a file cannot be read as a picture.
    """
    small = np.stack([_small(file) for file in files])
    small -= small.mean(axis=1, keepdims=True)
    norms = np.linalg.norm(small, axis=1)
    products = norms[:-1] * norms[1:]
    return (small[:-1] * small[1:]).sum(axis=1) / np.where(products > 0, products, 1)


def _small(file: Path) -> np.ndarray:
    try:
        with Image.open(file) as picture:
            picture.draft("L", (2 * _SIDE, 2 * _SIDE))
            grey = picture.convert("L").resize((_SIDE, _SIDE), Image.Resampling.BOX)
    except OSError as error:
        defect = "cannot be read as a picture, which blocks need; give a patient column or a patient regex instead"
        raise DatalistError(str(file), [defect]) from error
    return np.asarray(grey, dtype=np.float32).ravel()


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
