"""The main numbers of the page: of each label, their means, of exclusive classes together, and the confusion matrix."""

from __future__ import annotations

from typing import Any

from lungscan_monai.evaluation.page_charts import whisker
from lungscan_monai.evaluation.page_facts import bullets
from lungscan_monai.evaluation.words import Words
from lungscan_monai.pages import Cell, Html, element, joined, paragraph, table

_OF_PROBABILITIES = ("average_precision", "brier", "ece")
_OF_ANSWERS = ("sensitivity", "specificity", "ppv", "npv", "f1")
_NOT_DRAWN = ("mcc", "kappa")
_MEANS = ("macro", "micro", "weighted")
_OUTCOMES = ("tp", "fn", "fp", "tn")


def in_short(report: dict[str, Any], words: Words) -> str:
    """Return the sentence that the page begins with."""
    test, labels = report["sections"]["test"], report["labels"]
    unknown = test["cases_of_unknown_patient"]
    measured = words(
        "short.cases_of_unknown" if unknown else "short.cases",
        cases=words.count(test["cases"]),
        patients=words.count(test["known_patients"]),
        unknown=words.count(unknown),
    )
    if report["kind"] == "binary":
        found = labels[0]["metrics"]
        names = ("sensitivity", "specificity")
        values = {name: words.share(found[name]) if "value" in found[name] else words("no_number") for name in names}
        auc = words.estimate(found["roc_auc"])
        return f"{measured} {words('short.binary', label=labels[0]['label'], roc_auc=auc, **values)}"
    overall = report["overall"]
    auc = words.estimate(overall["macro"]["roc_auc"])
    if report["kind"] == "multilabel":
        return f"{measured} {words('short.multilabel', n=len(labels), roc_auc=auc)}"
    accuracy = words.estimate(overall["classes"]["accuracy"])
    return f"{measured} {words('short.multiclass', n=len(labels), accuracy=accuracy, roc_auc=auc)}"


def estimate_cell(entry: dict[str, Any], words: Words) -> Cell:
    """Return a table cell with a number and its interval below, sorted by the number."""
    if "not_computable" in entry or entry["low"] is None:
        return Cell(words.briefly(entry), entry.get("value"))
    limits = words("limits", low=words.number(entry["low"]), high=words.number(entry["high"]))
    return Cell(_in_lines(words.number(entry["value"]), limits), entry["value"])


def roomy(content: Any) -> Html:
    """Return what a table cell holds, kept from becoming a column of single words on a phone."""
    return element("span", content, style="display:block;min-width:9.5rem")


def _in_lines(first: Any, *others: Any) -> Html:
    return joined([first, *(element("span", other, class_="fine") for other in others)], "<br>")


def _drawn(name: str, entry: dict[str, Any]) -> Html | str:
    if "value" not in entry or name in _NOT_DRAWN:
        return ""
    return whisker(entry["value"], entry["low"], entry["high"])


def results(report: dict[str, Any], words: Words) -> list[Html]:
    """Return the tables of the numbers and the reasons of those that are not computable."""
    labels, overall = report["labels"], report["overall"]
    if len(labels) == 1:
        return [
            _metrics(words("results.of", label=labels[0]["label"]), labels[0]["metrics"], words),
            _outcomes(report, words),
        ]
    together = [_metrics(words("results.together"), overall["classes"], words)] if overall["classes"] else []
    return [
        *together,
        _means(overall, words),
        paragraph(words("results.means"), class_="fine"),
        *_of_labels(labels, words),
        *_reasons(labels, words),
        _outcomes(report, words),
    ]


def _metrics(caption: str, metrics: dict[str, Any], words: Words) -> Html:
    rows = []
    for name, entry in metrics.items():
        lines = [words.name("metric", name), words.name("meaning", name)]
        if "interval" in entry:
            lines.append(words("results.other_interval", interval=words.said(entry["interval"])))
        shown = estimate_cell(entry, words) if entry.get("low") is not None else words.estimate(entry)
        rows.append((roomy(_in_lines(*lines)), shown, _drawn(name, entry)))
    header = ("results.number", "results.value", "results.drawn")
    return table(caption, [words(key) for key in header], rows)


def _means(overall: dict[str, Any], words: Words) -> Html:
    names = overall["macro"]
    rows = [
        (words.name("metric", name), *(estimate_cell(overall[mean][name], words) for mean in _MEANS)) for name in names
    ]
    return table(
        words("results.over_labels"), [words("results.number"), *(words(f"mean.{mean}") for mean in _MEANS)], rows
    )


def _of_labels(labels: list[dict[str, Any]], words: Words) -> list[Html]:
    """Return a table of what rests on the probabilities alone, and one of what rests on the answers."""
    first = (words("labels.label"), words.name("metric", "roc_auc"), words("results.drawn"))
    ranked, answered = [], []
    for label in labels:
        metrics = label["metrics"]
        auc = metrics["roc_auc"]
        numbers = (estimate_cell(metrics[name], words) for name in _OF_PROBABILITIES)
        ranked.append((label["label"], estimate_cell(auc, words), _drawn("roc_auc", auc), *numbers))
        answered.append((label["label"], *(estimate_cell(metrics[name], words) for name in _OF_ANSWERS)))
    names = [words.name("metric", name) for name in _OF_PROBABILITIES]
    answers = [words.name("metric", name) for name in _OF_ANSWERS]
    return [
        table(words("results.each"), [*first, *names], ranked),
        table(words("results.each_answer"), [words("labels.label"), *answers], answered),
    ]


def _reasons(labels: list[dict[str, Any]], words: Words) -> list[Html]:
    found: dict[tuple[str, str], list[str]] = {}
    for label in labels:
        for name, entry in label["metrics"].items():
            if "not_computable" in entry:
                found.setdefault((label["label"], entry["not_computable"]), []).append(words.name("metric", name))
    if not found:
        return []
    sentences = [
        joined([element("strong", f"{label}:"), f" {words.listed(names)}: {words.said(reason)}."], "")
        for (label, reason), names in found.items()
    ]
    return [paragraph(words("results.not_computable")), bullets(sentences)]


def _outcomes(report: dict[str, Any], words: Words) -> Html:
    rows = [
        (label["label"], *(Cell(words.count(label["table"][name]), label["table"][name]) for name in _OUTCOMES))
        for label in report["labels"]
    ]
    header = [words("labels.label"), *(words(f"outcome.{name}") for name in _OUTCOMES)]
    return table(words("outcome.caption"), header, rows)


def confusion(report: dict[str, Any], words: Words) -> list[Html]:
    """Return who was taken for whom, with shares of the row; nothing where labels may occur together."""
    found = report["confusion_matrix"]
    if found is None:
        return []
    names, rows = report["label_names"], []
    for name, counts in zip(names, found["counts"], strict=True):
        total = sum(counts)
        cells = [
            _confused(count, total, words, right=name == other) for other, count in zip(names, counts, strict=True)
        ]
        rows.append((name, *cells, Cell(words.count(total), total)))
    header = [
        words("confusion.reference"),
        *(words("confusion.called", label=name) for name in names),
        words("confusion.all"),
    ]
    caption = words("confusion.caption", how=words.said(found["predicted_by"]))
    return [table(caption, header, rows), paragraph(words("confusion.explained"), class_="fine")]


def _confused(count: int, total: int, words: Words, *, right: bool) -> Cell:
    share = words.percent(count / total) if total else "\N{EN DASH}"
    strength = round(100 * count / total) if total else 0
    colour = "--accent" if right else "--second"
    style = f"display:block;padding:.15rem .4rem;border-left:{3 + strength / 12:.1f}px solid var({colour})"
    return Cell(element("span", element("strong", words.count(count)), f" ({share})", style=style), count)
