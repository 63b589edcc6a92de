"""What the page says of the evaluation itself: what was evaluated, how the numbers were made, what they cannot say."""

from __future__ import annotations

from typing import Any

from lungscan_monai.evaluation.words import Words
from lungscan_monai.pages import Cell, Html, element, joined, note, paragraph, table

ENOUGH_CASES = 100
"""Positive and negative cases that an evaluation wants at least (Collins et al., Stat. Med. 2016; 35: 214-226)."""

_NAMED_AT_MOST = 20
_STANDING_OUT = 4


def evaluated(report: dict[str, Any], words: Words) -> list[Html]:
    """Return the sections with their cases and patients, the labels, and what made the predictions."""
    rows = [
        (
            words(f"sections.{use}"),
            words.name("section", part["name"]),
            *(_count(words, part[name]) for name in _COUNTS),
        )
        for use, part in report["sections"].items()
    ]
    header = (words("sections.use"), words("sections.name"), *(words(f"sections.{name}") for name in _COUNTS))
    names = ("cases", "patients", "positive", "negative", "not_assessed")
    counted = [
        (label["label"], *(_count(words, label[name]) for name in names), _prevalence(words, label["prevalence"]))
        for label in report["labels"]
    ]
    columns = ("label", *names, "prevalence")
    return [
        table(words("sections.caption"), header, rows),
        table(words("labels.caption"), [words(f"labels.{name}") for name in columns], counted),
        *_facts(report["facts"], words),
    ]


_COUNTS = ("cases", "known_patients", "cases_of_unknown_patient")


def _count(words: Words, value: int) -> Cell:
    return Cell(words.count(value), value)


def _prevalence(words: Words, share: float | None) -> Cell:
    return Cell(words("labels.none_assessed") if share is None else words.percent(share), share)


def _facts(facts: dict[str, Any], words: Words) -> list[Html]:
    if not facts:
        return [paragraph(words("facts.none"))]
    rows = [(words.name("fact", name), element("span", _fact(value), class_="name")) for name, value in facts.items()]
    return [table(words("facts.caption"), (words("facts.fact"), words("facts.value")), rows)]


def _fact(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_fact(entry)}" for name, entry in value.items())
    if isinstance(value, list):
        return ", ".join(map(_fact, value))
    return str(value)


def bullets(sentences: list[Any]) -> Html:
    """Return sentences as a list."""
    return element("ul", *(element("li", sentence) for sentence in sentences))


def method(report: dict[str, Any], words: Words) -> list[Html]:
    """Return how intervals, calibration error and DeLong's intervals were made."""
    intervals, labels = report["intervals"], report["labels"]
    sentences = [
        words(
            "method.intervals",
            level=words.percent(intervals["level"], 0),
            method=words.said(intervals["method"]),
            resamples=words.count(intervals["n_resamples"]),
            seed=intervals["seed"],
            unit=words.said(intervals["unit"]),
        ),
        words("method.exceptions", exceptions=words.said(intervals["exceptions"])),
        words("method.left_out"),
        words(
            "method.ece",
            n=report["calibration"]["n_bins"],
            binning=words.said(report["calibration"]["binning"]),
        ),
        words("method.no_names"),
    ]
    rows = [
        (
            label["label"],
            words.estimate(label["metrics"]["roc_auc"]),
            words.estimate(label["delong"]),
            _chance(label, words),
        )
        for label in labels
        if "delong" in label
    ]
    header = [words(f"method.{name}") for name in ("label", "bootstrap", "delong", "by_chance")]
    return [bullets(sentences), *([table(words("method.caption"), header, rows)] if rows else [])]


def _chance(label: dict[str, Any], words: Words) -> Cell:
    found = label["metrics"]["ece"].get("by_chance_up_to")
    return Cell("\N{EN DASH}" if found is None else words.number(found), found)


def limits(report: dict[str, Any], words: Words) -> list[Html]:
    """Return what these numbers cannot say, from what is known of the evaluation."""
    test = report["sections"]["test"]
    sentences = [words("limits.one_set", cases=words.count(test["cases"]), section=words.name("section", test["name"]))]
    if test["cases_of_unknown_patient"]:
        sentences.append(words("limits.unknown_patient", cases=words.count(test["cases_of_unknown_patient"])))
    few = [label["label"] for label in report["labels"] if min(label["positive"], label["negative"]) < ENOUGH_CASES]
    if few:
        named = words.listed(few[:_NAMED_AT_MOST])
        more = words("limits.and_more", n=len(few) - _NAMED_AT_MOST) if len(few) > _NAMED_AT_MOST else ""
        sentences.append(words("limits.few", n=ENOUGH_CASES, labels=f"{named}{more}"))
    kept = ("prevalence", "reference", "training", "subgroups", "heatmaps", "use")
    return [bullets([*sentences, *(words(f"limits.{name}") for name in kept)])]


def warnings(report: dict[str, Any], words: Words) -> Html:
    """Return the report's warnings: a few each standing out, many as one list."""
    sentences = [words.said(warning) for warning in report["warnings"]]
    if len(sentences) <= _STANDING_OUT:
        return joined(note(words("warning"), sentence, "warning") for sentence in sentences)
    heading = element("strong", words("warnings", n=words.count(len(sentences))))
    return element("div", heading, bullets(sentences), class_="note warning")
