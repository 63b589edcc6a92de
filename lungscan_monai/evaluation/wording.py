"""Words and tables of a report's page: names of numbers, estimates in words, cells that break nothing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

NAMES = {
    "roc_auc": "ROC AUC",
    "average_precision": "Average precision",
    "sensitivity": "Sensitivity",
    "specificity": "Specificity",
    "ppv": "Positive predictive value",
    "npv": "Negative predictive value",
    "f1": "F1",
    "accuracy": "Accuracy",
    "balanced_accuracy": "Balanced accuracy",
    "mcc": "Matthews correlation",
    "kappa": "Cohen's kappa",
    "brier": "Brier score",
    "ece": "Expected calibration error",
    "ece_top_class": "Expected calibration error (top class)",
}
"""What the numbers are called on a page."""


def in_words(entry: dict[str, Any]) -> str:
    """Return an estimate as ``0.912 (0.880 to 0.941)``, or the reason why there is none."""
    if "not_computable" in entry:
        return f"not computable {cell(entry['not_computable'])}"
    if entry["low"] is None:
        return f"{entry['value']:.3f} (no interval {cell(entry['no_interval'])})"
    return f"{entry['value']:.3f} ({entry['low']:.3f} to {entry['high']:.3f})"


def briefly(entry: dict[str, Any]) -> str:
    """Return an estimate for a table with many columns, without reasons."""
    if "not_computable" in entry:
        return "not computable"
    return f"{entry['value']:.3f}" if entry["low"] is None else in_words(entry)


def cell(text: object) -> str:
    """Keep a text from breaking a table or from being read as HTML."""
    escaped = str(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return " ".join(escaped.replace("|", "\\|").split())


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a Markdown table."""
    lines = [f"| {' | '.join(header)} |", f"|{'---|' * len(header)}"]
    return "\n".join([*lines, *(f"| {' | '.join(map(str, row))} |" for row in rows)])
