"""The curves of the page, drawn from the points of the report."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lungscan_monai.evaluation.page_charts import Plot
from lungscan_monai.evaluation.words import Words
from lungscan_monai.pages import Html, element, figure, joined, note, paragraph

SHOWN_AT_MOST = 24
"""Labels whose curves are drawn; of more the first."""

_MANY = 4


def roc_and_precision(report: dict[str, Any], words: Words) -> list[Html]:
    """Return ROC and precision-recall curve of each label."""
    labels = report["labels"][:SHOWN_AT_MOST]
    if len(labels) == 1:
        return [_charts([_roc(labels[0], words), _precision_recall(labels[0], words)], 2)]
    return [
        *_left_out(report, words),
        element("h3", words("roc.heading")),
        _charts([_roc(label, words) for label in labels], len(labels)),
        element("h3", words("pr.heading")),
        _charts([_precision_recall(label, words) for label in labels], len(labels)),
    ]


def reliability(report: dict[str, Any], words: Words) -> list[Html]:
    """Return reliability curve and spread of the probabilities of each label."""
    labels = report["labels"][:SHOWN_AT_MOST]
    pairs = [(_reliability(label, words), _spread(label, words)) for label in labels]
    if len(labels) == 1:
        return [_charts(pairs[0], 2)]
    return [
        *_left_out(report, words),
        _charts([curve for curve, _ in pairs], len(labels)),
        element("h3", words("spread.heading")),
        _charts([spread for _, spread in pairs], len(labels)),
    ]


def decision_curves(report: dict[str, Any], words: Words) -> list[Html]:
    """Return the decision curve of each label, and how it is read; nothing where the report has none."""
    labels = [label for label in report["labels"] if "decision" in label["curves"]]
    if not labels:
        return []
    charts = [_decision(label, words) for label in labels[:SHOWN_AT_MOST]]
    return [paragraph(words("decision.explained")), *_left_out(report, words), _charts(charts, max(2, len(labels)))]


def risk_curves(report: dict[str, Any], words: Words) -> list[Html]:
    """Return the share of errors over the share of answered cases, of exclusive classes together or of each label."""
    together = report["overall"].get("selective")
    owners = [{"label": words("all_classes"), "selective": together}] if together else report["labels"]
    owners = [owner for owner in owners if owner.get("selective")]
    if not owners:
        return []
    charts = [_risk(owner, words) for owner in owners[:SHOWN_AT_MOST]]
    return [_charts(charts, max(2, len(owners)))]


def _charts(charts: Any, n: int) -> Html:
    """Return charts side by side: large ones where there are few."""
    narrowest, widest = ("22rem", "62rem") if n <= _MANY else ("19rem", "none")
    columns = f"grid-template-columns:repeat(auto-fill,minmax(min(100%,{narrowest}),1fr));max-width:{widest}"
    return element("div", *charts, class_="gallery", style=columns)


def _left_out(report: dict[str, Any], words: Words) -> list[Html]:
    more = len(report["labels"]) - SHOWN_AT_MOST
    return [paragraph(words("curves.left_out", n=more, shown=SHOWN_AT_MOST), class_="fine")] if more > 0 else []


def _figure(label: dict[str, Any], entry: dict[str, Any], words: Words, draw: Callable[[], tuple[Html, str]]) -> Html:
    """Return a chart under its label, or why there is none."""
    name = element("strong", label["label"])
    if "not_computable" in entry:
        reason = words("not_computable", reason=words.said(entry["not_computable"]))
        return figure(note(words("no_curve"), reason), name)
    chart, text = draw()
    return figure(chart, joined([name, f": {text}"], ""))


def _ticks(
    words: Words, values: tuple[float, ...] = (0, 0.25, 0.5, 0.75, 1), digits: int = 3
) -> list[tuple[float, str]]:
    return [(value, words.figures(value, digits)) for value in values]


def _top(highest: float) -> float:
    """Return where an axis of shares ends."""
    return next(top for top in (0.02, 0.05, 0.1, 0.2, 0.5, 1.0) if highest <= top)


def _square(words: Words, x: str, y: str) -> Plot:
    return Plot(words(x), words(y), _ticks(words), _ticks(words))


def _chance(plot: Plot) -> Html:
    return plot.line((0, 1), (0, 1), "guide")


def _roc(label: dict[str, Any], words: Words) -> Html:
    curve = label["curves"]["roc"]

    def draw() -> tuple[Html, str]:
        plot = _square(words, "axis.false_positive_rate", "axis.sensitivity")
        band, point = curve["band"], label["operating_point"]
        at = point.get("test", label["metrics"])
        marks = [
            plot.band(band["false_positive_rate"], band["low"], band["high"]),
            _chance(plot),
            plot.line(curve["false_positive_rate"], curve["sensitivity"]),
        ]
        if "value" in at["sensitivity"] and "value" in at["specificity"]:
            marks.append(plot.dots([1 - at["specificity"]["value"]], [at["sensitivity"]["value"]], second=True))
        auc = words.estimate(label["metrics"]["roc_auc"])
        text = words("roc.caption", auc=auc, threshold=words.figures(point["threshold"]))
        return plot.drawn(words("roc.alt", label=label["label"], auc=auc), *marks), text

    return _figure(label, curve, words, draw)


def _precision_recall(label: dict[str, Any], words: Words) -> Html:
    curve = label["curves"]["precision_recall"]

    def draw() -> tuple[Html, str]:
        plot = _square(words, "axis.recall", "axis.precision")
        recall, precision = [0.0, *curve["recall"]], [curve["precision"][0], *curve["precision"]]
        chance = plot.line((0, 1), (label["prevalence"],) * 2, "guide")
        average = words.estimate(label["metrics"]["average_precision"])
        text = words("pr.caption", average=average, prevalence=words.number(label["prevalence"]))
        alt = words("pr.alt", label=label["label"], average=average)
        return plot.drawn(alt, chance, plot.steps(recall, precision)), text

    return _figure(label, curve, words, draw)


def _reliability(label: dict[str, Any], words: Words) -> Html:
    curve = label["curves"]["reliability"]

    def draw() -> tuple[Html, str]:
        plot = _square(words, "axis.predicted", "axis.observed")
        predicted, observed = curve["mean_predicted"], curve["observed"]
        marks = [_chance(plot)]
        before = label["curves"].get("reliability_before")
        if before and "observed" in before:
            marks.append(plot.line(before["mean_predicted"], before["observed"], "curve second"))
        marks.append(plot.whiskers(predicted, curve["low"], curve["high"]))
        marks += [plot.line(predicted, observed), plot.dots(predicted, observed)]
        ece = words.estimate(label["metrics"]["ece"])
        fewest, most = min(curve["cases"]), max(curve["cases"])
        cases = words.count(most) if fewest == most else words("range", low=words.count(fewest), high=words.count(most))
        text = words("reliability.caption_before" if len(marks) > 4 else "reliability.caption", ece=ece, cases=cases)
        return plot.drawn(words("reliability.alt", label=label["label"], ece=ece), *marks), text

    return _figure(label, curve, words, draw)


def _spread(label: dict[str, Any], words: Words) -> Html:
    histogram = label["curves"]["histogram"]

    def draw() -> tuple[Html, str]:
        edges = histogram["edges"]
        shares = {
            name: [count / max(1, sum(histogram[name])) for count in histogram[name]]
            for name in ("positive", "negative")
        }
        top = _top(max(*shares["positive"], *shares["negative"]))
        y_ticks = [(top * part, words.percent(top * part)) for part in (0, 0.5, 1)]
        plot = Plot(words("axis.probability"), words("axis.share"), _ticks(words), y_ticks, y_range=(0.0, top))
        x = [value for value in edges for _ in range(2)]
        outline = {name: [0.0, *(share for share in of for _ in range(2)), 0.0] for name, of in shares.items()}
        marks = [
            plot.band(x, [0.0] * len(x), outline["positive"]),
            plot.line(x, outline["negative"], "curve second"),
            plot.line(x, outline["positive"]),
            plot.upright(label["operating_point"]["threshold"]),
        ]
        counts = {name: words.count(sum(histogram[name])) for name in shares}
        alt = words("spread.alt", label=label["label"])
        return plot.drawn(alt, *marks), words("spread.caption", **counts)

    return _figure(label, histogram, words, draw)


def _decision(label: dict[str, Any], words: Words) -> Html:
    curve = label["curves"]["decision"]

    def draw() -> tuple[Html, str]:
        highest = max(label["prevalence"], 0.02)
        y_range = (-0.25 * highest, 1.1 * highest)
        y_ticks = [(value, words.number(value, 2)) for value in (0.0, highest / 2, highest)]
        plot = Plot(words("axis.threshold"), words("axis.net_benefit"), _ticks(words), y_ticks, y_range=y_range)
        marks = [
            plot.band(curve["thresholds"], curve["low"], curve["high"]),
            plot.line((0, 1), (curve["treat_none"],) * 2, "guide"),
            plot.line(curve["thresholds"], curve["treat_all"], "curve second"),
            plot.line(curve["thresholds"], curve["net_benefit"]),
        ]
        return plot.drawn(words("decision.alt", label=label["label"]), *marks), words("decision.caption")

    return _figure(label, curve, words, draw)


def _risk(owner: dict[str, Any], words: Words) -> Html:
    found = owner["selective"]

    def draw() -> tuple[Html, str]:
        curve = found["curve"]
        top = _top(max(curve["risk"]))
        y_ticks = [(value, words.percent(value)) for value in (0.0, top / 2, top)]
        plot = Plot(words("axis.coverage"), words("axis.risk"), _ticks(words), y_ticks, y_range=(0.0, top))
        area = words.estimate(found["aurc"])
        text = words("risk.caption", area=area, confidence=words.said(found["confidence"]))
        return plot.drawn(
            words("risk.alt", label=owner["label"], area=area), plot.line(curve["coverage"], curve["risk"])
        ), text

    return _figure(owner, found, words, draw)
