"""The report as a page that people read: tables with intervals, in plain words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

_NAMES = {
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
    "brier": "Brier score",
    "ece": "Expected calibration error",
    "ece_top_class": "Expected calibration error (top class)",
}
_FIGURES = {
    "roc.png": "ROC curve with its pointwise 95 % band; the dot is the operating point.",
    "precision_recall.png": "Precision against recall; the dashed line is what chance gives.",
    "reliability.png": "Reliability: the share of positives observed among cases of like probability, with Wilson's "
    "95 % intervals; on the dashed line the probabilities mean what they say.",
    "scores.png": "How the probabilities of positive and negative cases are spread.",
    "confusion_matrix.png": "Confusion matrix: cases, and their share of the row.",
}
_SHOWN_OF_MANY = ("roc_auc", "average_precision", "sensitivity", "specificity", "f1", "brier", "ece")
_RULES = {
    "youden": "highest sensitivity + specificity (Youden)",
    "target_sensitivity": "sensitivity of at least {target:.3g}",
    "target_specificity": "specificity of at least {target:.3g}",
    "default": "none, the default",
}


def render_markdown(report: dict[str, Any], figures: Iterable[str] = ()) -> str:
    """Return the page of a report.

    Args:
        report: As :func:`lungscan_monai.evaluation.report.build_report` returns it.
        figures: File names of the figures, which lie in the folder `figures` beside the page.
    """
    parts = [
        "# Evaluation report",
        "> Research use only. **Not for diagnosis**: these numbers describe one model on the data named here, and no "
        "clinical decision may rest on them.",
        _warnings(report["warnings"]),
        "## What was evaluated\n\n" + _evaluated(report),
        "## Results\n\n" + results_in_tables(report),
        "## Operating points\n\n" + _operating_points(report),
        _figures(figures),
        _explanations(report),
        "## How the numbers were made\n\n" + _method(report),
        "## Facts\n\n" + _facts(report["facts"]),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def in_words(entry: dict[str, Any]) -> str:
    """Return an estimate as ``0.912 (0.880 to 0.941)``, or the reason why there is none."""
    if "not_computable" in entry:
        return f"not computable {_cell(entry['not_computable'])}"
    if entry["low"] is None:
        return f"{entry['value']:.3f} (no interval {_cell(entry['no_interval'])})"
    return f"{entry['value']:.3f} ({entry['low']:.3f} to {entry['high']:.3f})"


def _briefly(entry: dict[str, Any]) -> str:
    if "not_computable" in entry:
        return "not computable"
    return f"{entry['value']:.3f}" if entry["low"] is None else in_words(entry)


def _cell(text: object) -> str:
    """Keep a text from breaking a table or from being read as HTML."""
    escaped = str(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return " ".join(escaped.replace("|", "\\|").split())


def _table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [f"| {' | '.join(header)} |", f"|{'---|' * len(header)}"]
    return "\n".join([*lines, *(f"| {' | '.join(map(str, row))} |" for row in rows)])


def _warnings(warnings: Sequence[str]) -> str:
    if not warnings:
        return ""
    return "## Please note\n\n" + "\n".join(f"- {_cell(warning)}" for warning in warnings)


def _evaluated(report: dict[str, Any]) -> str:
    rows = []
    for use, section in report["sections"].items():
        what = "thresholds chosen in" if use == "threshold" else "measured in"
        unknown = section["cases_of_unknown_patient"]
        rows.append((what, _cell(section["name"]), section["cases"], section["known_patients"], unknown))
    sections = _table(("", "Section", "Cases", "Known patients", "Cases of unknown patient"), rows)
    counted = [
        (_cell(label["label"]), label["cases"], label["patients"], label["positive"], label["negative"], _share(label))
        for label in report["labels"]
    ]
    labels = _table(("Label", "Cases assessed", "Patients", "Positive", "Negative", "Prevalence"), counted)
    return f"{sections}\n\n{labels}"


def _share(label: dict[str, Any]) -> str:
    return "none assessed" if label["prevalence"] is None else f"{label['prevalence']:.1%}"


def results_in_tables(report: dict[str, Any]) -> str:
    """Return the numbers of a report with their intervals, as the tables that the page and model cards show."""
    labels, overall = report["labels"], report["overall"]
    if len(labels) == 1:
        return _metric_table(_cell(labels[0]["label"]), labels[0]["metrics"]) + "\n\n" + _outcomes(labels)
    together = {name: entry for name, entry in overall.items() if name != "macro"}
    parts = [_metric_table("Mean over the labels", overall["macro"])]
    if together:
        parts.insert(0, _metric_table("All classes together", together))
    rows = [(_cell(label["label"]), *(_briefly(label["metrics"][name]) for name in _SHOWN_OF_MANY)) for label in labels]
    parts.append(_table(("Label", *(_NAMES[name] for name in _SHOWN_OF_MANY)), rows))
    parts.append(_reasons(labels))
    parts.append(_outcomes(labels))
    return "\n\n".join(part for part in parts if part)


def _metric_table(title: str, metrics: dict[str, Any]) -> str:
    return _table((title, "Value (95 % interval)"), [(_NAMES[name], in_words(metrics[name])) for name in metrics])


def _reasons(labels: Sequence[dict[str, Any]]) -> str:
    lines: dict[tuple[str, str], list[str]] = {}
    for label in labels:
        for name, entry in label["metrics"].items():
            if "not_computable" in entry:
                lines.setdefault((label["label"], entry["not_computable"]), []).append(_NAMES[name])
    found = [f"- {_cell(label)}: {', '.join(names)}, {_cell(reason)}." for (label, reason), names in lines.items()]
    return "\n".join(["Not computable, and left out of the means:\n", *found]) if found else ""


def _outcomes(labels: Sequence[dict[str, Any]]) -> str:
    rows = [(_cell(label["label"]), *(label["table"][name] for name in ("tp", "fn", "fp", "tn"))) for label in labels]
    return _table(("Label", "Found", "Missed", "False alarms", "Rightly negative"), rows)


def _operating_points(report: dict[str, Any]) -> str:
    rows = []
    for label in report["labels"]:
        point, metrics = label["operating_point"], label["metrics"]
        rule = _RULES[point["rule"]].format(target=point["target"])
        threshold = f"{point['threshold']:.4g}"
        there = "" if point["n"] == 0 else f"{point['sensitivity']:.3f} / {point['specificity']:.3f} (n = {point['n']})"
        here = f"{_briefly(metrics['sensitivity'])} / {_briefly(metrics['specificity'])}"
        rows.append((_cell(label["label"]), rule, threshold, there, here))
    chosen, measured = (_cell(report["sections"][use]["name"]) for use in ("threshold", "test"))
    header = ("Label", "Rule", "Threshold", f"Sens. / spec. in {chosen}", f"Sens. / spec. in {measured}")
    return "A case is called positive if its probability is at least the threshold.\n\n" + _table(header, rows)


def _figures(names: Iterable[str]) -> str:
    shown = [f"![{_FIGURES[name]}](figures/{name})\n\n*{_FIGURES[name]}*" for name in names]
    return "\n\n".join(["## Figures", *shown]) if shown else ""


def _explanations(report: dict[str, Any]) -> str:
    found = report.get("explanations")
    if not found:
        return ""
    return (
        f"## Explanations\n\n{found['cases']} case(s) explained by {_cell(found['method'])}: "
        f"see the folder [{_cell(found['folder'])}]({found['folder']})." + _pointing_game(found.get("pointing_game"))
    )


def _pointing_game(game: dict[str, Any] | None) -> str:
    if game is None:
        return ""
    return (
        "\n\nPointing game, the share of cases with a known lesion in which the peak of the map lies on it: "
        f"{in_words(game)}; n = {game['n']}, the cases whose finding was called and explained; {game['missed']} more "
        "with a lesion were called otherwise."
    )


def _method(report: dict[str, Any]) -> str:
    intervals, calibration = report["intervals"], report["calibration"]
    return "\n".join(
        (
            f"- Intervals: {intervals['level']:.0%}, {intervals['method']}; {intervals['n_resamples']} resamples, seed "
            f"{intervals['seed']}; here the unit is the {intervals['unit']}.",
            f"- Exceptions: {intervals['exceptions']}",
            "- Resamples in which a number is not defined are left out and counted in `report.json`.",
            f"- Expected calibration error: {calibration['n_bins']} bins of {calibration['binning']}. "
            + _by_chance(report["labels"]),
        )
    )


def _by_chance(labels: Sequence[dict[str, Any]]) -> str:
    found = [
        f"{_cell(label['label'])} {label['metrics']['ece']['by_chance_up_to']:.3f}"
        for label in labels
        if "by_chance_up_to" in label["metrics"]["ece"]
    ]
    return f"Chance alone gives perfectly calibrated probabilities up to: {', '.join(found)}." if found else ""


def _facts(facts: dict[str, Any]) -> str:
    if not facts:
        return "None were given."
    return _table(("Fact", "Value"), [(_cell(name), _fact(value)) for name, value in facts.items()])


def _fact(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{_cell(name)} {_cell(entry)}" for name, entry in value.items())
    return _cell(value)
