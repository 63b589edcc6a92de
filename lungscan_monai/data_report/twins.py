"""Pictures that are in a data set twice: identical ones, and near duplicates."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np

from lungscan_monai.data.datalist import SECTIONS, Case
from lungscan_monai.data_report.fingerprints import BITS, NEAR, near_pairs
from lungscan_monai.data_report.looking import Look

LISTED = 1000
"""At most so many sets and pairs are named; all are counted."""


def find_twins(
    cases: Sequence[Case], sections: Sequence[str], looks: Sequence[Look]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Look for identical pictures and for near duplicates.

    Blank pictures are alike without being copies, so they are left out.

    Args:
        cases: The cases whose picture could be read.
        sections: Section of each.
        looks: Look at each.

    Returns:
        Two objects of JSON values, ``identical`` and ``near``: counts, for each section how many of its pictures have a
        twin in each section, and the first of the sets or pairs by name.
    """
    kept = [index for index, look in enumerate(looks) if not look.blank]
    cases, looks = [cases[index] for index in kept], [looks[index] for index in kept]
    places = np.array([SECTIONS.index(sections[index]) for index in kept], dtype=np.int64)
    contents = _numbered([look.digest for look in looks])
    labels = _numbered([case.label for case in cases])
    return (
        _identical(cases, places, contents, labels),
        _near(cases, looks, places, contents, labels),
    )


def _numbered(values: Sequence[Any]) -> np.ndarray:
    """Return numbers that are equal where the values are."""
    numbers: dict[Any, int] = {}
    return np.array([numbers.setdefault(value, len(numbers)) for value in values], dtype=np.int64)


def _identical(cases: Sequence[Case], places: np.ndarray, contents: np.ndarray, labels: np.ndarray) -> dict[str, Any]:
    members: dict[int, list[int]] = defaultdict(list)
    for index, content in enumerate(contents):
        members[int(content)].append(index)
    sets = [found for found in members.values() if len(found) > 1]
    touched = np.zeros((len(cases), len(SECTIONS)), dtype=bool)
    for found in sets:
        here = np.bincount(places[found], minlength=len(SECTIONS))
        touched[found] = here - np.eye(len(SECTIONS), dtype=np.int64)[places[found]] > 0
    across = [len(set(places[found])) > 1 for found in sets]
    contradictory = [len(set(labels[found])) > 1 for found in sets]
    order = sorted(range(len(sets)), key=lambda k: (not across[k], not contradictory[k]))
    return {
        "sets": len(sets),
        "images": sum(map(len, sets)),
        "across_sections": sum(across),
        "different_labels": sum(contradictory),
        "images_with_twin_in": _matrix(places, touched),
        "listed": [[_named(cases[i], places[i]) for i in sets[k]] for k in order[:LISTED]],
    }


def _near(
    cases: Sequence[Case], looks: Sequence[Look], places: np.ndarray, contents: np.ndarray, labels: np.ndarray
) -> dict[str, Any]:
    prints = np.array([look.fingerprint for look in looks], dtype=bool).reshape(len(looks), BITS)
    found = near_pairs(prints, contents, places, labels, n_sections=len(SECTIONS), at_most=LISTED)
    return {
        "bits": BITS,
        "at_most_bits_apart": NEAR,
        "pairs": found.count,
        "images": int(found.touched.any(axis=1).sum()),
        "across_sections": found.across,
        "different_labels": found.different_label,
        "images_with_twin_in": _matrix(places, found.touched),
        "listed": [
            {
                "images": [_named(cases[i], places[i]), _named(cases[j], places[j])],
                "bits_apart": distance,
                "same_patient": _same_patient(cases[i], cases[j]),
            }
            for i, j, distance in found.first
        ],
    }


def _matrix(places: np.ndarray, touched: np.ndarray) -> dict[str, dict[str, int]]:
    """For each section: how many of its pictures have a twin in each section."""
    return {
        section: {other: int(touched[places == row, column].sum()) for column, other in enumerate(SECTIONS)}
        for row, section in enumerate(SECTIONS)
    }


def _named(case: Case, place: int) -> dict[str, Any]:
    label = case.label if isinstance(case.label, int) else list(case.label)
    return {"case": case.id, "section": SECTIONS[place], "label": label}


def _same_patient(one: Case, other: Case) -> bool | None:
    return None if one.patient is None or other.patient is None else one.patient == other.patient
