"""What the page shows of explanations: how well they were measured to be, and the pictures of errors beside them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from lungscan_monai.evaluation.error_gallery import KINDS
from lungscan_monai.evaluation.page_results import estimate_cell, roomy
from lungscan_monai.evaluation.words import Words
from lungscan_monai.pages import Cell, Html, element, figure, gallery, paragraph, picture, strip, table
from lungscan_monai.transforms.small_pictures import SmallPicture

_WITH_NEXT = "margin:1rem 0 .5rem;break-after:avoid"
_OF_PLACE = ("pointing_game", "saliency_inside", "iou")


def explanations(report: dict[str, Any], words: Words) -> list[Html]:
    """Return what was explained, how, and what was measured of it; nothing where nothing was explained."""
    found = report.get("explanations")
    if not found:
        return []
    made = words("explained.made", cases=words.count(found["cases"]), method=found["method"], layer=found["layer"])
    rows = [
        (roomy(words.name("measure", name)), estimate_cell(entry, words), _chance(entry, words), _counted(cases, words))
        for name, entry, cases in measures(found)
    ]
    header = [words(f"explained.{column}") for column in ("measure", "value", "by_chance", "cases")]
    shown = [table(words("explained.caption"), header, rows)] if rows else [paragraph(words("explained.unmeasured"))]
    return [paragraph(made), *shown, *_places(found, words), paragraph(words("explained.careful"), class_="fine")]


def measures(found: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any], int | None]]:
    """Give the numbers with intervals and those not computable: name, entry, and of how many cases or findings."""
    counted = found.get("findings", found.get("cases", found.get("n")))
    for name, entry in found.items():
        if not isinstance(entry, Mapping):
            continue
        if "value" in entry or "not_computable" in entry:
            yield name, entry, entry.get("n", counted)
        else:
            yield from measures(entry)


def _counted(value: int | None, words: Words) -> Cell:
    return Cell("" if value is None else words.count(value), value)


def _chance(entry: Mapping[str, Any], words: Words) -> Cell:
    value = entry.get("by_chance")
    return Cell("" if value is None else words.number(value), value)


def _places(found: Mapping[str, Any], words: Words) -> list[Html]:
    """Return a table of the labels with findings of known place, where there are several."""
    labels = (found.get("localisation") or {}).get("labels") or ()
    rows = [
        (
            label["label"],
            _counted(label.get("findings", label.get("cases")), words),
            *(estimate_cell(label[name], words) for name in _OF_PLACE),
        )
        for label in labels
    ]
    header = [words("labels.label"), words("explained.findings"), *(words.name("measure", name) for name in _OF_PLACE)]
    return [table(words("explained.labels"), header, rows)] if rows else []


def shown_files(report: Mapping[str, Any]) -> list[str]:
    """Return the paths, from the folder of the report, of the pictures that its page would show."""
    return [case[name] for _, _, case in _cases(report) for name in ("picture", "heatmap") if case.get(name)]


def _cases(report: Mapping[str, Any]) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Give label, kind and case of everything in the gallery, the first of every kind first."""
    groups = [
        (label["label"], kind, label.get(kind, ())) for label in report.get("error_gallery") or () for kind in KINDS
    ]
    longest = max((len(cases) for _, _, cases in groups), default=0)
    for rank in range(longest):
        yield from ((label, kind, cases[rank]) for label, kind, cases in groups if rank < len(cases))


def errors(report: dict[str, Any], words: Words, pictures: Mapping[str, SmallPicture]) -> list[Html]:
    """Return the gallery: the surest wrong answers and the surest right ones of each label, with their heatmaps."""
    labels = report.get("error_gallery") or ()
    blocks = [block for label in labels for block in _of_label(label, words, pictures)]
    left_out = sum(name not in pictures for name in shown_files(report))
    note = [paragraph(words("errors.left_out", n=left_out), class_="fine")] if left_out else []
    return [paragraph(words("errors.explained")), *blocks, *note] if blocks else []


def _of_label(label: Mapping[str, Any], words: Words, pictures: Mapping[str, SmallPicture]) -> Iterator[Html]:
    if not any(label.get(kind) for kind in KINDS):
        return
    yield element("h3", label["label"])
    for kind in KINDS:
        cases = label.get(kind, ())
        if cases:
            yield element("h4", words(f"errors.{kind}"), style=_WITH_NEXT)
            yield gallery(_case(number, case, words, pictures) for number, case in enumerate(cases, 1))


def _case(number: int, case: Mapping[str, Any], words: Words, pictures: Mapping[str, SmallPicture]) -> Html:
    shown = []
    for name in ("picture", "heatmap"):
        small = pictures.get(case.get(name) or "")
        if small is not None:
            alt = words(f"errors.alt_{name}", label=case.get("explained", case["predicted"]))
            shown.append(picture(small.data, alt, small.width, small.height))
    text = words(
        "errors.case",
        number=number,
        reference=words.said(case["reference"]),
        predicted=words.said(case["predicted"]),
        probability=words.number(case["probability"]),
    )
    return figure(strip(shown, pair=True), text)
