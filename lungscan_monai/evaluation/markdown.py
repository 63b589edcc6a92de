"""The report as a page that people read: tables with intervals, in plain words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from lungscan_monai.evaluation.decision_tables import abstaining, calibration, operating_points, subgroups
from lungscan_monai.evaluation.explanation_tables import error_gallery, explanations
from lungscan_monai.evaluation.page_model import MODEL_FACTS
from lungscan_monai.evaluation.result_tables import results_in_tables
from lungscan_monai.evaluation.wording import cell, in_words, table

_FIGURES = {
    "roc.png": "ROC curve with its pointwise 95 % band; the dot is the operating point.",
    "precision_recall.png": "Precision against recall; the dashed line is what chance gives.",
    "reliability.png": "Reliability: the share of positives observed among cases of like probability, with Wilson's "
    "95 % intervals; on the dashed line the probabilities mean what they say. Grey: before calibration.",
    "decision_curve.png": "Net benefit of deciding by the model, with its pointwise 95 % band, beside that of calling "
    "all or no case positive.",
    "risk_coverage.png": "Share of errors if only the surest cases are answered.",
    "scores.png": "How the probabilities of positive and negative cases are spread.",
    "confusion_matrix.png": "Confusion matrix: cases, and their share of the row.",
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
        _section("## The model in short", _model(report.get("model"))),
        "## Results\n\n" + results_in_tables(report),
        "## Operating points\n\n" + operating_points(report),
        "## Calibration\n\n" + calibration(report),
        "## Surer and less sure\n\n" + abstaining(report),
        _section("## Subgroups", subgroups(report)),
        _section("## Unfamiliar inputs", _input_check(report.get("input_check"))),
        _figures(figures),
        _section("## Explanations", explanations(report)),
        _section("## Surest answers, wrong and right", error_gallery(report)),
        "## How the numbers were made\n\n" + _method(report),
        "## Facts\n\n" + _facts(report["facts"]),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _section(heading: str, content: str) -> str:
    return f"{heading}\n\n{content}" if content else ""


def _warnings(warnings: Sequence[str]) -> str:
    if not warnings:
        return ""
    return "## Please note\n\n" + "\n".join(f"- {cell(warning)}" for warning in warnings)


def _evaluated(report: dict[str, Any]) -> str:
    rows = []
    for use, section in report["sections"].items():
        what = "thresholds chosen in" if use == "threshold" else "measured in"
        unknown = section["cases_of_unknown_patient"]
        rows.append((what, cell(section["name"]), section["cases"], section["known_patients"], unknown))
    sections = table(("", "Section", "Cases", "Known patients", "Cases of unknown patient"), rows)
    counted = [
        (cell(label["label"]), label["cases"], label["patients"], label["positive"], label["negative"], _share(label))
        for label in report["labels"]
    ]
    labels = table(("Label", "Cases assessed", "Patients", "Positive", "Negative", "Prevalence"), counted)
    return f"{sections}\n\n{labels}"


def _model(found: dict[str, Any] | None) -> str:
    if not found:
        return ""
    rows = [(name.replace("_", " ").capitalize(), _fact(value)) for name in MODEL_FACTS if (value := found.get(name))]
    return table(("Fact", "Value"), rows) + (
        "\n\nHow it was trained, on what data, and its known limitations stand in the model card of its bundle "
        "(`docs/README.md`)."
    )


def _share(label: dict[str, Any]) -> str:
    return "none assessed" if label["prevalence"] is None else f"{label['prevalence']:.1%}"


def _input_check(found: dict[str, Any] | None) -> str:
    if found is None:
        return ""
    if "not_computable" in found:
        return f"Inputs are not checked, {cell(found['not_computable'])}."
    return (
        f"{found['not_assessable']} of {found['cases']} test cases do not look like the validation cases and would be "
        f"called not assessable by `lungscan predict` ({in_words(found['share'])}); "
        f"{1 - found['quantile']:.1%} of cases like those of validation would. Method: {cell(found['method'])}. "
        "The other numbers of this report are of all test cases."
    )


def _figures(names: Iterable[str]) -> str:
    shown = [f"![{_FIGURES[name]}](figures/{name})\n\n*{_FIGURES[name]}*" for name in names]
    return "\n\n".join(["## Figures", *shown]) if shown else ""


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
            "- DeLong's interval of the ROC AUC, which takes cases as independent: " + _delong(report["labels"]),
        )
    )


def _delong(labels: Sequence[dict[str, Any]]) -> str:
    return "; ".join(f"{cell(label['label'])} {in_words(label['delong'])}" for label in labels) + "."


def _by_chance(labels: Sequence[dict[str, Any]]) -> str:
    found = [
        f"{cell(label['label'])} {label['metrics']['ece']['by_chance_up_to']:.3f}"
        for label in labels
        if "by_chance_up_to" in label["metrics"]["ece"]
    ]
    return f"Chance alone gives perfectly calibrated probabilities up to: {', '.join(found)}." if found else ""


def _facts(facts: dict[str, Any]) -> str:
    if not facts:
        return "None were given."
    return table(("Fact", "Value"), [(cell(name), _fact(value)) for name, value in facts.items()])


def _fact(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{cell(name)} {cell(entry)}" for name, entry in value.items())
    return ", ".join(map(cell, value)) if isinstance(value, list) else cell(value)
