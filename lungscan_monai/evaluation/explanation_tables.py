"""The explanations of a report as Markdown: what was measured of them, and the surest answers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from lungscan_monai.evaluation.error_gallery import KINDS
from lungscan_monai.evaluation.wording import briefly, cell, in_words, table

_MEASURES = {
    "localisation": (
        "Where the finding is known to be",
        {
            "pointing_game": "Peak on the finding (pointing game)",
            "saliency_inside": "Share of the saliency on the finding",
            "iou": "IoU of the most salient 20 % and the finding",
        },
    ),
    "faithfulness": (
        "Probability while the image is taken apart and put together by the map",
        {
            "probability_whole": "Whole image",
            "probability_emptied": "Emptied image",
            "deletion": "Deletion, area under the curve (low is good)",
            "deletion_random": "Deletion in a random order",
            "deletion_gain": "Gain over random, deletion",
            "insertion": "Insertion, area under the curve (high is good)",
            "insertion_random": "Insertion in a random order",
            "insertion_gain": "Gain over random, insertion",
        },
    ),
    "randomised_weights": (
        "Likeness to maps of the network with weights drawn anew (near 0 is good)",
        {
            "rank_correlation_head": "Rank correlation, head drawn anew",
            "rank_correlation_head_and_upper_half": "Rank correlation, upper half too",
            "rank_correlation_whole_network": "Rank correlation, whole network",
            "ssim_head": "SSIM, head drawn anew",
            "ssim_head_and_upper_half": "SSIM, upper half too",
            "ssim_whole_network": "SSIM, whole network",
        },
    ),
    "shortcuts": (
        "Saliency where no finding can be",
        {
            "outside_body": "Outside the body",
            "border": "In the outer 10 % of the image",
            "text": "On what looks like burned-in text",
        },
    ),
}
"""Part of the report -> heading of its table, and what its numbers are called."""

_LISTS = {
    "false_positives": "Called and not so",
    "false_negatives": "Not called and so",
    "confident": "Called and so",
}


def explanations(report: Mapping[str, Any]) -> str:
    """Return what was explained and measured; an empty text where nothing was explained."""
    found = report.get("explanations")
    if not found:
        return ""
    made = (
        f"{found['heatmaps']} heatmap(s) of {found['cases']} case(s) by {cell(found['method'])}: see the folder "
        f"[{cell(found['folder'])}]({found['folder']})."
    )
    return "\n\n".join([made, *_measured(found)])


def error_gallery(report: Mapping[str, Any]) -> str:
    """Return the surest wrong and right answers of each label as tables; an empty text where there are none."""
    parts = []
    for label in report.get("error_gallery", ()):
        rows = [
            (_LISTS[kind], _linked(entry), cell(entry["reference"]), cell(entry["predicted"]), entry["probability"])
            for kind in KINDS
            for entry in label[kind]
        ]
        header = ("", "Case", "Reference", "Answer", f"Probability of {cell(label['label'])}")
        parts += [f"### {cell(label['label'])}\n\n{table(header, rows)}"] if rows else []
    return "\n\n".join(parts)


def _linked(entry: Mapping[str, Any]) -> str:
    name = cell(entry["case"]).replace("[", "\\[").replace("]", "\\]")
    return f"[{name}]({entry['heatmap']})" if entry["heatmap"] else name


def _measured(found: Mapping[str, Any]) -> Iterator[str]:
    for part, (heading, names) in _MEASURES.items():
        numbers = found.get(part)
        if not numbers:
            continue
        if "not_computable" in numbers:
            yield f"{heading}: {in_words(numbers)}."
            continue
        rows = list(_rows(numbers, names, "all"))
        called = numbers.get("called")
        if called:
            of_called = {name: called[f"{name}_called"] for name in names} | {"cases": called["cases"]}
            rows += _rows(of_called, names, "called present")
        for label in numbers.get("labels", ()):
            rows += _rows(label, names, cell(label["label"]))
        yield f"**{heading}**\n\n" + table(("Number", "Of", "Cases", "Value", "By chance"), rows)


def _rows(numbers: Mapping[str, Any], names: Mapping[str, str], of: str) -> Iterator[tuple[object, ...]]:
    for name in filter(numbers.__contains__, names):
        entry, title = numbers[name], names[name]
        chance = entry.get("by_chance")
        cases = entry.get("n", numbers["cases"])
        yield title, of, cases, briefly(entry), "" if chance is None else f"{chance:.3f}"
