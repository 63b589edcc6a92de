"""The report as one page of HTML, from its numbers and the pictures that lie beside it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from lungscan_monai.evaluation.page_checklist import checklist
from lungscan_monai.evaluation.page_curves import decision_curves, reliability, roc_and_precision
from lungscan_monai.evaluation.page_decisions import abstaining, calibration, thresholds, unfamiliar
from lungscan_monai.evaluation.page_explanations import errors, explanations
from lungscan_monai.evaluation.page_facts import evaluated, limits, method, warnings
from lungscan_monai.evaluation.page_model import model
from lungscan_monai.evaluation.page_results import confusion, in_short, results
from lungscan_monai.evaluation.page_subgroups import subgroups
from lungscan_monai.evaluation.words import LANGUAGES, Words, words_of
from lungscan_monai.pages import Html, contents, element, joined, note, page, paragraph, section
from lungscan_monai.transforms.small_pictures import SmallPicture

FILE_NAMES = {"en": "report.html", "id": "report.id.html"}
"""Name of the page in each language; the pages link to each other by it."""


def render_page(
    report: dict[str, Any], language: str = "en", pictures: Mapping[str, SmallPicture] | None = None
) -> str:
    """Return the page of a report in one language.

    Args:
        report: As :func:`lungscan_monai.evaluation.report.build_report` returns it, or as `report.json` holds it.
        language: One of :data:`~lungscan_monai.evaluation.words.LANGUAGES`.
        pictures: Small pictures by their path from the folder of the report; see
            :func:`lungscan_monai.evaluation.page_pictures.small_pictures`.

    Raises:
        ConfigError: If the language is unknown.
    """
    return render_in(words_of(language), report, pictures or {})


def render_in(words: Words, report: dict[str, Any], pictures: Mapping[str, SmallPicture]) -> str:
    """Return the page of a report in given words."""
    parts = {identifier: build(report, words) for identifier, build in _parts(pictures).items()}
    shown = [identifier for identifier, content in parts.items() if content]
    headings = {name: words(f"heading.{name}") for name in (*shown, "checklist")}
    parts["checklist"] = checklist(report, words, headings)
    order = [name for name in (*_parts({}), "checklist") if name in headings]
    body = [
        paragraph(in_short(report, words), class_="lead"),
        note(words("not_for_diagnosis"), words("not_for_diagnosis.why"), "warning"),
        _other_languages(words),
        warnings(report, words),
        contents(words("contents"), [(name, headings[name]) for name in order]),
        *(section(name, headings[name], *parts[name]) for name in order),
    ]
    task = report["facts"].get("task")
    title = words("title") if task is None else words("title.of", task=task)
    return page(title, joined(body), words.language)


def _parts(pictures: Mapping[str, SmallPicture]) -> dict[str, Callable[[dict[str, Any], Words], list[Html]]]:
    """Return what builds each section, in the order of the page."""
    return {
        "evaluated": evaluated,
        "model": model,
        "results": results,
        "curves": roc_and_precision,
        "thresholds": thresholds,
        "confusion": confusion,
        "calibration": lambda report, words: [*calibration(report, words), *reliability(report, words)],
        "usefulness": decision_curves,
        "surest": abstaining,
        "subgroups": subgroups,
        "inputs": unfamiliar,
        "explanations": explanations,
        "errors": lambda report, words: errors(report, words, pictures),
        "limits": limits,
        "method": method,
    }


def _other_languages(words: Words) -> Html:
    links = [
        element("a", words_of(code)("language"), href=FILE_NAMES[code], hreflang=code, lang=code)
        for code in LANGUAGES
        if code != words.language
    ]
    return paragraph(*links, class_="fine")
