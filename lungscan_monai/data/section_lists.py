"""Lists of file names, one a line, that say which section an image belongs to, as ChestX-ray14 has them."""

from __future__ import annotations

import gzip
import os
import zlib
from collections.abc import Mapping
from pathlib import Path

from lungscan_monai.data.files import without_suffix
from lungscan_monai.errors import DatalistError

OFFICIAL_LISTS = {"training": "train_val_list.txt", "test": "test_list.txt"}
"""Section -> the list's name in ChestX-ray14, which leaves the choice of a validation section to its user."""


def beside(folder: str | os.PathLike) -> dict[str, Path]:
    """Return section -> list file for the official lists in a folder (``.gz`` too), nothing if not all are there."""
    found = {}
    for section, name in OFFICIAL_LISTS.items():
        for file in (Path(folder, f"{name}.gz"), Path(folder, name)):
            if file.is_file():
                found[section] = file
    return found if len(found) == len(OFFICIAL_LISTS) else {}


def official_lists_in(folder: str | os.PathLike) -> dict[str, Path]:
    """Return section -> list file for the official lists in a folder.

    Raises:
        DatalistError: If they are not there.
    """
    found = beside(folder)
    if not found:
        names = " and ".join(OFFICIAL_LISTS.values())
        raise DatalistError(str(folder), [f"expected the official lists {names} (or .gz) in this folder"])
    return found


def read_section_lists(files: Mapping[str, Path]) -> dict[str, str]:
    """Return section by image name; names have no folder and no suffix, as images are often converted.

    Args:
        files: Section -> the list, one file name a line; ``.gz`` too.

    Raises:
        DatalistError: If a list cannot be read or is empty, or two lists name the same image.
    """
    sections: dict[str, str] = {}
    for section, file in files.items():
        names = {without_suffix(line.strip()) for line in _lines(file)} - {""}
        if not names:
            raise DatalistError(str(file), ["the list is empty, expected one file name a line"])
        if both := sorted(name for name in names if name in sections):
            where = files[sections[both[0]]].name
            raise DatalistError(str(file), [f"{len(both)} image(s) are in {where}, too, for instance {both[0]}"])
        sections |= dict.fromkeys(names, section)
    return sections


def _lines(file: Path) -> list[str]:
    try:
        with gzip.open(file) if file.suffix == ".gz" else file.open("rb") as stream:
            return stream.read().decode("utf-8-sig").splitlines()
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise DatalistError(str(file), [f"cannot be read as a list of names ({error})"]) from error
