"""What the page says of decisions: thresholds in plain words, errors among the surest cases, sets of labels, inputs."""

from __future__ import annotations

from typing import Any

from lungscan_monai.evaluation.page_curves import risk_curves
from lungscan_monai.evaluation.page_facts import bullets
from lungscan_monai.evaluation.page_results import estimate_cell, roomy
from lungscan_monai.evaluation.words import Words
from lungscan_monai.pages import Cell, Html, element, joined, note, paragraph, table

SPELLED_AT_MOST = 20
"""Labels whose threshold is put into sentences; the table has all."""

_SHARES = ("sensitivity", "specificity", "ppv", "npv")


def thresholds(report: dict[str, Any], words: Words) -> list[Html]:
    """Return what the thresholds mean, how they were chosen, and what other rules would have given."""
    exclusive = report["kind"] == "multiclass"
    spelled = [_spelled(label, report, words) for label in report["labels"][:SPELLED_AT_MOST]]
    return [
        paragraph(words("threshold.highest_wins" if exclusive else "threshold.decides")),
        *spelled,
        _threshold_table(report, words),
        paragraph(words("threshold.prevalence"), class_="fine"),
    ]


def _spelled(label: dict[str, Any], report: dict[str, Any], words: Words) -> Html:
    point, name = label["operating_point"], label["label"]
    sentences = [words("threshold.is", threshold=words.figures(point["threshold"]))]
    if label["cases"]:
        sentences += [_measured(share, label, words) for share in _SHARES]
    if label["cases"] and report["kind"] != "multiclass":
        counts = {outcome: words.count(count) for outcome, count in label["table"].items()}
        sentences.append(words("threshold.counts", cases=words.count(label["cases"]), **counts))
    if not label["cases"]:
        sentences.append(words("threshold.nothing_measured"))
    sentences.append(_chosen(point, words))
    return paragraph(element("strong", f"{name}: "), " ".join(sentences))


def _measured(share: str, label: dict[str, Any], words: Words) -> str:
    entry = _on_test(label, label["operating_point"])[share]
    if "value" in entry:
        return words(f"threshold.{share}", label=label["label"], share=words.share(entry))
    reason = words.said(entry["not_computable"])
    return words("threshold.unknown", name=words.name("metric", share), reason=reason)


def _on_test(label: dict[str, Any], point: dict[str, Any]) -> dict[str, Any]:
    """Return what a threshold gave on the test cases; a report of the first version says it of the chosen one only."""
    return point.get("test", label["metrics"])


def _chosen(point: dict[str, Any], words: Words) -> str:
    if point["reason"] is not None:
        return f"{words.said(point['reason'])}."
    return words(
        "threshold.chosen",
        n=words.count(point["n"]),
        section=words.name("section", point["fitted_on"]),
        rule=_rule(point, words),
        sensitivity=words.percent(point["sensitivity"]),
        specificity=words.percent(point["specificity"]),
    )


def _rule(point: dict[str, Any], words: Words) -> str:
    target = "" if point["target"] is None else words.percent(point["target"], 0)
    return words(f"rule.{point['rule']}", target=target)


def _threshold_table(report: dict[str, Any], words: Words) -> Html:
    rows, used = [], "threshold.stored" if report["kind"] == "multiclass" else "threshold.used"
    for label in report["labels"]:
        others = [point for point in label.get("other_operating_points", ()) if point["reason"] is None]
        for number, point in enumerate([label["operating_point"], *others]):
            rule = _rule(point, words)
            rule = rule if number else element("strong", words(used, rule=rule))
            fitted = "\N{EN DASH}"
            if point["n"]:
                fitted = f"{words.percent(point['sensitivity'])} / {words.percent(point['specificity'])}"
            shown = (estimate_cell(_on_test(label, point)[name], words) for name in _SHARES)
            threshold = Cell(words.figures(point["threshold"]), point["threshold"])
            rows.append((label["label"], roomy(rule), threshold, fitted, *shown))
    sections = report["sections"]
    fitted_on = words("threshold.there", section=words.name("section", sections["threshold"]["name"]))
    caption = words("threshold.caption", section=words.name("section", sections["test"]["name"]))
    first = (
        words("labels.label"),
        words("threshold.rule"),
        words("threshold.value"),
        fitted_on,
    )
    return table(caption, [*first, *(words.name("metric", name) for name in _SHARES)], rows)


def calibration(report: dict[str, Any], words: Words) -> list[Html]:
    """Return what was fitted, and what it changed."""
    facts = report["calibration"]
    if not facts.get("applied"):
        reason = words.said(facts.get("reason") or "")
        return [note(words("calibration.none"), words("calibration.none_because", reason=reason))]
    how = words(
        "calibration.how",
        method=_capitalised(words.said(facts["method"])),
        section=words.name("section", facts["fitted_on"]),
    )
    return [
        paragraph(how),
        bullets([_scaling(scaling, words) for scaling in facts["scalings"]]),
        _effects(report, words),
    ]


def _capitalised(text: str) -> str:
    return text[:1].upper() + text[1:]


def _scaling(scaling: dict[str, Any], words: Words) -> str:
    label = scaling["label"] or words("all_classes")
    if scaling["reason"]:
        return words("calibration.not_of", label=label, reason=words.said(scaling["reason"]))
    n = words.count(scaling["n"])
    if scaling["label"] is None:
        return words("calibration.temperature", label=label, temperature=words.number(1 / scaling["slope"]), n=n)
    slope, intercept = (words.number(scaling[name]) for name in ("slope", "intercept"))
    return words("calibration.platt", label=label, slope=slope, intercept=intercept, n=n)


def _effects(report: dict[str, Any], words: Words) -> Html:
    owners = [
        (label["label"], label.get("calibration"), label["metrics"], ("brier", "ece")) for label in report["labels"]
    ]
    overall = report["overall"]
    if overall.get("calibration"):
        owners.append((words("all_classes"), overall["calibration"], overall["classes"], ("ece_top_class",)))
    rows = []
    for label, effect, after, names in owners:
        for name in names if effect else ():
            cells = (effect["before"][name], after[name], effect["change"][name])
            rows.append((label, words.name("metric", name), *(estimate_cell(entry, words) for entry in cells)))
    header = ("labels.label", "results.number", "calibration.before", "calibration.after", "calibration.change")
    return table(words("calibration.caption"), [words(key) for key in header], rows)


def abstaining(report: dict[str, Any], words: Words) -> list[Html]:
    """Return the errors among the surest cases and the sets of labels; nothing where the report has neither."""
    owners = [*report["labels"], {"label": words("all_classes"), **report["overall"]}]
    selective = [(owner["label"], owner["selective"]) for owner in owners if owner.get("selective")]
    sets = [(owner["label"], owner["prediction_sets"]) for owner in owners if owner.get("prediction_sets")]
    parts = [element("h3", words("risk.heading")), _selective(selective, words), *risk_curves(report, words)]
    parts = parts if selective else []
    return [*parts, *([element("h3", words("sets.heading")), *_sets(sets, words)] if sets else [])]


def _selective(found: list[tuple[str, dict[str, Any]]], words: Words) -> Html:
    coverages = next(([at["coverage"] for at in entry["risk_at"]] for _, entry in found if "risk_at" in entry), [])
    rows = []
    for label, entry in found:
        entries = [entry] * (len(coverages) + 1)
        if "risk_at" in entry:
            entries = [*(at["risk"] for at in entry["risk_at"]), entry["aurc"]]
        rows.append((label, *(estimate_cell(of, words) for of in entries)))
    header = [words("risk.among", share=words.percent(coverage, 0)) for coverage in coverages]
    return table(words("risk.table"), [words("labels.label"), *header, words("risk.area")], rows)


def _sets(found: list[tuple[str, dict[str, Any]]], words: Words) -> list[Html]:
    names = ("coverage", "mean_size", "one_label", "no_label")
    rows, reasons = [], []
    for label, entry in found:
        if "not_computable" in entry:
            reason = words("not_computable", reason=words.said(entry["not_computable"]))
            reasons.append(joined([element("strong", f"{label}:"), f" {reason}"], ""))
            continue
        by_class = words.listed(
            [f"{words.said(name)} {words.briefly(of)}" for name, of in entry["coverage_by_class"].items()]
        )
        stated = words.percent(entry["stated_coverage"], 0)
        if "promised_for" in entry:
            stated = words("sets.promised", share=stated, what=words.said(entry["promised_for"]))
        rows.append((label, stated, *(estimate_cell(entry[name], words) for name in names), roomy(by_class)))
    header = [words("labels.label"), *(words(f"sets.{name}") for name in ("stated", *names, "by_class"))]
    shown = [table(words("sets.caption"), header, rows)] if rows else []
    return [paragraph(words("sets.explained")), *shown, *([bullets(reasons)] if reasons else [])]


def unfamiliar(report: dict[str, Any], words: Words) -> list[Html]:
    """Return how many inputs look unlike the validation cases; nothing where the report has no such check."""
    found = report.get("input_check")
    if found is None:
        return []
    if "not_computable" in found:
        return [paragraph(words("inputs.none", reason=words.said(found["not_computable"])))]
    text = words(
        "inputs.found",
        n=words.count(found["not_assessable"]),
        cases=words.count(found["cases"]),
        share=words.share(found["share"]),
        expected=words.percent(1 - found["quantile"]),
    )
    return [paragraph(text), paragraph(words("inputs.method", method=words.said(found["method"])), class_="fine")]
