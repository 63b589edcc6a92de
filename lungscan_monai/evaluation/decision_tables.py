"""What a page says of decisions: operating points, calibration, errors among the surest cases, sets, subgroups."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lungscan_monai.evaluation.wording import briefly, cell, in_words, table

_RULES = {
    "youden": "highest sensitivity + specificity (Youden)",
    "target_sensitivity": "sensitivity of at least {target:.3g}",
    "target_specificity": "specificity of at least {target:.3g}",
    "default": "none, the default",
}


def operating_points(report: dict[str, Any]) -> str:
    """Return the thresholds, and what they gave where they were chosen and where they were measured."""
    rows = []
    for label in report["labels"]:
        for number, point in enumerate([label["operating_point"], *label["other_operating_points"]]):
            rule = _RULES[point["rule"]].format(target=point["target"])
            fitted = point["n"] > 0
            there = f"{point['sensitivity']:.3f} / {point['specificity']:.3f} (n = {point['n']})" if fitted else ""
            here = f"{briefly(point['test']['sensitivity'])} / {briefly(point['test']['specificity'])}"
            values = f"{briefly(point['test']['ppv'])} / {briefly(point['test']['npv'])}"
            name = cell(label["label"]) if number == 0 else ""
            rows.append(
                (name, f"**{rule}**" if number == 0 else rule, f"{point['threshold']:.4g}", there, here, values)
            )
    chosen, measured = (cell(report["sections"][use]["name"]) for use in ("threshold", "test"))
    header = ("Label", "Rule", "Threshold", f"Sens. / spec. in {chosen}", f"Sens. / spec. in {measured}")
    decides = (
        "The class with the highest probability is the answer; the thresholds set one class against all others."
        if report["kind"] == "multiclass"
        else "The rule in bold decides; the others are shown for comparison."
    )
    rows = table((*header, f"PPV / NPV in {measured}"), rows)
    return f"A case is called positive if its probability is at least the threshold. {decides}\n\n{rows}"


def calibration(report: dict[str, Any]) -> str:
    """Return what was fitted, and what it changed."""
    facts = report["calibration"]
    if not facts["applied"]:
        return f"The probabilities are the network's own; none were calibrated, because {cell(facts['reason'])}."
    fitted = [_scaling(scaling) for scaling in facts["scalings"]]
    rows = []
    effects = [(cell(label["label"]), label["calibration"], label["metrics"]) for label in report["labels"]]
    for label, effect, after in effects:
        for name, title in (("brier", "Brier score"), ("ece", "Calibration error")):
            before, change = effect["before"][name], effect["change"][name]
            rows.append((label, title, briefly(before), briefly(after[name]), briefly(change)))
    changes = table(("Label", "", "Before", "After", "Change"), rows)
    how = f"{facts['method']}, fitted on {cell(facts['fitted_on'])} by maximum likelihood."
    how += " Below 0 a change is for the better."
    return "\n\n".join([how, "\n".join(fitted), changes])


def _scaling(scaling: dict[str, Any]) -> str:
    label = cell(scaling["label"] or "all classes")
    if scaling["reason"]:
        return f"- {label}: not calibrated, because {cell(scaling['reason'])}"
    if scaling["label"] is None:
        return f"- {label}: temperature {1 / scaling['slope']:.3f} (n = {scaling['n']})"
    return f"- {label}: slope {scaling['slope']:.3f}, intercept {scaling['intercept']:.3f} (n = {scaling['n']})"


def abstaining(report: dict[str, Any]) -> str:
    """Return the errors among the surest cases and the sets of labels."""
    owners = [*report["labels"], {"label": "all classes", **report["overall"]}]
    selective = [(cell(owner["label"]), owner["selective"]) for owner in owners if owner["selective"]]
    sets = [(cell(owner["label"]), owner["prediction_sets"]) for owner in owners if owner["prediction_sets"]]
    return "\n\n".join([_selective(selective), _prediction_sets(sets)])


def _selective(found: list[tuple[str, dict[str, Any]]]) -> str:
    coverages = next((entry["risk_at"] for _, entry in found if "risk_at" in entry), [])
    rows = [
        (label, *(briefly(at["risk"]) for at in entry["risk_at"]), briefly(entry["aurc"]))
        if "risk_at" in entry
        else (label, *["not computable"] * (len(coverages) + 1))
        for label, entry in found
    ]
    header = ("Errors among", *(f"the surest {at['coverage']:.0%}" for at in coverages), "Area under the curve")
    return "If the model answers only the cases it is surest of:\n\n" + table(header, rows)


def _prediction_sets(found: list[tuple[str, dict[str, Any]]]) -> str:
    rows = []
    for label, entry in found:
        if "not_computable" in entry:
            rows.append((label, f"not computable {cell(entry['not_computable'])}", "", "", "", "", ""))
            continue
        by_class = "; ".join(f"{cell(name)} {briefly(of)}" for name, of in entry["coverage_by_class"].items())
        shown = (briefly(entry[name]) for name in ("coverage", "mean_size", "one_label", "no_label"))
        rows.append((label, f"{entry['stated_coverage']:.0%} of {entry['promised_for']}", *shown, by_class))
    header = (
        "Sets of labels",
        "Stated coverage",
        "Coverage found",
        "Labels in a set",
        "Sets of one label",
        "Empty sets",
    )
    explained = (
        "Sets that hold the reference label with the stated probability (split conformal prediction), for cases like "
        "those that the limits were fitted on; a class with too few of them shares one limit with the others:"
    )
    return f"{explained}\n\n{table((*header, 'Coverage found in each class'), rows)}"


def subgroups(report: dict[str, Any]) -> str:
    """Return one table for each fact of the datalist; empty where there are none."""
    parts = [
        "Each number is of the cases of one group, with its interval; with many groups some differ by chance alone.",
        *(
            f"### {cell(found['fact'])}\n\n"
            + table(
                ("Group", "Cases", "Patients", "Label", "Positive", "ROC AUC", "Sensitivity", "Specificity"),
                _group_rows(found),
            )
            for found in report["subgroups"]
        ),
    ]
    return "\n\n".join(parts) if report["subgroups"] else ""


def _group_rows(found: dict[str, Any]) -> Iterator[tuple[object, ...]]:
    for group in found["groups"]:
        for number, label in enumerate(group["labels"]):
            about = (cell(group["value"]), group["cases"], group["patients"]) if number == 0 else ("", "", "")
            measured = (in_words(label[name]) for name in ("roc_auc", "sensitivity", "specificity"))
            yield *about, cell(label["label"]), label["positive"], *measured
