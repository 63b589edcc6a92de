"""Which items of CLAIM 2024 and TRIPOD+AI a report answers, where, and which it cannot answer.

Sources: Tejani et al., Radiol. Artif. Intell. 2024; 6(4): e240300 (CLAIM, 44 items). Collins et al., BMJ 2024; 385:
e078378 (TRIPOD+AI, 27 items). The words are ours.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from lungscan_monai.evaluation.error_gallery import KINDS
from lungscan_monai.evaluation.words import Words
from lungscan_monai.pages import Html, element, paragraph, table

_HERE, _PARTLY, _ELSEWHERE, _NOT = "here", "partly", "elsewhere", "not"


@dataclass(frozen=True)
class Item:
    """Some items of a checklist that one sentence answers.

    Args:
        numbers: As the checklist counts them, ``"5-6"`` for several.
        status: ``"here"``, ``"partly"``, ``"elsewhere"`` or ``"not"``, if the report has what it rests on.
        place: The section of the page, or the entry ``place.`` of the catalogue, where the answer is.
    """

    numbers: str
    status: str
    place: str


CLAIM = (
    Item("1-4", _NOT, "authors"),
    Item("5-6", _NOT, "authors"),
    Item("7-8", _ELSEWHERE, "data"),
    Item("9-10", _ELSEWHERE, "configs"),
    Item("11", _NOT, "authors"),
    Item("12", _PARTLY, "evaluated"),
    Item("13", _ELSEWHERE, "data_report"),
    Item("14-18", _NOT, "authors"),
    Item("19-20", _PARTLY, "evaluated"),
    Item("21", _PARTLY, "evaluated"),
    Item("22", _PARTLY, "model"),
    Item("23", _HERE, "evaluated"),
    Item("24-27", _ELSEWHERE, "configs"),
    Item("28", _HERE, "results"),
    Item("29", _HERE, "method"),
    Item("30", _PARTLY, "subgroups"),
    Item("31", _HERE, "explanations"),
    Item("32", _HERE, "results"),
    Item("33", _NOT, "authors"),
    Item("34", _NOT, "authors"),
    Item("35", _PARTLY, "evaluated"),
    Item("36", _PARTLY, "subgroups"),
    Item("37-38", _HERE, "results"),
    Item("39", _HERE, "errors"),
    Item("40", _PARTLY, "limits"),
    Item("41", _NOT, "authors"),
    Item("42-44", _NOT, "authors"),
)
"""The items of CLAIM 2024."""

TRIPOD = (
    Item("1-4", _NOT, "authors"),
    Item("5-6", _ELSEWHERE, "data"),
    Item("7", _ELSEWHERE, "configs"),
    Item("8", _NOT, "authors"),
    Item("9", _ELSEWHERE, "configs"),
    Item("10", _PARTLY, "evaluated"),
    Item("11", _PARTLY, "evaluated"),
    Item("12a", _HERE, "evaluated"),
    Item("12b-c", _ELSEWHERE, "configs"),
    Item("12d", _PARTLY, "subgroups"),
    Item("12e", _HERE, "method"),
    Item("12f", _HERE, "calibration"),
    Item("12g", _PARTLY, "evaluated"),
    Item("13", _ELSEWHERE, "configs"),
    Item("14", _PARTLY, "subgroups"),
    Item("15", _HERE, "thresholds"),
    Item("16", _PARTLY, "inputs"),
    Item("17-19", _NOT, "authors"),
    Item("20", _PARTLY, "evaluated"),
    Item("21", _PARTLY, "evaluated"),
    Item("22", _ELSEWHERE, "configs"),
    Item("23a", _HERE, "results"),
    Item("23b", _PARTLY, "subgroups"),
    Item("24", _HERE, "calibration"),
    Item("25", _NOT, "authors"),
    Item("26", _PARTLY, "limits"),
    Item("27", _PARTLY, "inputs"),
)
"""The items of TRIPOD+AI."""


def _computable(report: dict[str, Any], name: str) -> bool:
    return "not_computable" not in (report.get(name) or {"not_computable": ""})


_RESTS_ON: Mapping[str, Callable[[dict[str, Any]], bool]] = {
    "model": lambda report: bool(report.get("model")),
    "subgroups": lambda report: bool(report.get("subgroups")),
    "explanations": lambda report: bool(report.get("explanations")),
    "errors": lambda report: any(label.get(kind) for label in report.get("error_gallery") or () for kind in KINDS),
    "inputs": lambda report: _computable(report, "input_check"),
    "calibration": lambda report: bool(report["calibration"].get("applied")),
}


def checklist(report: dict[str, Any], words: Words, headings: Mapping[str, str]) -> list[Html]:
    """Return both checklists as tables.

    Args:
        report: The report.
        words: Of the page.
        headings: Headings of the page's sections, by their identifier.
    """
    parts = [paragraph(words("checklist.explained"))]
    for name, items in (("claim", CLAIM), ("tripod", TRIPOD)):
        rows = [_row(name, item, report, words, headings) for item in items]
        header = [words(f"checklist.{column}") for column in ("items", "asks", "status", "where")]
        parts += [
            element("h3", words(f"{name}.heading")),
            element("p", words(f"{name}.source"), class_="fine", style="break-after:avoid"),
        ]
        parts.append(table(words(f"{name}.caption"), header, rows))
    return parts


def _row(name: str, item: Item, report: dict[str, Any], words: Words, headings: Mapping[str, str]) -> tuple[Any, ...]:
    numbers, asks = item.numbers.replace("-", "\N{EN DASH}"), words(f"{name}.{item.numbers}")
    rests_on = _RESTS_ON.get(item.place)
    if rests_on is not None and not rests_on(report):
        return numbers, asks, words("status.not"), words(f"missing.{item.place}")
    if item.place in headings:
        where = element("a", headings[item.place], href=f"#{item.place}")
    else:
        where = words(f"place.{item.place}")
    return numbers, asks, words(f"status.{item.status}"), where
