"""The view where a person drops files, sees what the model says of each, asks why, and keeps it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import streamlit as st

from lungscan_monai.apps.cards import Card, card_of
from lungscan_monai.apps.evidence import Evidence
from lungscan_monai.apps.exports import KeptCase, as_csv, as_dicom_zip, as_json, as_pdf, require_dicom
from lungscan_monai.apps.markup import answers_table, bars, card
from lungscan_monai.apps.models import ServedModel
from lungscan_monai.apps.streamlit_session import (
    Case,
    cases_of,
    fetch_into_session,
    fetched,
    outcomes_of,
    settings,
    upload_folder,
)
from lungscan_monai.apps.viewing import Viewed
from lungscan_monai.dicom.windows import Window
from lungscan_monai.errors import MissingDependencyError, ReadError
from lungscan_monai.evaluation.words import Words
from lungscan_monai.inference.answering import Prediction
from lungscan_monai.saliency.cams import METHODS
from lungscan_monai.saliency.overlay import as_rgb, overlay
from lungscan_monai.transforms.jpeg import as_jpeg

_METHOD_NAMES = {
    "gradcam": "Grad-CAM",
    "gradcam++": "Grad-CAM++",
    "layercam": "LayerCAM",
    "hirescam": "HiResCAM",
    "occlusion": "Occlusion",
}
_WIDEST_WINDOW = 4  # times the file's own
_QUALITY = 95  # of the JPEG files on the screen


def show_cases(model: ServedModel, evidence: Evidence | None, words: Words) -> None:
    """Draw the whole view.

    Args:
        model: The model chosen.
        evidence: What was measured of it.
        words: In the language of the reader.
    """
    files = st.file_uploader(
        words("app.upload"), accept_multiple_files=True, help=words("app.upload.help"), key="files"
    )
    _ask_for_address(words)
    outcomes = [*outcomes_of(files), *fetched()]
    if not outcomes:
        st.info(words("app.nothing_yet"))
        return
    with st.spinner(words("app.working")):
        cases = cases_of(model, outcomes)
    cards = [card_of(case.analysed, model.identity, evidence, words) for case in cases]
    if len(cases) > 1:
        st.html(answers_table([case.shown_name for case in cases], cards, words))
    chosen = _chosen(cases, words)
    picture, explanation = _one_case(model, cases[chosen], cards[chosen], words)
    _keep(model, cases, cards, chosen, (picture, explanation), words)


def _ask_for_address(words: Words) -> None:
    if not settings().url_hosts:
        return
    with st.form("address", clear_on_submit=True):
        url = st.text_input(words("app.url", hosts=words.listed(settings().url_hosts)), key="url")
        if st.form_submit_button(words("app.url.fetch")) and url:
            fetch_into_session(url)


def _chosen(cases: Sequence[Case], words: Words) -> int:
    if len(cases) == 1:
        return 0
    return st.selectbox(
        words("app.case"),
        range(len(cases)),
        format_func=lambda index: f"{index + 1}. {cases[index].shown_name}",  # alike in all languages and models
        key="case",
    )


def _one_case(model: ServedModel, case: Case, shown: Card, words: Words) -> tuple[np.ndarray | None, np.ndarray | None]:
    """Draw one case, and return its picture and its heatmap as they were shown."""
    said, looked_at = st.columns([2, 3], gap="medium")  # in this order on a narrow screen
    with said:
        st.html(card(case.shown_name, shown, words))
        if shown.bars:
            st.html(bars(shown.bars, words))
    if not isinstance(case.analysed.answer, Prediction):
        return None, None
    with looked_at:
        try:
            return _pictures(model, case, words)
        except ReadError as error:
            st.error(words("app.reason", reason=error.reason, code=error.code))
            return None, None


def _pictures(model: ServedModel, case: Case, words: Words) -> tuple[np.ndarray, np.ndarray | None]:
    """Draw the picture, and below it what changes it."""
    answer, frame = case.analysed.answer, st.container()
    label, method, opacity, is_beside = (
        answer.label or max(answer.probabilities, key=answer.probabilities.get),
        "",
        0,
        False,
    )
    if wants := st.toggle(words("app.explain"), key="explain"):
        label, method, opacity, is_beside = _asked(model, case, label, words)
    path = _shown_slice(model, case, label, words)
    seen = _view(model, path)
    window = _window(seen, path, words)
    shades = seen.shades(window, st.checkbox(words("app.invert"), key="invert"))
    picture = np.rint(as_rgb(shades) * 255).astype(np.uint8)
    explained = overlay(shades, _saliency(model, path, label, method), opacity) if wants else None
    shown = [] if wants and not is_beside else [(picture, words("app.picture.alt"))]
    shown += [(explained, words("app.heatmap.alt", label=label))] if wants else []
    for column, (content, alt) in zip(frame.columns(len(shown)), shown, strict=True):
        column.image(as_jpeg(content, _QUALITY), width="stretch", alt=alt)
    if wants:
        frame.caption(words("app.explain.means", label=label))
    return picture, explained


def _asked(model: ServedModel, case: Case, label: str, words: Words) -> tuple[str, str, float, bool]:
    """Return label, method, opacity, and whether the picture itself is wanted beside its heatmap."""
    first, second = st.columns(2)
    names, key = list(model.task.label_names), f"label {model.offer.name} {case.analysed.sources[0].name}"
    label = first.selectbox(words("app.explain.label"), names, index=names.index(label), key=key)
    method = second.selectbox(
        words("app.explain.method"),
        list(METHODS),
        format_func=lambda name: _METHOD_NAMES.get(name, name),
        help=words("app.explain.slow"),
        key="method",
    )
    opacity = first.slider(words("app.explain.opacity"), 0, 100, 45, format="%d %%", key="opacity") / 100
    return label, method, opacity, second.toggle(words("app.explain.beside"), key="beside")


def _shown_slice(model: ServedModel, case: Case, label: str, words: Words) -> Path:
    """Return the file to look at: of a series the slice that speaks for the label most."""
    sources, path = case.analysed.sources, model.source_for(case.analysed, label)
    if len(sources) > 1:
        st.caption(words("app.explain.slice", number=sources.index(path) + 1, count=len(sources)))
    return path


def _view(model: ServedModel, path: Path) -> Viewed:
    """Read a picture for looking; the last one is kept, so that moving a slider reads nothing."""
    if st.session_state.get("viewed_path") != path:
        st.session_state["viewed"], st.session_state["viewed_path"] = model.view(path), path
    return st.session_state["viewed"]


def _saliency(model: ServedModel, path: Path, label: str, method: str) -> np.ndarray:
    key = (model.offer.name, path, label, method)
    if st.session_state.get("saliency_key") != key:
        (found,) = model.saliency(path, [label], method)
        st.session_state["saliency"], st.session_state["saliency_key"] = found, key
    return st.session_state["saliency"]


def _window(seen: Viewed, path: Path, words: Words) -> Window | None:
    if seen.window is None:
        return None
    own, reach = seen.window, _WIDEST_WINDOW * seen.window.width
    first, second = st.columns(2)
    step = max(own.width / 200, 1e-3)
    center = first.slider(
        words("app.window.center"),
        own.center - reach / 2,
        own.center + reach / 2,
        own.center,
        step,
        key=f"center {path.name}",
    )
    width = second.slider(words("app.window.width"), step, reach, own.width, step, key=f"width {path.name}")
    return Window(center, width)


def _keep(
    model: ServedModel,
    cases: Sequence[Case],
    cards: Sequence[Card],
    chosen: int,
    pictures: tuple[np.ndarray | None, ...],
    words: Words,
) -> None:
    kept = [KeptCase(case.shown_name, case.analysed, shown) for case, shown in zip(cases, cards, strict=True)]
    shown = tuple(picture for picture in pictures if picture is not None)
    this = KeptCase(cases[chosen].shown_name, cases[chosen].analysed, cards[chosen], shown)
    st.subheader(words("app.keep"))
    columns = st.columns(4)
    with columns[0]:
        title = model.task.told_in(words.language).title
        pdf = partial(as_pdf, this, replace(model.identity, title=title), words)
        st.download_button(words("app.keep.pdf"), pdf, "case.pdf", "application/pdf", on_click="ignore")
    with columns[1]:
        text = as_json(this, model.identity, words)
        st.download_button(words("app.keep.json"), text, "case.json", "application/json", on_click="ignore")
    with columns[2]:
        table = as_csv(kept, model.identity, words)
        st.download_button(words("app.keep.csv"), table, "cases.csv", "text/csv", on_click="ignore")
    if cases[chosen].is_dicom:
        with columns[3]:
            _keep_dicom(model, cases[chosen], words)


def _keep_dicom(model: ServedModel, case: Case, words: Words) -> None:
    try:
        require_dicom()
    except MissingDependencyError as error:
        st.caption(words("app.keep.no_dicom", reason=str(error)))
        return
    folder = upload_folder().path  # asked for here: what is made at the click is made in no session

    def made() -> bytes:
        (explained,) = model.analyse(case.analysed.sources, explained=True)
        return as_dicom_zip(explained, model.identity, folder)

    st.download_button(words("app.keep.dicom"), made, "results.zip", "application/zip", on_click="ignore")
