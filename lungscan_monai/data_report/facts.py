"""What is known of the cases besides their labels, as a few values that can be counted."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from lungscan_monai.data.datalist import Case
from lungscan_monai.data_report.looking import Look
from lungscan_monai.errors import ReadError

MOST_VALUES = 12
"""A fact of more values keeps its commonest; one that is not known by name is left out, for it may be an identifier."""

UNKNOWN, OTHER = "not known", "other"

_NAMED = ("sex", "age", "view", "source")
_NOT_COUNTED = ("mask", "boxes")
_AGE = re.compile(r"0*(\d+)(?:\.\d*)?\s*([YMWD]?)", re.IGNORECASE)
_AGES = tuple(f"{decade}\N{EN DASH}{decade + 9}" for decade in range(0, 90, 10)) + ("90 or more", "over 120")
_ASPECTS = ((0.8, "tall (below 0.80)"), (0.95, "0.80\N{EN DASH}0.95"), (1.05, "square (0.95\N{EN DASH}1.05)"))
_WIDE_ASPECTS = ((1.25, "1.05\N{EN DASH}1.25"), (1.5, "1.25\N{EN DASH}1.50"), (float("inf"), "wide (1.50 or more)"))


@dataclass(frozen=True)
class Fact:
    """One fact of all cases.

    Args:
        name: What it is called.
        of_image: Whether it was read off the images; else the datalist says it.
        order: Its values, as a table lists them.
        values: Value of each case, one of `order`.
    """

    name: str
    of_image: bool
    order: tuple[str, ...]
    values: tuple[str, ...]


def given_facts(cases: Sequence[Case]) -> tuple[list[Fact], list[str]]:
    """Return the facts of a datalist, and the names of those with too many values to be counted.

    Sex, age (in decades), view and source come first. Whatever else there is, is counted if its values are few.
    """
    names = dict.fromkeys((*_NAMED, *(name for case in cases for name in case.facts if name not in _NOT_COUNTED)))
    facts, left_out = [], []
    for name in names:
        values = [case.facts.get(name) for case in cases]
        if all(_is_absent(value) for value in values):
            continue
        if name == "age":
            facts.append(_ordered(name, [age_band(value) for value in values], (*_AGES, UNKNOWN)))
            continue
        texts = [UNKNOWN if _is_absent(value) else str(value) for value in values]
        if name not in _NAMED and (len(set(texts)) > MOST_VALUES or not all(map(_is_plain, values))):
            left_out.append(name)
        else:
            facts.append(_commonest(name, texts, of_image=False))
    return facts, left_out


def image_facts(looks: Sequence[Look | ReadError]) -> list[Fact]:
    """Return what the files themselves have: format, depth, colour, size, aspect ratio."""
    read = [None if isinstance(look, ReadError) else look for look in looks]
    columns = {
        "file format": [look and look.format for look in read],
        "bit depth": [look and look.bits and f"{look.bits} bits" for look in read],
        "colour": [look and look.colour for look in read],
        "image size": [look and f"{look.width} \N{MULTIPLICATION SIGN} {look.height}" for look in read],
    }
    facts = [_commonest(name, [value or UNKNOWN for value in values]) for name, values in columns.items()]
    bands = [aspect_band(look.width / look.height) if look else UNKNOWN for look in read]
    order = tuple(name for _, name in (*_ASPECTS, *_WIDE_ASPECTS))
    return [*facts, _ordered("aspect ratio", bands, (*order, UNKNOWN), of_image=True)]


def age_band(value: Any) -> str:
    """Return the decade of an age in years, or in DICOM's form (``"061Y"``, ``"018M"``).

    Example:
        >>> age_band("018M")
        '0–9'
    """
    match = _AGE.fullmatch(str(value).strip())
    if _is_absent(value) or match is None:
        return UNKNOWN
    years = int(match[1]) // {"": 1, "Y": 1, "M": 12, "W": 52, "D": 365}[match[2].upper()]
    return _AGES[min(years // 10, 9)] if years <= 120 else _AGES[-1]


def aspect_band(ratio: float) -> str:
    """Return the band of width / height."""
    return next(name for bound, name in (*_ASPECTS, *_WIDE_ASPECTS) if ratio < bound)


def _is_absent(value: Any) -> bool:
    return value is None or value == ""


def _is_plain(value: Any) -> bool:
    return value is None or isinstance(value, (str, int, float, bool))


def _ordered(name: str, values: Sequence[str], order: Sequence[str], *, of_image: bool = False) -> Fact:
    present = set(values)
    return Fact(name, of_image, tuple(value for value in order if value in present), tuple(values))


def _commonest(name: str, values: Sequence[str], *, of_image: bool = True) -> Fact:
    """Keep the commonest values, the unknown ones last; the rest becomes one value."""
    counts = Counter(value for value in values if value != UNKNOWN)
    ranked = sorted(counts, key=lambda value: (-counts[value], value))
    kept = ranked if len(ranked) <= MOST_VALUES else ranked[: MOST_VALUES - 1]
    values = [value if value in kept or value == UNKNOWN else OTHER for value in values]
    return _ordered(name, values, tuple(dict.fromkeys((*kept, OTHER, UNKNOWN))), of_image=of_image)
