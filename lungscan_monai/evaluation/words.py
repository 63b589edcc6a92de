"""The words and numbers of a page in the language of its reader.

Every word that a page shows is an entry of a catalogue; both catalogues have the same keys. What the report itself says
in English (why a number is not computable, what an interval is) stands in the catalogues too, under ``said.``: the
English entry is the pattern by which the sentence is known again, the other one its translation.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

from lungscan_monai.errors import ConfigError
from lungscan_monai.evaluation.words_en import ENGLISH
from lungscan_monai.evaluation.words_id import INDONESIAN

LANGUAGES = ("en", "id")
"""Codes of the languages that pages are written in."""

_SAID = "said."
_PLACEHOLDER = re.compile(r"\{(\w+)\}")
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:e[-+]?\d+)?")
_MAX_PERCENT_DECIMALS = 2


class Words:
    """A catalogue and the way to write numbers.

    Args:
        language: Code of the language.
        catalogue: Texts by key, with placeholders as :meth:`str.format` has them.
        decimal: What stands before the decimals.
        thousands: What stands between groups of three digits.

    Example:
        >>> words_of("id").number(0.9123)
        '0,912'
    """

    def __init__(self, language: str, catalogue: Mapping[str, str], decimal: str, thousands: str) -> None:
        self.language = language
        self._catalogue = catalogue
        self._signs = str.maketrans({".": decimal, ",": thousands, "-": "\N{MINUS SIGN}"})

    def __call__(self, key: str, **values: object) -> str:
        """Return the text of a key with its placeholders filled.

        Raises:
            KeyError: If the catalogue has no such key.
        """
        return self._catalogue[key].format(**values)

    def name(self, group: str, name: object) -> str:
        """Return what a name of the report is called (``"metric"``, ``"roc_auc"``); the name itself if unknown."""
        return self._catalogue.get(f"{group}.{name}", str(name))

    def number(self, value: float, decimals: int = 3) -> str:
        """Return a number with fixed decimals."""
        return f"{round(value, decimals) + 0.0:,.{decimals}f}".translate(self._signs)

    def figures(self, value: float, digits: int = 4) -> str:
        """Return a number with so many significant digits at most."""
        return f"{value:.{digits}g}".translate(self._signs)

    def count(self, value: int) -> str:
        """Return a whole number."""
        return f"{value:,}".translate(self._signs)

    def percent(self, share: float, decimals: int = 1) -> str:
        """Return a share as percentage."""
        return f"{self.number(100 * share, decimals)}\N{NO-BREAK SPACE}%"

    def estimate(self, entry: Mapping[str, Any]) -> str:
        """Return a number with its interval, or the reason why there is none."""
        if "not_computable" in entry:
            return self("not_computable", reason=self.said(entry["not_computable"]))
        value = self.number(entry["value"])
        if entry["low"] is None:
            return self("no_interval", value=value, reason=self.said(entry["no_interval"]))
        return self("interval", value=value, low=self.number(entry["low"]), high=self.number(entry["high"]))

    def briefly(self, entry: Mapping[str, Any]) -> str:
        """Return a number with its interval for a table with many columns, without reasons."""
        if "not_computable" in entry:
            return self("not_computable_briefly")
        return self.number(entry["value"]) if entry["low"] is None else self.estimate(entry)

    def share(self, entry: Mapping[str, Any]) -> str:
        """Return a proportion as percentage with its interval, for sentences: ``93 % (89 to 96)``.

        It has as many decimals as it takes to keep apart from 0 and 100 % what is not 0 or 100 %.
        """
        values = [100 * entry[name] for name in ("value", "low", "high") if entry[name] is not None]
        decimals = next((n for n in range(_MAX_PERCENT_DECIMALS) if _told_apart(values, n)), _MAX_PERCENT_DECIMALS)
        value = self.percent(entry["value"], decimals)
        if entry["low"] is None:
            return value
        low, high = (self.number(100 * entry[name], decimals) for name in ("low", "high"))
        return self("interval", value=value, low=low, high=high)

    def listed(self, names: Sequence[object]) -> str:
        """Return names one after the other."""
        return ", ".join(map(str, names))

    def said(self, sentence: object) -> str:
        """Return a sentence of the report in this language; one that no catalogue knows stays as it is."""
        text = str(sentence)
        if _NUMBER.fullmatch(text):
            return text.translate(self._signs)
        for key, pattern in self._patterns.items():
            if found := pattern.fullmatch(text):
                return self(key, **{name: self.said(part) for name, part in found.groupdict().items()})
        return text

    @cached_property
    def _patterns(self) -> dict[str, re.Pattern[str]]:
        return {key: _pattern(text) for key, text in ENGLISH.items() if key.startswith(_SAID)}


def words_of(language: str, more: Mapping[str, str] | None = None) -> Words:
    """Return the words of a language.

    Args:
        language: One of :data:`LANGUAGES`.
        more: Texts of another page in that language, beside those of the reports.

    Raises:
        ConfigError: If it is none of :data:`LANGUAGES`.
    """
    if language == "en":
        return Words("en", {**ENGLISH, **(more or {})}, decimal=".", thousands=",")
    if language == "id":
        return Words("id", {**INDONESIAN, **(more or {})}, decimal=",", thousands=".")
    raise ConfigError(f"language is {language!r}, expected one of {', '.join(LANGUAGES)}")


def placeholders(text: str) -> set[str]:
    """Return the names of the placeholders of a text."""
    return set(_PLACEHOLDER.findall(text))


def _pattern(text: str) -> re.Pattern[str]:
    """Return the pattern of an English sentence; placeholders `n` and `n_...` hold numbers."""
    parts = _PLACEHOLDER.split(text)
    for index in range(1, len(parts), 2):
        held = _NUMBER.pattern if parts[index].split("_")[0] == "n" else ".+?"
        parts[index] = f"(?P<{parts[index]}>{held})"
    return re.compile("".join(part if index % 2 else re.escape(part) for index, part in enumerate(parts)), re.DOTALL)


def _told_apart(percentages: Sequence[float], decimals: int) -> bool:
    return all(round(value, decimals) not in (0, 100) or value in (0, 100) for value in percentages)
