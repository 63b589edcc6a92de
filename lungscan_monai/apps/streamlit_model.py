"""The views where a person learns what the model is, how it was measured, and what another threshold would give."""

from __future__ import annotations

import json
import re
from pathlib import Path

import streamlit as st

from lungscan_monai.apps.cards import threshold_of
from lungscan_monai.apps.evidence import EVALUATION, Evidence
from lungscan_monai.apps.markup import roc_chart, training_chart
from lungscan_monai.apps.models import Offer, ServedModel
from lungscan_monai.apps.threshold_analysis import ThresholdAnalysis, threshold_analyses
from lungscan_monai.evaluation.page import FILE_NAMES
from lungscan_monai.evaluation.words import Words
from lungscan_monai.metrics.intervals import Interval

_REPORT_HEIGHT = 800  # pixels
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_FILE_LINK = re.compile(r"!?\[([^\]]*)\]\((?!https?://)[^)]*\)")


def show_thresholds(model: ServedModel, evidence: Evidence | None, words: Words) -> None:
    """Let a threshold move along the ROC curve of the validation cases."""
    analyses = {} if evidence is None else _analyses(evidence.folder, model.identity.sha256)
    if not analyses:
        st.info(words("app.analysis.none"))
        return
    label = st.selectbox(words("app.analysis.label"), list(analyses), key=f"analysed label {model.offer.name}")
    analysis, stored, name = analyses[label], threshold_of(label, model.identity), f"{model.offer.name} {label}"
    left, right = st.columns([3, 2], gap="medium")
    with left:
        threshold = st.slider(
            words("app.analysis.threshold"), 0.0, 100.0, 100 * stored, 0.1, format="%.1f %%", key=f"threshold {name}"
        )
        prevalence = st.number_input(
            words("app.analysis.prevalence", label=label), 0.0, 100.0, 10.0, 1.0, key=f"prevalence {name}"
        )
        _numbers(analysis, threshold / 100, prevalence / 100, words)
        positive, negative = analysis.cases
        counts = {"positive": words.count(positive), "negative": words.count(negative)}
        st.caption(words("app.analysis.data", label=label, **counts))
        if model.identity.kind != "multiclass":
            st.caption(words("app.analysis.stored", threshold=words.percent(stored)))
    with right:
        found = analysis.at(threshold / 100, prevalence / 100)
        point = (1 - found.specificity.value, found.sensitivity.value)
        st.image(roc_chart(analysis.curve, point, words), width="stretch", alt=words("app.analysis.curve"))


@st.cache_data(show_spinner=False, max_entries=8)
def _analyses(folder: Path, model_sha256: str) -> dict[str, ThresholdAnalysis]:
    return threshold_analyses(folder)


def _numbers(analysis: ThresholdAnalysis, threshold: float, prevalence: float, words: Words) -> None:
    found = analysis.at(threshold, prevalence)
    first, second = st.columns(2)
    first.metric(words("app.analysis.sensitivity"), _interval(found.sensitivity, words))
    second.metric(words("app.analysis.specificity"), _interval(found.specificity, words))
    first.metric(words("app.analysis.ppv"), _share(found.ppv, words))
    second.metric(words("app.analysis.npv"), _share(found.npv, words))


def _interval(share: Interval, words: Words) -> str:
    return words.share({"value": share.value, "low": share.low, "high": share.high})


def _share(value: float | None, words: Words) -> str:
    return words("app.analysis.undefined") if value is None else words.percent(value)


def show_model(model: ServedModel, evidence: Evidence | None, words: Words) -> None:
    """Show facts, evaluation report, training and model card."""
    st.subheader(words("app.model.facts"))
    told = model.task.told_in(words.language)
    st.text(told.title)
    st.text(words("app.model.intended", text=told.intended_use))
    st.text(words("app.model.weights", sha256=model.identity.sha256))
    st.subheader(words("app.model.report"))
    _report(model.offer, evidence, words)
    st.subheader(words("app.model.training"))
    _training(model.offer, words)
    st.subheader(words("app.model.card"))
    page = model.offer.root / "docs" / "README.md"
    with st.expander(words("app.model.card")):
        st.markdown(_card(page.read_text(encoding="utf-8")) if page.is_file() else words("app.model.card.none"))


def _card(text: str) -> str:
    """Return a model card without comments, and without links to files beside it, which a browser does not reach."""
    return _FILE_LINK.sub(r"\1", _COMMENT.sub("", text))


def _report(offer: Offer, evidence: Evidence | None, words: Words) -> None:
    page = offer.root / EVALUATION / FILE_NAMES[words.language]
    if evidence is None or not page.is_file():
        st.info(words("app.model.report.none"))
        st.code(f"lungscan evaluate {offer.root} --datalist datalist.json", language="bash")
        return
    content = page.read_bytes()
    st.download_button(words("app.model.report.download"), content, page.name, "text/html", on_click="ignore")
    with st.expander(words("app.model.report")):
        st.iframe(content.decode("utf-8"), height=_REPORT_HEIGHT)


def _training(offer: Offer, words: Words) -> None:
    try:
        history = json.loads((offer.root / "models" / "history.json").read_text(encoding="utf-8"))
        epochs, metric = history["epochs"], history["metric"]
    except (OSError, ValueError, KeyError):
        st.info(words("app.model.training.none"))
        return
    titles = {
        "train_loss": words("app.model.training.loss"),
        metric: words("app.model.training.metric", metric=words.name("metric", metric)),
    }
    for column, (name, title) in zip(st.columns(2), titles.items(), strict=True):
        points = [(number, epoch[name]) for number, epoch in enumerate(epochs, start=1) if epoch.get(name) is not None]
        if points:
            numbers, values = zip(*points, strict=True)
            column.image(training_chart(numbers, values, title, words), width="stretch", alt=title)
