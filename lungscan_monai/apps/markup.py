"""Parts of the web app's page as markup that holds nothing of a file but escaped text."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lungscan_monai.apps.cards import Bar, Card, percentage
from lungscan_monai.evaluation.page_charts import Plot
from lungscan_monai.evaluation.words import Words
from lungscan_monai.metrics.curves import RocCurve, thinned
from lungscan_monai.pages import Html, element, joined, paragraph

STYLE = Html("""<style>
:root { --accent: #3a87c8; --second: #d97706; --quiet: #7d8894; --line: #7d889455; }
.ls-card { border: 1px solid var(--line); border-left: 6px solid var(--quiet); border-radius: 6px;
  padding: .8rem 1rem; }
.ls-card.decided { border-left-color: var(--accent); }
.ls-card.uncertain { border-left-color: var(--second); border-left-style: double; }
.ls-card h2 { font-size: 1.35rem; margin: .15rem 0 .4rem; padding: 0; overflow-wrap: anywhere; }
.ls-card p { margin: .35rem 0; }
.ls-state { font-size: .8rem; letter-spacing: .05em; text-transform: uppercase; }
.ls-name { overflow-wrap: anywhere; font-size: .85rem; opacity: .85; }
.ls-bars { margin: .8rem 0; padding: 0 !important; list-style: none; }
.ls-bars li { margin: .3rem 0 !important; padding: 0; }
.ls-bars .row { display: flex; justify-content: space-between; font-size: .9rem; gap: 1rem; }
.ls-bars .called { font-weight: 700; }
.ls-bars .track { position: relative; height: .8rem; background: var(--line); border-radius: 3px; }
.ls-bars .fill { position: absolute; inset: 0 auto 0 0; background: var(--accent); border-radius: 3px; }
.ls-bars .mark { position: absolute; top: -.2rem; bottom: -.2rem; width: 3px; background: var(--second); }
.ls-table { overflow-x: auto; }
.ls-table table { border-collapse: collapse; width: 100%; font-size: .9rem; }
.ls-table th, .ls-table td { text-align: left; padding: .3rem .8rem .3rem 0; border-bottom: 1px solid var(--line); }
.ls-table tbody th { min-width: 6rem; overflow-wrap: anywhere; }
.ls-warning { position: fixed; inset: auto 0 0 0; z-index: 1000000; margin: 0; padding: .35rem 1rem; text-align: center;
  background: #fcd34d; color: #1c1917 !important; font-weight: 600 !important; }
[data-testid="stMetricValue"], [data-testid="stMetricValue"] * { font-size: 1.5rem; white-space: normal !important;
  overflow: visible; }
.stMainBlockContainer { padding-top: 2.5rem; padding-bottom: 4rem; }
</style>""")
"""For all that the functions of this module return; contrasts hold on light and on dark."""

_CHART_STYLE = Html("""<style>
svg { --accent: #3a87c8; --second: #d97706; font-family: sans-serif; }
text { fill: #8a94a0; font-size: 11px; }
.axis { stroke: #7d889455; }
.bar { fill: var(--accent); }
.curve { fill: none; stroke: var(--accent); stroke-width: 1.75; }
.guide { stroke: #7d8894; stroke-dasharray: 4 3; }
</style>""")
_MOST_POINTS = 300


def warning(words: Words) -> Html:
    """Return the line that stands on every view."""
    return paragraph(words("app.not_for_diagnosis"), class_="ls-warning")


def card(shown_name: str, shown: Card, words: Words) -> Html:
    """Return what is said about one case."""
    return element(
        "section",
        element("div", words(f"app.state.{shown.state}"), class_="ls-state"),
        element("h2", shown.headline),
        element("div", shown_name, class_="ls-name"),
        *(paragraph(sentence) for sentence in shown.sentences),
        class_=f"ls-card {shown.state}",
        aria_label=words("app.case"),
    )


def bars(shown: Sequence[Bar], words: Words) -> Html:
    """Return a bar for each label, its threshold marked."""
    return element("ul", *(_bar(bar, words) for bar in shown), class_="ls-bars", aria_label=words("app.bars"))


def _bar(bar: Bar, words: Words) -> Html:
    probability = percentage(bar.probability, words)
    marks = [element("div", class_="fill", style=f"width:{100 * bar.probability:.2f}%")]
    text = probability
    if bar.threshold is not None:
        marks.append(element("div", class_="mark", style=f"left:calc({100 * bar.threshold:.2f}% - 1px)"))
        text = words("app.bar.threshold", probability=probability, threshold=words.percent(bar.threshold))
    row = element("div", element("span", bar.label), element("span", text), class_=f"row{' called' * bar.called}")
    return element("li", row, element("div", *marks, class_="track", aria_hidden="true"))


def answers_table(names: Sequence[str], cards: Sequence[Card], words: Words) -> Html:
    """Return one line for each case."""
    columns = ("case", "state", "answer", "probability")
    head = element("tr", *(element("th", words(f"app.column.{name}"), scope="col") for name in columns))
    rows = [
        element(
            "tr",
            element("th", name, scope="row"),
            element("td", words(f"app.state.{shown.state}")),
            element("td", shown.headline),
            element("td", ", ".join(percentage(bar.probability, words) for bar in shown.bars if bar.called) or "-"),
        )
        for name, shown in zip(names, cards, strict=True)
    ]
    whole = element("table", element("caption", words("app.answers")), element("thead", head), element("tbody", *rows))
    return element("div", whole, class_="ls-table", role="region", tabindex=0, aria_label=words("app.answers"))


def roc_chart(curve: RocCurve, at: tuple[float, float], words: Words) -> Html:
    """Draw a ROC curve as an SVG picture.

    Args:
        curve: The curve.
        at: 1 - specificity and sensitivity of the point to mark.
        words: In the language of the reader.
    """
    ticks = [(value, words.figures(value)) for value in (0, 0.25, 0.5, 0.75, 1)]
    plot = Plot(words("app.analysis.false_positive_rate"), words("app.analysis.sensitivity"), ticks, ticks)
    shown = thinned(curve.false_positive_rate, curve.sensitivity, _MOST_POINTS)
    line = plot.line(curve.false_positive_rate[shown].tolist(), curve.sensitivity[shown].tolist())
    chance, point = plot.line((0, 1), (0, 1), "guide"), plot.dots([at[0]], [at[1]], second=True)
    return _alone(plot.drawn(words("app.analysis.curve"), chance, line, point))


def training_chart(epochs: Sequence[float], values: Sequence[float], title: str, words: Words) -> Html:
    """Draw a number over the epochs of a training as an SVG picture."""
    low, high = min(0.0, *values), max(values)
    top = high if high > low else low + 1
    last = max(len(epochs), 2)
    plot = Plot(
        words("app.model.training.epoch"),
        title,
        [(value, words.count(int(value))) for value in np.unique(np.linspace(1, last, 5).round())],
        [(value, words.figures(value, 2)) for value in np.linspace(low, top, 5)],
        (1, last),
        (low, top),
    )
    return _alone(plot.drawn(title, plot.line(list(epochs), list(values)), plot.dots(epochs, values)))


def _alone(svg: Html) -> Html:
    """Return a chart as a picture of its own, whose colours hold on light and on dark."""
    opening, _, rest = svg.partition(">")
    return Html(f'{opening} xmlns="http://www.w3.org/2000/svg">{_CHART_STYLE}{rest}')


def explained_words(words: Words) -> Html:
    """Return how it all works, in plain words."""
    topics = ("read", "network", "probability", "uncertain", "assessable", "heatmap")
    return joined(
        element("section", element("h3", words(f"app.how.{topic}.title")), paragraph(words(f"app.how.{topic}")))
        for topic in topics
    )
