"""The numbers of a report as tables: of each label, their means, and those of exclusive classes together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lungscan_monai.evaluation.wording import NAMES, briefly, cell, in_words, table

_SHOWN_OF_MANY = ("roc_auc", "average_precision", "sensitivity", "specificity", "ppv", "npv", "f1", "brier", "ece")
_MEANS = {"macro": "Macro mean", "micro": "Micro", "weighted": "Mean weighted by positives"}


def results_in_tables(report: dict[str, Any]) -> str:
    """Return the numbers of a report with their intervals, as the tables that the page and model cards show."""
    labels, overall = report["labels"], report["overall"]
    if len(labels) == 1:
        return _metric_table(cell(labels[0]["label"]), labels[0]["metrics"]) + "\n\n" + _outcomes(labels)
    together = [_metric_table("All classes together", overall["classes"])] if overall["classes"] else []
    rows = [(cell(label["label"]), *(briefly(label["metrics"][name]) for name in _SHOWN_OF_MANY)) for label in labels]
    of_labels = table(("Label", *(NAMES[name] for name in _SHOWN_OF_MANY)), rows)
    parts = [*together, _mean_table(overall), of_labels, _reasons(labels), _outcomes(labels)]
    return "\n\n".join(part for part in parts if part)


def _metric_table(title: str, metrics: dict[str, Any]) -> str:
    return table((title, "Value (95 % interval)"), [(NAMES[name], in_words(metrics[name])) for name in metrics])


def _mean_table(overall: dict[str, Any]) -> str:
    rows = [(NAMES[name], *(briefly(overall[mean][name]) for mean in _MEANS)) for name in overall["macro"]]
    return table(("Over the labels", *_MEANS.values()), rows)


def _reasons(labels: Sequence[dict[str, Any]]) -> str:
    lines: dict[tuple[str, str], list[str]] = {}
    for label in labels:
        for name, entry in label["metrics"].items():
            if "not_computable" in entry:
                lines.setdefault((label["label"], entry["not_computable"]), []).append(NAMES[name])
    found = [f"- {cell(label)}: {', '.join(names)}, {cell(reason)}." for (label, reason), names in lines.items()]
    return "\n".join(["Not computable, and left out of the means:\n", *found]) if found else ""


def _outcomes(labels: Sequence[dict[str, Any]]) -> str:
    rows = [(cell(label["label"]), *(label["table"][name] for name in ("tp", "fn", "fp", "tn"))) for label in labels]
    return table(("Label", "Found", "Missed", "False alarms", "Rightly negative"), rows)
