"""The web app: see, ask, keep, understand. Streamlit runs this file; `lungscan app` starts it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from lungscan_monai.apps.app_settings import is_token, read_token
from lungscan_monai.apps.evidence import Evidence, load_evidence
from lungscan_monai.apps.markup import STYLE, explained_words, warning
from lungscan_monai.apps.models import Offer, ServedModel
from lungscan_monai.apps.streamlit_cases import show_cases
from lungscan_monai.apps.streamlit_model import show_model, show_thresholds
from lungscan_monai.apps.streamlit_session import loaded, models, settings
from lungscan_monai.apps.words import LANGUAGES, app_words
from lungscan_monai.errors import LungScanError
from lungscan_monai.evaluation.words import Words

_SECONDS_AFTER_A_WRONG_TOKEN = 1.0
_VIEWS = ("cases", "thresholds", "model", "how")
_SECONDS_OF_EVIDENCE = 60.0  # a new evaluation is seen after so long


def main() -> None:
    """Draw the page, once for each thing that its reader does."""
    st.set_page_config(page_title="LungScan MONAI", layout="wide", initial_sidebar_state="auto")
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
        key="language",
    )
    return app_words(language)


def _is_let_in(words: Words) -> bool:
    token_file = settings().token_file
    if token_file is None or st.session_state.get("let_in"):
        return True
    st.text(words("app.token.why"))
    with st.form("token"):
        given = st.text_input(words("app.token.ask"), type="password", key="token given")
        if st.form_submit_button(words("app.token.enter")):
            if is_token(given, read_token(token_file)):
                st.session_state["let_in"] = True
                st.rerun()
            time.sleep(_SECONDS_AFTER_A_WRONG_TOKEN)
            st.error(words("app.token.wrong"))
    return False


def _offer(words: Words) -> Offer:
    offers = models().offers

    def shown(name: str) -> str:  # alike in all languages, since the box remembers the words that were chosen
        return f"{name} (demo)" if offers[name].is_demonstration else name

    return offers[st.sidebar.selectbox(words("app.model"), list(offers), format_func=shown, key="model")]


def _no_model(offer: Offer, words: Words) -> None:
    name = offer.task.name
    st.subheader(words("app.no_model"))
    st.text(offer.task.told_in(words.language).title)
    st.text(words("app.no_model.train"))
    st.code(f"lungscan train {name} --datalist datalist.json --output runs/{name}", language="bash")
    st.text(words("app.no_model.restart"))
    st.code(f"lungscan app runs/{name}", language="bash")
    st.text(words("app.no_model.demo"))
    st.code("lungscan app --demo demonstration", language="bash")


def _loaded(offer: Offer, words: Words) -> ServedModel | None:
    try:
        with st.spinner(words("app.working")):
            return loaded(offer.name)
    except LungScanError as error:
        st.error(words("app.model_failed", reason=str(error)))
        return None


def _views(model: ServedModel, words: Words) -> None:
    evidence = _evidence(model.offer.root, model.identity.sha256)
    st.sidebar.caption(model.task.told_in(words.language).title)
    st.sidebar.caption(words("app.theme"))
    cases, thresholds, about, how = _tabs(words)
    with cases:  # always, since what is not drawn forgets its files
        show_cases(model, evidence, words)
    if thresholds.open:
        with thresholds:
            show_thresholds(model, evidence, words)
    if about.open:
        with about:
            show_model(model, evidence, words)
    if how.open:
        how.html(explained_words(words))


def _tabs(words: Words) -> Sequence[DeltaGenerator]:
    """Return the views; the open one stays open when the language changes, and with it its name."""
    names = [words(f"app.tab.{name}") for name in _VIEWS]
    if st.session_state.get("view") not in names:
        st.session_state["view"] = names[st.session_state.get("open view", 0)]
    views = st.tabs(names, key="view", on_change="rerun")
    st.session_state["open view"] = next(index for index, view in enumerate(views) if view.open)
    return views


@st.cache_resource(show_spinner=False, ttl=_SECONDS_OF_EVIDENCE)
def _evidence(root: Path, model_sha256: str) -> Evidence | None:
    return load_evidence(root, model_sha256)


if __name__ == "__main__":
    main()
