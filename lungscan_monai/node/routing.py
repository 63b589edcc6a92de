"""Which image goes to which bundles: rules that are tried in order, the first that fits an image counts."""

from __future__ import annotations

import fnmatch
import os
import re
import struct
from collections.abc import Sequence
from dataclasses import dataclass, fields

from pydicom import dcmread

from lungscan_monai.errors import ConfigError

REGULAR = "re:"
"""A pattern that begins so is a regular expression; all others are names with the wildcards ``*``, ``?`` and ``[]``."""

_UNUSABLE = (AttributeError, EOFError, LookupError, OSError, TypeError, ValueError, OverflowError, struct.error)
"""What pydicom raises for a header that is not what it should be; it was let in by the gate, so this is rare."""


@dataclass(frozen=True)
class RoutingFacts:
    """What rules look at; a text is empty where the header has none.

    Args:
        modality: `Modality`.
        body_part: `BodyPartExamined`.
        view: `ViewPosition`.
        study_description: `StudyDescription`.
        series_description: `SeriesDescription`.
    """

    modality: str = ""
    body_part: str = ""
    view: str = ""
    study_description: str = ""
    series_description: str = ""


@dataclass(frozen=True)
class Rule:
    """One rule. A pattern that is None fits everything; several patterns of one fact are alternatives.

    Args:
        bundles: Folders or names of the bundles that answer for what fits.
        modality: Patterns for the modality.
        body_part: Patterns for the body part examined.
        view: Patterns for the view position.
        study_description: Patterns for the description of the study.
        series_description: Patterns for the description of the series.

    Raises:
        ConfigError: If no bundle is named, or a pattern is no regular expression.
    """

    bundles: tuple[str, ...]
    modality: tuple[str, ...] | None = None
    body_part: tuple[str, ...] | None = None
    view: tuple[str, ...] | None = None
    study_description: tuple[str, ...] | None = None
    series_description: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        if not self.bundles:
            raise ConfigError("bundles: is empty; name at least one")
        for name in FACTS:
            for pattern in getattr(self, name) or ():
                _compiled(name, pattern)

    def fits(self, facts: RoutingFacts) -> bool:
        """Tell whether an image is what this rule is for; letters large and small are the same."""
        return all(self._fits(name, getattr(facts, name)) for name in FACTS)

    def _fits(self, name: str, value: str) -> bool:
        patterns = getattr(self, name)
        return patterns is None or any(_compiled(name, pattern).search(value) for pattern in patterns)


FACTS = tuple(one.name for one in fields(RoutingFacts))
"""What rules may look at."""


@dataclass(frozen=True)
class Route:
    """Where one image goes.

    Args:
        bundles: The bundles that answer for it; none if no rule fits.
        reason: Why it goes nowhere; None if it goes somewhere.
    """

    bundles: tuple[str, ...]
    reason: str | None = None


def route(rules: Sequence[Rule], facts: RoutingFacts) -> Route:
    """Return where an image goes.

    Args:
        rules: In the order of the settings.
        facts: What its header says.

    Example:
        >>> route([Rule(("chest",), modality=("DX", "CR"))], RoutingFacts(modality="CT")).reason
        "no rule fits: Modality 'CT', BodyPartExamined '', ViewPosition ''"
    """
    for rule in rules:
        if rule.fits(facts):
            return Route(rule.bundles)
    # descriptions are free text, in which people write names: they stay in the file
    shown = {"Modality": facts.modality, "BodyPartExamined": facts.body_part, "ViewPosition": facts.view}
    return Route((), "no rule fits: " + ", ".join(f"{name} {value!r}" for name, value in shown.items()))


def facts_of(path: str | os.PathLike) -> RoutingFacts:
    """Return what the header of a received file says; what cannot be read is empty.

    Args:
        path: A DICOM file that the gate let in.
    """
    try:
        dataset = dcmread(path, stop_before_pixels=True, force=True, specific_tags=list(_KEYWORDS.values()))
        return RoutingFacts(**{name: _text(dataset.get(keyword)) for name, keyword in _KEYWORDS.items()})
    except _UNUSABLE:
        return RoutingFacts()


_KEYWORDS = {
    "modality": "Modality",
    "body_part": "BodyPartExamined",
    "view": "ViewPosition",
    "study_description": "StudyDescription",
    "series_description": "SeriesDescription",
}


def _text(value: object) -> str:
    return "" if value is None else str(value).strip()


def _compiled(name: str, pattern: str) -> re.Pattern:
    """Return a pattern ready to search with; Python remembers those compiled before."""
    if not pattern.startswith(REGULAR):
        return re.compile(rf"\A{fnmatch.translate(pattern)}", re.IGNORECASE)
    try:
        return re.compile(pattern.removeprefix(REGULAR), re.IGNORECASE)
    except re.error as error:
        raise ConfigError(f"{name}: {pattern!r} is no regular expression ({error})") from error
