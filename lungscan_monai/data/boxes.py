"""Boxes that readers drew around findings, as ChestX-ray14 has them for 984 findings: facts of the cases.

A fact ``"boxes"`` is a list of ``{"label": .., "box": [left, top, width, height]}``, in shares of the image's width and
height, so that it holds for a smaller copy of the image, too.
"""

from __future__ import annotations

import csv
import dataclasses
import gzip
import io
import os
import zlib
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from lungscan_monai.data.datalist import Case
from lungscan_monai.data.files import without_suffix
from lungscan_monai.data.label_names import LabelNames
from lungscan_monai.data.listing import Listing
from lungscan_monai.errors import DatalistError

BOXES = "boxes"
"""Name of the fact."""

OFFICIAL_BOXES = "BBox_List_2017.csv"
"""The file of ChestX-ray14."""

ORIGINAL_SIDE = 1024
"""Rows and columns of the images that the boxes of ChestX-ray14 were drawn on."""

_FIRST_COLUMNS = 6


def boxes_beside(folder: str | os.PathLike) -> Path | None:
    """Return the official file of boxes in a folder (``.gz`` too), None if it is not there."""
    found = [Path(folder, name) for name in (OFFICIAL_BOXES, f"{OFFICIAL_BOXES}.gz") if Path(folder, name).is_file()]
    return found[0] if found else None


def read_boxes(path: str | os.PathLike) -> dict[str, list[dict[str, Any]]]:
    """Read boxes in the form of ChestX-ray14: image, finding, then x, y, width and height in pixels of 1024 x 1024.

    Returns:
        The boxes of each image, by its name without folder and suffix; findings as they are spelt there.

    Raises:
        DatalistError: If the file cannot be read, or a line is no box within the image.
    """
    path = Path(path)
    boxes: dict[str, list[dict[str, Any]]] = defaultdict(list)
    defects = []
    for line, cells in enumerate(_lines(path), 2):
        try:
            image, finding, *numbers = cells[:_FIRST_COLUMNS]
            boxes[without_suffix(image)].append({"label": finding, "box": _in_shares(numbers)})
        except ValueError as error:
            defects.append(f"line {line}: {error}")
    if defects:
        raise DatalistError(str(path), defects[:20])
    if not boxes:
        raise DatalistError(str(path), ["there is no line with a box below the header"])
    return dict(boxes)


def with_boxes(listing: Listing, path: str | os.PathLike, required: bool = True) -> Listing:
    """Add to each case the boxes of its image, for the labels that the listing knows.

    Args:
        listing: Cases whose images are called as in the file, whatever their folder and suffix.
        path: The file of boxes.
        required: Whether it is an error if no case has a box in it.

    Raises:
        DatalistError: If the file cannot be read or is wrong, or no case has a box in it though one must.
    """
    boxes, names = read_boxes(path), LabelNames(listing.labels)

    def named(case: Case) -> Case:
        found = [
            {"label": names.names[index], "box": box["box"]}
            for box in boxes.get(without_suffix(case.image), ())
            if (index := names.index(box["label"])) is not None
        ]
        return dataclasses.replace(case, facts={**case.facts, BOXES: found}) if found else case

    unsplit = tuple(map(named, listing.unsplit))
    given = {section: tuple(map(named, cases)) for section, cases in listing.given.items()}
    boxed = [case for cases in (unsplit, *given.values()) for case in cases if BOXES in case.facts]
    if not boxed and not required:
        return listing
    if not boxed:
        raise DatalistError(str(path), [f"none of its {len(boxes)} images is a case with one of these labels"])
    count = sum(len(case.facts[BOXES]) for case in boxed)
    note = f"{count} box(es) around findings of {len(boxed)} image(s) are from {Path(path).name}"
    return dataclasses.replace(listing, unsplit=unsplit, given=given, notes=(*listing.notes, note))


def box_mask(boxes: Iterable[Mapping[str, Any]], shape: tuple[int, int]) -> np.ndarray:
    """Return the pixels that some boxes cover, at least in part: boolean, shape ``(H, W)``.

    Args:
        boxes: As in the fact.
        shape: ``(H, W)`` of the image.

    Example:
        >>> box_mask([{"label": "Mass", "box": [0.5, 0.0, 0.5, 0.5]}], (2, 4)).astype(int)
        array([[0, 0, 1, 1],
               [0, 0, 0, 0]])
    """
    mask = np.zeros(shape, dtype=bool)
    height, width = shape
    for box in boxes:
        left, top, across, down = box["box"]
        rows = slice(int(np.floor(top * height)), int(np.ceil((top + down) * height - 1e-6)))
        columns = slice(int(np.floor(left * width)), int(np.ceil((left + across) * width - 1e-6)))
        mask[rows, columns] = True
    return mask


def _in_shares(numbers: list[str]) -> list[float]:
    if len(numbers) != 4:
        raise ValueError(f"{len(numbers)} numbers after image and finding, expected x, y, width and height")
    left, top, width, height = (float(number) / ORIGINAL_SIDE for number in numbers)
    right, bottom = min(left + width, 1.0), min(top + height, 1.0)
    if not (0 <= left < right and 0 <= top < bottom):
        raise ValueError(f"{', '.join(numbers)} is no box within {ORIGINAL_SIDE} x {ORIGINAL_SIDE} pixels")
    return [round(value, 6) for value in (left, top, right - left, bottom - top)]


def _lines(path: Path) -> list[list[str]]:
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as stream:
            text = stream.read().decode("utf-8-sig")
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise DatalistError(str(path), [f"cannot be read as a table of boxes ({error})"]) from error
    rows = [row for row in csv.reader(io.StringIO(text, newline="")) if any(row)]
    return rows[1:]
