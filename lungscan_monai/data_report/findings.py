"""What a reader should know first, in sentences made from the numbers of a data report."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lungscan_monai.data.datalist import SECTIONS

_NAMED_LABELS = 3


def findings(report: dict[str, Any]) -> list[dict[str, str]]:
    """Return one sentence (`text`) for each kind of trouble, the worst first; none if nothing was found.

    The `tone` is ``"warning"`` for what spoils results, ``"plain"`` for what should be known.

    Args:
        report: The other entries of :func:`lungscan_monai.data_report.report.build_data_report`.
    """
    warnings = [*_leaks(report), *_contradictions(report), *_shortcuts(report)]
    tones = (("warning", warnings), ("plain", [*_repetitions(report), *_gaps(report)]))
    return [{"tone": tone, "text": text} for tone, texts in tones for text in texts]


def _leaks(report: dict[str, Any]) -> Iterator[str]:
    patients, identical, near = report["patients_across"], report["identical"], report["near"]
    if patients:
        yield f"{counted(patients, 'patient')} in more than one section: results will look too good."
    if identical["across_sections"]:
        count = counted(identical["across_sections"], "set")
        yield f"{count} of identical pictures over two sections{_in_test(identical)}: results will look too good."
    if near["across_sections"]:
        count = counted(near["across_sections"], "pair")
        yield f"{count} of near duplicates over two sections{_in_test(near)}: copies make results look too good."


def _in_test(twins: dict[str, Any]) -> str:
    """Say how many pictures of the test section have a twin where a model learns or is chosen."""
    places = [(twins["images_with_twin_in"]["test"][section], section) for section in SECTIONS[:2]]
    found = [f"{counted(count, 'test picture')} with a twin in {section}" for count, section in places if count]
    return f" ({', '.join(found)})" if found else ""


def _contradictions(report: dict[str, Any]) -> Iterator[str]:
    if count := report["identical"]["different_labels"]:
        yield f"{counted(count, 'set')} of identical pictures with different labels: one of the labels is wrong."
    if count := report["near"]["different_labels"]:
        yield f"{counted(count, 'pair')} of near duplicates with different labels."


def _shortcuts(report: dict[str, Any]) -> Iterator[str]:
    for fact in report["facts"]:
        strong = sorted((link for link in fact["predicts"] if link["strong"]), key=lambda link: -link["cramers_v"])
        if strong:
            yield f"Possible shortcut: {fact['name']} predicts {_predicted(strong)}{_guess(strong[0])}."


def _predicted(strong: list[dict[str, Any]]) -> str:
    named = [
        f"{link['label'] or 'the class'} (Cram\N{LATIN SMALL LETTER E WITH ACUTE}r's V {link['cramers_v']:.2f})"
        for link in strong[:_NAMED_LABELS]
    ]
    more = len(strong) - len(named)
    return ", ".join(named) + (f" and {more} more" if more else "")


def _guess(link: dict[str, Any]) -> str:
    if link["guessed"] <= link["commonest"]:
        return ""
    return (
        f"; {link['label'] or 'the class'} guessed from it alone is right for {link['guessed']:.0%} of the cases, the "
        f"commonest answer for {link['commonest']:.0%}"
    )


def _repetitions(report: dict[str, Any]) -> Iterator[str]:
    identical = report["identical"]
    if count := identical["sets"] - identical["across_sections"]:
        yield f"{counted(count, 'set')} of identical pictures inside one section."


def _gaps(report: dict[str, Any]) -> Iterator[str]:
    cases = report["cases"]
    if count := len(report["unreadable"]):
        yield f"{count} of {cases} images cannot be read; what is said of pixels leaves them out."
    if count := len(report["blank"]):
        yield f"{counted(count, 'picture')} of one single value."
    for name, section in report["sections"].items():
        groups = dict(zip(report["groups"], section["groups"], strict=True))
        empty = [label for label in report["labels"] if not groups[label]]
        if not section["cases"]:
            yield f"The section {name} is empty."
        elif empty:
            yield f"No case in {name} of: {', '.join(empty)}."
    if unknown := sum(section["unknown_patient"] for section in report["sections"].values()):
        yield (
            f"{unknown} of {cases} cases are of an unknown patient: whether one of these is in two sections cannot be "
            "known."
        )


def counted(count: int, noun: str) -> str:
    """Return the number with its noun: ``"1 pair"``, ``"2 pairs"``."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
