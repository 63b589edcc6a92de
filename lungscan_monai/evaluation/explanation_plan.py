"""Which heatmaps an evaluation makes, and which of them are measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from lungscan_monai.errors import ConfigError
from lungscan_monai.saliency.cams import require_method

Pair = tuple[int, int]
"""Index of a case in the data set, and of the label that is explained."""

_Item = TypeVar("_Item")


@dataclass(frozen=True)
class ExplanationSettings:
    """What is explained, how, and how thoroughly the explanations are measured.

    Args:
        cases: Test cases whose decided label is explained: ``"all"``, or how many (spread evenly); ``"none"`` explains
            and measures nothing at all.
        method: A name in :data:`~lungscan_monai.saliency.cams.METHODS`.
        checks: Cases that the costly measures take: deletion and insertion, randomised weights; and findings of known
            place, unless all cases are explained. 0 measures nothing.
        errors: Entries in each list of the gallery of errors, which are explained, too.

    Raises:
        ConfigError: If a number is negative, or `cases` is something else.
        SaliencyError: If there is no such method.
    """

    cases: str | int = "all"
    method: str = "gradcam"
    checks: int = 32
    errors: int = 5

    def __post_init__(self) -> None:
        if self.cases not in ("all", "none") and not _is_count(self.cases):
            raise ConfigError(f"explain is {self.cases!r}, expected 'all', 'none' or a number of cases")
        for name, value in {"explanation_checks": self.checks, "errors_shown": self.errors}.items():
            if not _is_count(value):
                raise ConfigError(f"{name} is {value!r}, expected a number of cases, 0 for none")
        require_method(self.method)


@dataclass(frozen=True)
class ExplanationPlan:
    """Heatmaps by what they are for; one may serve several ends.

    Args:
        gallery: Shown in the gallery of errors.
        spread: Of cases spread evenly over the test section, with the label that each leads with.
        lesions: Of findings whose place is known.
        checked: Those of `spread` that the costly measures take.
    """

    gallery: tuple[Pair, ...]
    spread: tuple[Pair, ...]
    lesions: tuple[Pair, ...]
    checked: tuple[Pair, ...]

    @property
    def pairs(self) -> tuple[Pair, ...]:
        """All heatmaps, each once."""
        return tuple(dict.fromkeys([*self.gallery, *self.spread, *self.lesions]))


def planned(
    settings: ExplanationSettings, gallery: Sequence[Pair], leading: Sequence[Pair], lesions: Sequence[Pair]
) -> ExplanationPlan:
    """Choose heatmaps.

    Args:
        settings: How many of what.
        gallery: Those of the gallery of errors.
        leading: Each test case with the label that it leads with.
        lesions: Each finding of a test case whose place is known.
    """
    everything = settings.cases == "all"
    spread = list(leading) if everything else evenly(leading, settings.cases)
    if not settings.checks:
        return ExplanationPlan(tuple(gallery), tuple(spread), (), ())
    measured = list(lesions) if everything else evenly(lesions, settings.checks)
    return ExplanationPlan(tuple(gallery), tuple(spread), tuple(measured), tuple(evenly(spread, settings.checks)))


def evenly(items: Sequence[_Item], count: int) -> list[_Item]:
    """Return so many of the items at even distances, the first and the last among them; all if there are fewer."""
    if count >= len(items):
        return list(items)
    return [items[place] for place in np.linspace(0, len(items) - 1, count).round().astype(int)]


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
