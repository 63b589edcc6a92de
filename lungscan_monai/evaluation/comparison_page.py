"""A comparison as a page that people read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lungscan_monai.evaluation.wording import NAMES, cell, in_words, table


def render_comparison(comparison: dict[str, Any]) -> str:
    """Return the page of a comparison.

    Args:
        comparison: As :func:`lungscan_monai.evaluation.comparing.compare` returns it.
    """
    parts = [
        "# Comparison of two evaluations",
        "> Research use only. **Not for diagnosis**.",
        "\n".join(f"- {cell(warning)}" for warning in comparison["warnings"]),
        _compared(comparison),
        *(_of_label(label) for label in comparison["labels"]),
        _together(comparison["overall"]),
        _method(comparison),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _compared(comparison: dict[str, Any]) -> str:
    names = ("name", "task", "task_version", "model_sha256", "calibrated")
    rows = [(use, *(cell(comparison[use][name]) for name in names)) for use in ("first", "second")]
    counts = f"{comparison['cases']} test cases of {comparison['patients']} patients (or cases of unknown patient)."
    return f"{table(('', 'Folder', 'Task', 'Version', 'Model (SHA-256)', 'Calibrated'), rows)}\n\n{counts}"


def _of_label(label: dict[str, Any]) -> str:
    heading = f"## {cell(label['label'])}\n\n{label['positive']} positive, {label['negative']} negative cases."
    return "\n\n".join([heading, _differences(label["metrics"]), _tests(label)])


def _differences(metrics: dict[str, Any]) -> str:
    header = ("", "First", "Second", "Second minus first (95 % interval)")
    return table(header, _rows(metrics))


def _rows(metrics: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    for name, found in metrics.items():
        values = (f"{found[use]['value']:.3f}" if "value" in found[use] else "-" for use in ("first", "second"))
        yield NAMES[name], *values, in_words(found["difference"])


def _tests(found: dict[str, Any]) -> str:
    lines = []
    if "delong" in found:
        lines.append(f"- ROC AUC, DeLong's paired test: {in_words(found['delong'])}{_p(found['delong'])}")
    right = found["mcnemar"]
    counted = in_words(right) if "not_computable" in right else _only(right)
    lines.append(f"- Right answers, McNemar's exact test: {counted}{_p(right)}")
    return "\n".join(lines)


def _only(right: dict[str, Any]) -> str:
    return f"{right['only_first_right']} cases only by the first, {right['only_second_right']} only by the second"


def _p(entry: dict[str, Any]) -> str:
    if "p" not in entry:
        return ""
    text = f", p = {entry['p']:.3g}"
    corrected = entry.get("p_holm", entry["p"])
    return text if corrected == entry["p"] else f"{text} ({corrected:.3g} corrected for the number of labels, Holm)"


def _together(overall: dict[str, Any]) -> str:
    parts = []
    if overall["macro"]:
        parts.append("## Mean over the labels\n\n" + _differences(overall["macro"]))
    if overall["classes"]:
        classes = overall["classes"]
        parts.append(f"## All classes together\n\n{_differences(classes['metrics'])}\n\n{_tests(classes)}")
    return "\n\n".join(parts)


def _method(comparison: dict[str, Any]) -> str:
    intervals = comparison["intervals"]
    return (
        f"## How it was done\n\n- Intervals: {intervals['level']:.0%}, paired {intervals['method']} bootstrap, "
        f"{intervals['n_resamples']} resamples of patients, the same ones for both models, seed {intervals['seed']}; "
        "each model keeps its own thresholds.\n"
        "- DeLong's and McNemar's tests take cases as independent: where patients have several, trust the intervals.\n"
        "- An interval that holds 0 does not show that the models are equally good."
    )
