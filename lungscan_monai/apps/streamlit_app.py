"""The web app: see, ask, keep, understand. Streamlit runs this file; `lungscan app` starts it."""

from __future__ import annotations

import time

import streamlit as st

from lungscan_monai.apps.app_settings import is_token, read_token
from lungscan_monai.apps.evidence import load_evidence
from lungscan_monai.apps.markup import STYLE, explained_words, warning
from lungscan_monai.apps.models import Offer, ServedModel
from lungscan_monai.apps.streamlit_cases import show_cases
from lungscan_monai.apps.streamlit_model import show_model, show_thresholds
from lungscan_monai.apps.streamlit_session import models, settings
from lungscan_monai.apps.words import LANGUAGES, app_words
from lungscan_monai.errors import LungScanError
from lungscan_monai.evaluation.words import Words

_SECONDS_AFTER_A_WRONG_TOKEN = 1.0


def main() -> None:
    """Draw the page, once for each thing that its reader does."""
    st.set_page_config(page_title="LungScan MONAI", layout="wide", initial_sidebar_state="expanded")
    st.html(STYLE)
    words = _language()
    st.title(words("app.title"))
    st.html(warning(words))
    if not _is_let_in(words):
        return
    offer = _offer(words)
    if offer.is_demonstration:
        st.warning(words("app.demonstration"))
    if not offer.has_model:
        _no_model(offer, words)
        return
    if (model := _loaded(offer, words)) is not None:
        _views(model, words)


def _language() -> Words:
    language = st.sidebar.selectbox(
        "Language / Bahasa",
        LANGUAGES,
        index=LANGUAGES.index(settings().language),
        format_func=lambda code: app_words(code)("language"),
    )
    return app_words(language)


def _is_let_in(words: Words) -> bool:
    token_file = settings().token_file
    if token_file is None or st.session_state.get("let_in"):
        return True
    st.text(words("app.token.why"))
    with st.form("token"):
        given = st.text_input(words("app.token.ask"), type="password")
        if st.form_submit_button(words("app.token.enter")):
            if is_token(given, read_token(token_file)):
                st.session_state["let_in"] = True
                st.rerun()
            time.sleep(_SECONDS_AFTER_A_WRONG_TOKEN)
            st.error(words("app.token.wrong"))
    return False


def _offer(words: Words) -> Offer:
    offers = models().offers

    def shown(name: str) -> str:
        offer = offers[name]
        if not offer.has_model:
            return words("app.model.untrained", name=name)
        return words("app.model.demonstration", name=name) if offer.is_demonstration else name

    return offers[st.sidebar.selectbox(words("app.model"), list(offers), format_func=shown)]


def _no_model(offer: Offer, words: Words) -> None:
    name = offer.task.name
    st.subheader(words("app.no_model"))
    st.text(offer.task.title)
    st.text(words("app.no_model.train"))
    st.code(f"lungscan train {name} --datalist datalist.json --output runs/{name}", language="bash")
    st.text(words("app.no_model.restart"))
    st.code(f"lungscan app runs/{name}", language="bash")
    st.text(words("app.no_model.demo"))
    st.code("lungscan app --demo demonstration", language="bash")


def _loaded(offer: Offer, words: Words) -> ServedModel | None:
    try:
        with st.spinner(words("app.working")):
            return models().get(offer.name)
    except LungScanError as error:
        st.error(words("app.model_failed", reason=str(error)))
        return None


def _views(model: ServedModel, words: Words) -> None:
    evidence = load_evidence(model.offer.root, model.identity.sha256)
    st.sidebar.caption(model.identity.title)
    st.sidebar.caption(words("app.theme"))
    names = ("cases", "thresholds", "model", "how")
    cases, thresholds, about, how = st.tabs([words(f"app.tab.{name}") for name in names])
    with cases:
        show_cases(model, evidence, words)
    with thresholds:
        show_thresholds(model, evidence, words)
    with about:
        show_model(model, evidence, words)
    with how:
        st.html(explained_words(words))


if __name__ == "__main__":
    main()
