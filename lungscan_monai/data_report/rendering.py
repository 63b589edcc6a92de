"""The page of a data report, from its numbers and small pictures alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lungscan_monai.data.datalist import SECTIONS
from lungscan_monai.data_report.charts import bar, histogram
from lungscan_monai.data_report.findings import counted
from lungscan_monai.pages import (
    Cell,
    Html,
    contents,
    data_block,
    element,
    escape,
    figure,
    gallery,
    joined,
    note,
    page,
    paragraph,
    picture,
    section,
    strip,
    table,
)
from lungscan_monai.transforms.small_pictures import SmallPicture

SHOWN_TWINS = 18
"""Sets of identical pictures, and pairs of near duplicates, that are shown as pictures; more are in the tables."""

_LISTED = 100
_COLUMNS_AT_MOST = 6
_BACKGROUND_BINS = 3


def shown_cases(report: dict[str, Any]) -> list[str]:
    """Return the names of the cases whose picture the page shows."""
    twins = [found[:2] for found in report["identical"]["listed"][:SHOWN_TWINS]]
    twins += [found["images"] for found in report["near"]["listed"][:SHOWN_TWINS]]
    samples = [case for group in report["samples"] for case in group]
    return list(dict.fromkeys([*samples, *(image["case"] for pair in twins for image in pair)]))


def render_page(report: dict[str, Any], pictures: Mapping[str, SmallPicture]) -> str:
    """Return the page of a data report.

    Args:
        report: As :func:`lungscan_monai.data_report.report.build_data_report` returns it.
        pictures: Small pictures by name of the case, of :func:`shown_cases`; empty for a page without pictures.
    """
    parts = [
        ("counts", "Cases", _counts(report)),
        ("facts", "What is known of the cases", _facts(report, of_image=False)),
        ("files", "Files and sizes", joined([_sizes(report), *_facts(report, of_image=True)])),
        ("shades", "Brightness", _shades(report)),
        ("samples", "Examples", _samples(report, pictures) if pictures else []),
        ("identical", "Identical pictures", _identical(report, pictures)),
        ("near", "Near duplicates", _near(report, pictures)),
        ("unreadable", "Images that cannot be used", _unusable(report)),
        ("method", "How the numbers were made", _method(report)),
    ]
    parts = [(identifier, heading, content) for identifier, heading, content in parts if content]
    body = joined(
        [
            paragraph(_in_short(report), class_="lead"),
            paragraph("Research use only. Not for diagnosis.", class_="fine"),
            *_findings(report),
            contents("Sections", [(identifier, heading) for identifier, heading, _ in parts]),
            *(section(identifier, heading, *_listed(content)) for identifier, heading, content in parts),
            data_block("data-report", report),
        ]
    )
    return page(f"Data report: {report['name']}", body)


def _listed(content: Html | list[Html]) -> list[Html]:
    return content if isinstance(content, list) else [content]


def _in_short(report: dict[str, Any]) -> str:
    kinds = {"binary": "two classes", "multiclass": f"{len(report['labels'])} classes"}
    what = kinds.get(report["kind"], f"{len(report['labels'])} findings that may occur together")
    known = f" of {counted(report['patients'], 'known patient')}" if report["patients"] else ""
    return f"{report['cases']} cases{known}, {what}: {', '.join(report['labels'])}."


def _findings(report: dict[str, Any]) -> list[Html]:
    if not report["findings"]:
        return [note("Nothing found.", "No leak, no copy, no shortcut, no gap that this page looks for.", "good")]
    labels = {"warning": "Warning:", "plain": "Note:"}
    return [note(labels[found["tone"]], found["text"], found["tone"]) for found in report["findings"]]


def _percent(count: int, total: int) -> str:
    return f"{count / total:.1%}" if total else "\N{EN DASH}"


def _counts(report: dict[str, Any]) -> list[Html]:
    parts = report["sections"]
    rows = [(name, part["cases"], part["patients"], part["unknown_patient"]) for name, part in parts.items()]
    by_section = table("Sections", ("section", "cases", "known patients", "cases of unknown patient"), rows)
    totals = [sum(counts) for counts in zip(*(part["groups"] for part in parts.values()), strict=True)]
    rows = []
    for index, group in enumerate(report["groups"]):
        counts = [(part["groups"][index], part["cases"]) for part in parts.values()]
        cells = [Cell(f"{count} ({_percent(count, cases)})", count) for count, cases in counts]
        share = totals[index] / report["cases"]
        rows.append((group, *cells, Cell(f"{totals[index]} ({share:.1%})", totals[index]), bar(share)))
    by_group = table("Cases of each class, and their share of the section", ("class", *parts, "all", "share"), rows)
    return [by_section, by_group]


def _facts(report: dict[str, Any], *, of_image: bool) -> list[Html]:
    facts = [fact for fact in report["facts"] if fact["of_image"] == of_image]
    blocks = [_fact(report, fact) for fact in facts if len(fact["values"]) > 1]
    constant = [f"{fact['name']} {fact['values'][0]['value']}" for fact in facts if len(fact["values"]) == 1]
    if constant:
        blocks.append(paragraph(f"The same for all cases: {', '.join(constant)}."))
    if not of_image and report["facts_left_out"]:
        names = ", ".join(report["facts_left_out"])
        blocks.append(paragraph(f"Not counted, for their many values: {names}.", class_="fine"))
    return blocks


def _fact(report: dict[str, Any], fact: dict[str, Any]) -> Html:
    header = [fact["name"], *SECTIONS, *report["groups"]]
    rows = [[row["value"], *row["sections"].values(), *row["groups"]] for row in fact["values"]]
    if len(report["groups"]) > _COLUMNS_AT_MOST:
        header, *rows = zip(header, *rows, strict=True)
    counted = table(f"Cases by {fact['name']}, section and class", header, rows)
    return joined([element("h3", fact["name"].capitalize()), _links(fact), counted])


def _links(fact: dict[str, Any]) -> Html:
    if not fact["predicts"]:
        return paragraph("There are not two labels to predict.", class_="fine")
    strongest = max(fact["predicts"], key=lambda link: (link["strong"], link["cramers_v"]))
    what = strongest["label"] or "the class"
    text = (
        f"Cram\N{LATIN SMALL LETTER E WITH ACUTE}r's V with {what}: {strongest['cramers_v']:.2f} "
        f"(p {_p_value(strongest['p_value'])}). Guessed from {fact['name']} alone, {what} is right for "
        f"{strongest['guessed']:.1%} of the cases; the commonest answer is for {strongest['commonest']:.1%}."
    )
    if len(fact["predicts"]) > 1:
        text = f"Of all findings it predicts {what} best. {text}"
    return note("Possible shortcut.", text, "warning") if strongest["strong"] else paragraph(text, class_="fine")


def _p_value(value: float) -> str:
    return "below 0.001" if value < 0.001 else f"{value:.3f}"


def _sizes(report: dict[str, Any]) -> Html:
    rows = []
    for group, sizes in zip(report["groups"], report["sizes"], strict=True):
        if sizes is None:
            continue
        cells = [
            Cell(_range(sizes[name], "{:.2f}" if name == "aspect" else "{:.0f}"), sizes[name]["median"])
            for name in ("width", "height", "aspect")
        ]
        rows.append((group, *cells))
    if len({tuple(cell.content for cell in cells) for _, *cells in rows}) == 1:
        rows = [("all", *rows[0][1:])]
    header = ("class", "width in pixels", "height in pixels", "width / height")
    return table("Size of the pictures: median (smallest to largest)", header, rows)


def _range(spread: dict[str, float], form: str) -> str:
    low, middle, high = (form.format(spread[name]) for name in ("low", "median", "high"))
    return middle if low == high else f"{middle} ({low} to {high})"


def _shades(report: dict[str, Any]) -> list[Html]:
    shades = report["shades"]
    entries = [(group, entry) for group, entry in zip(report["groups"], shades["groups"], strict=True) if entry]
    if not entries:
        return []
    # A black background, mostly in the first bins, would squeeze everything else flat.
    highest = 1.5 * max(sorted(entry["share"])[-_BACKGROUND_BINS - 1] for _, entry in entries) or 1.0
    figures = []
    for group, entry in entries:
        text = (
            f"mean {entry['mean']:.3f}, standard deviation between pictures {entry['sd_of_means']:.3f}; black "
            f"{entry['share'][0]:.1%}, white {entry['share'][-1]:.1%} of the pixels; {entry['images']} pictures"
        )
        chart = histogram(entry["share"], shades["all"]["share"], highest, f"Brightness of {group}: {text}")
        figures.append(figure(chart, joined([element("strong", group), f": {text}"], "")))
    words = (
        "How the pixels of each class are spread from black to white, as a display shows them; every picture counts "
        "alike. Dashed: all classes together. One scale for all; what is higher, mostly black background, is cut off."
    )
    return [paragraph(words, class_="fine"), gallery(figures)]


def _image(pictures: Mapping[str, SmallPicture], case: str, alt: str) -> Html:
    found = pictures[case]
    return picture(found.data, alt, found.width, found.height)


def _samples(report: dict[str, Any], pictures: Mapping[str, SmallPicture]) -> list[Html]:
    blocks = [paragraph(f"Drawn at random with seed {report['seed']}.", class_="fine")]
    for group, cases in zip(report["groups"], report["samples"], strict=True):
        if cases:
            images = [_image(pictures, case, f"Example {index} of {group}") for index, case in enumerate(cases, 1)]
            blocks += [element("h3", group), strip(images)]
    return blocks


def _label_text(report: dict[str, Any], label: Any) -> str:
    if not isinstance(label, list):
        return report["labels"][label]
    return ", ".join(name for name, value in zip(report["labels"], label, strict=True) if value) or "no finding"


def _describe(report: dict[str, Any], image: dict[str, Any]) -> Html:
    where = f"{image['section']}, {_label_text(report, image['label'])}"
    return joined([element("span", image["case"], class_="name"), f" ({where})"], "")


def _matrix(twins: dict[str, Any]) -> Html:
    rows = [(name, *(found[other] for other in SECTIONS)) for name, found in twins["images_with_twin_in"].items()]
    return table("Pictures with a twin, by section", ("of", *(f"have one in {name}" for name in SECTIONS)), rows)


def _pair(report: dict[str, Any], pictures: Mapping[str, SmallPicture], pair: list[dict[str, Any]], words: str) -> Html:
    images = [_image(pictures, image["case"], f"Picture in {image['section']}") for image in pair]
    lines = [element("strong", words), *(_describe(report, image) for image in pair)]
    return figure(strip(images, pair=True), joined(lines, "<br>"))


def _identical(report: dict[str, Any], pictures: Mapping[str, SmallPicture]) -> list[Html]:
    twins = report["identical"]
    if not twins["sets"]:
        return [paragraph("No two pictures are equal, pixel by pixel.")]
    text = (
        f"{twins['images']} pictures in {counted(twins['sets'], 'set')} are equal, pixel by pixel, whatever their "
        f"files. {_troubles(twins, 'set')}"
    )
    shown = twins["listed"][:SHOWN_TWINS] if pictures else []
    figures = [_pair(report, pictures, found[:2], f"{len(found)} identical pictures") for found in shown]
    rows = [(joined([_describe(report, image) for image in found], "<br>"), len(found)) for found in twins["listed"]]
    listing = table(_caption("Sets", len(rows), twins["sets"]), ("identical pictures", "number"), rows[:_LISTED])
    all_seen = len(shown) == twins["images"] / 2
    return [paragraph(text), _matrix(twins), gallery(figures), *(() if all_seen else (listing,))]


def _near(report: dict[str, Any], pictures: Mapping[str, SmallPicture]) -> list[Html]:
    twins = report["near"]
    if not twins["pairs"]:
        return [paragraph("No two pictures are near duplicates.")]
    text = (
        f"{counted(twins['pairs'], 'pair')} among {twins['images']} pictures, whose fingerprints differ in at most "
        f"{twins['at_most_bits_apart']} of {twins['bits']} bits. {_troubles(twins, 'pair')} These come first. "
        "Neighbouring slices of one patient are near duplicates, too; that does no harm inside one section."
    )
    shown = twins["listed"][:SHOWN_TWINS] if pictures else []
    figures = [_pair(report, pictures, found["images"], _apart(found)) for found in shown]
    rows = [
        (*(_describe(report, image) for image in found["images"]), found["bits_apart"], _patients(found))
        for found in twins["listed"]
    ]
    header = ("picture", "is near to", "bits apart", "patients")
    listing = table(_caption("Pairs", len(rows), twins["pairs"]), header, rows[:_LISTED])
    all_seen = len(shown) == twins["pairs"]
    return [paragraph(text), _matrix(twins), gallery(figures), *(() if all_seen else (listing,))]


def _troubles(twins: dict[str, Any], noun: str) -> str:
    over, unequal = counted(twins["across_sections"], noun), counted(twins["different_labels"], noun)
    return f"Over two sections: {over}; with different labels: {unequal}."


def _caption(what: str, named: int, count: int) -> str:
    listed = min(named, _LISTED)
    return what if listed == count else f"{what}: {listed} of {count}"


def _apart(found: dict[str, Any]) -> str:
    return f"{found['bits_apart']} bits apart, {_patients(found)}"


def _patients(found: dict[str, Any]) -> str:
    return {True: "one patient", False: "two patients", None: "patients not known"}[found["same_patient"]]


def _unusable(report: dict[str, Any]) -> list[Html]:
    blocks = []
    if report["unreadable"]:
        rows = [(row["case"], row["section"], row["code"], row["reason"]) for row in report["unreadable"]]
        header = ("image", "section", "code", "reason")
        blocks.append(table(_caption("Images that cannot be read", len(rows), len(rows)), header, rows[:_LISTED]))
    if report["blank"]:
        rows = [(case,) for case in report["blank"]]
        blocks.append(table(_caption("Pictures of one single value", len(rows), len(rows)), ("image",), rows[:_LISTED]))
    return blocks


def _method(report: dict[str, Any]) -> list[Html]:
    near, limits = report["near"], report["warned_from"]
    sentences = (
        "Pictures are read as training reads them: rows first, [0, 1], dark is 0; DICOM with its window and polarity.",
        "Identical means that all decoded pixels are equal. Pictures of one single value are left out of the search "
        "for copies.",
        f"The fingerprint is the perceptual hash over the discrete cosine transform (Zauner 2010) with {near['bits']} "
        f"bits; at most {near['at_most_bits_apart']} different bits make a near duplicate. It survives recompression, "
        "resizing and a change of contrast; it does not find mirrored, rotated or strongly cropped copies.",
        "Cram\N{LATIN SMALL LETTER E WITH ACUTE}r's V is corrected for bias (Bergsma 2013); p is of Pearson's "
        f"chi-squared test, which takes cases as independent. A shortcut is warned of from V {limits['cramers_v']} "
        f"(a medium effect, Cohen 1988) and p {limits['p_value']} on. A link is no proof: age may predict a disease "
        "because it causes it.",
        f"Datalist {report['datalist_sha256'] or 'not saved'}; split: {report['split_method'] or 'not known'}; seed "
        f"{report['seed']}. All numbers are in this page as JSON, too (element data-report). No patient is named.",
    )
    return [element("ul", *(element("li", escape(sentence)) for sentence in sentences))]
