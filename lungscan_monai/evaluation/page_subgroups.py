"""The groups of cases on the page: of each fact of the datalist one table."""

from __future__ import annotations

from typing import Any

from lungscan_monai.evaluation.page_charts import whisker
from lungscan_monai.evaluation.page_results import estimate_cell
from lungscan_monai.evaluation.words import Words
from lungscan_monai.pages import Cell, Html, element, paragraph, table

ROWS_AT_MOST = 300
"""Rows of one table; the report has all."""

_MEASURED = ("roc_auc", "sensitivity", "specificity")


def subgroups(report: dict[str, Any], words: Words) -> list[Html]:
    """Return the tables, and how they are read; nothing where there are no groups."""
    found = report.get("subgroups", [])
    if not found:
        return []
    parts = [part for fact in found for part in _fact(fact, words)]
    return [paragraph(words("subgroups.explained")), *parts]


def _fact(found: dict[str, Any], words: Words) -> list[Html]:
    name = words.name("fact", found["fact"])
    rows = [_row(group, label, words) for group in found["groups"] for label in group["labels"]]
    header = [
        words(f"subgroups.{column}") for column in ("group", "label", "cases", "patients", "positive", "negative")
    ]
    header += [words.name("metric", "roc_auc"), words("results.drawn")]
    header += [words.name("metric", measured) for measured in _MEASURED[1:]]
    shown = table(words("subgroups.caption", fact=name), header, rows[:ROWS_AT_MOST])
    more = len(rows) - ROWS_AT_MOST
    left_out = [paragraph(words("subgroups.left_out", n=words.count(more)), class_="fine")] if more > 0 else []
    return [element("h3", name), shown, *left_out]


def _row(group: dict[str, Any], label: dict[str, Any], words: Words) -> tuple[Any, ...]:
    counts = (group["cases"], group["patients"], label["positive"], label["negative"])
    auc = label["roc_auc"]
    drawn = whisker(auc["value"], auc["low"], auc["high"]) if "value" in auc else ""
    first, *rest = (estimate_cell(label[name], words) for name in _MEASURED)
    cells = (Cell(words.count(count), count) for count in counts)
    return words.said(group["value"]), label["label"], *cells, first, drawn, *rest
