"""A demonstration page over the served models, and its API: Gradio, started by `lungscan demo`.

Pictures go to the browser inside of the page's markup, so that none is left in a file; uploads lie in one private
folder and go when their page is closed. Nothing is asked of any other host.
"""

from __future__ import annotations

import base64
import json
import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.data_classes import FileData, ListFiles

from lungscan_monai.apps.app_settings import is_token
from lungscan_monai.apps.cards import Card, card_of
from lungscan_monai.apps.evidence import Evidence, load_evidence
from lungscan_monai.apps.exports import KeptCase, as_json
from lungscan_monai.apps.markup import STYLE, answers_table, bars, card, warning
from lungscan_monai.apps.models import ModelStore, ServedModel
from lungscan_monai.apps.pictures import as_png, overlay_of
from lungscan_monai.apps.uploads import Accepted, Upload, UploadFolder
from lungscan_monai.apps.words import LANGUAGES, app_words
from lungscan_monai.errors import OutputError, ReadError
from lungscan_monai.evaluation.words import Words
from lungscan_monai.inference.answering import Prediction, Reject
from lungscan_monai.inference.studies import Analysed, Heatmap
from lungscan_monai.pages import Html, element, joined, paragraph

MAX_FILE_BYTES = 2**28
"""Of one upload."""

_SESSIONS = 64  # pages that may be open at a time; beyond, the one that was opened first is forgotten
_DARK_UNLESS_CHOSEN = """() => {
  if (!new URLSearchParams(location.search).get("__theme")) document.body.classList.add("dark");
}"""
_STYLE = """
#answers .ls-bars { margin: .6rem 0 1.6rem; padding: 0; }
#answers .ls-bars li { list-style: none; }
#answers .ls-table { margin-bottom: 1.2rem; }
#answers table, #answers tr { border: none !important; }
#answers th, #answers td { border: none; border-bottom: 1px solid #7d889455; }
#files .icon-button:has(input) { display: none; }
#files a, .max_value, .min_value, footer * { color: var(--body-text-color) !important; }
"""
_ENVIRONMENT = {"GRADIO_ANALYTICS_ENABLED": "False", "HF_HUB_DISABLE_TELEMETRY": "1"}


@dataclass(frozen=True, eq=False)
class Case:
    """One answer that a page shows.

    Args:
        name: Its file's own name, as text.
        analysed: The answer.
        card: What it means.
    """

    name: str
    analysed: Analysed
    card: Card


@dataclass(eq=False)
class Session:
    """What one open page has: its files, and what was said of them."""

    folder: UploadFolder = field(default_factory=UploadFolder)
    received: set[Path] = field(default_factory=set)
    model: ServedModel | None = None
    cases: tuple[Case, ...] = ()
    heatmap: Heatmap | None = None
    alone: threading.Lock = field(default_factory=threading.Lock)


def local_files(**settings: Any) -> gr.File:
    """Return Gradio's list of files without its downloads: whoever names a URL in place of a file is refused.

    Its values are each file's own name and where it lies. The two methods are replaced on the object, since Gradio
    writes a file beside the source of each class that is derived from one of its own.

    Args:
        **settings: As `gradio.File` takes them.
    """
    files = gr.File(**settings)
    take_in = files.async_move_resource_to_block_cache

    async def take_in_no_url(url_or_file_path: str | Path | None) -> str | None:
        if "://" in str(url_or_file_path):
            raise gr.Error("files are not fetched here; upload them", print_exception=False)
        return await take_in(url_or_file_path)

    def names_and_places(payload: ListFiles | FileData | None) -> list[tuple[str, Path]]:
        found = payload.root if isinstance(payload, ListFiles) else [payload] if payload else []
        return [(file.orig_name or Path(file.path).name, Path(file.path)) for file in found]

    files.async_move_resource_to_block_cache, files.preprocess = take_in_no_url, names_and_places
    return files


class DemoPage:
    """What happens on the page, without its layout.

    Args:
        store: The models, entered.
    """

    def __init__(self, store: ModelStore) -> None:
        self.store = store
        self._evidence: dict[str, Evidence | None] = {}
        self._sessions: dict[str, Session] = {}
        self._lock = threading.Lock()

    def analyse(
        self, files: Sequence[tuple[str, Path]], name: str, language: str, request: gr.Request
    ) -> tuple[Any, ...]:
        """Answer for the files of a page: its cards, and what may be chosen among them."""
        words, session = app_words(language), self._session(request)
        with session.alone:
            session.folder.empty()
            session.received |= {path for _, path in files}
            session.model, session.heatmap = self.store.get(name), None
            session.cases = self._cases(session.folder, _read(files), session.model, words)
            explained = [index for index, case in enumerate(session.cases) if _is_answered(case)]
            label = _leading_label(session.cases[explained[0]]) if explained else None
            choices = [(f"{index + 1}. {session.cases[index].name}", index) for index in explained]
            return (
                _cards(session.cases, words),
                gr.update(choices=choices, value=explained[0] if explained else None, visible=len(explained) > 1),
                gr.update(choices=list(session.model.task.label_names), value=label, visible=bool(explained)),
                gr.update(visible=bool(explained)),
            )

    def explain(self, index: int | None, label: str | None, opacity: float, language: str, request: gr.Request) -> Html:
        """Return the picture of a case with the heatmap of a label."""
        words, session = app_words(language), self._session(request)
        with session.alone:
            if index is None or label is None or index >= len(session.cases) or session.model is None:
                return Html("")
            if label not in session.model.task.label_names or not _is_answered(session.cases[index]):
                return Html("")
            path = session.model.source_for(session.cases[index].analysed, label)
            if session.heatmap is None or (session.heatmap.source, session.heatmap.label) != (path, label):
                try:
                    (session.heatmap,) = session.model.explain(path, [label])
                except ReadError as error:
                    return paragraph(words("app.reason", reason=error.reason, code=error.code))
            return _figure(session.heatmap, opacity / 100, words)

    def chosen(self, index: int | None, request: gr.Request) -> Any:
        """Return the label that the chosen case leads with."""
        session = self._session(request)
        if index is None or index >= len(session.cases):
            return gr.update()
        return gr.update(value=_leading_label(session.cases[index]))

    def predict(self, files: Sequence[tuple[str, Path]], name: str, language: str) -> list[dict[str, Any]]:
        """Answer for some files, for programs: one entry for each file, or series."""
        words, model = app_words(language), self.store.get(name)
        with UploadFolder() as folder:
            cases = self._cases(folder, _read(files), model, words)
        for _, path in files:
            path.unlink(missing_ok=True)
        return [
            json.loads(as_json(KeptCase(case.name, case.analysed, case.card), model.identity, words)) for case in cases
        ]

    def leave(self, request: gr.Request) -> None:
        """Forget a page that was closed, and its files."""
        with self._lock:
            session = self._sessions.pop(request.session_hash, None)
            if session is not None:
                self._forget(session)

    def close(self) -> None:
        """Forget all pages."""
        with self._lock:
            while self._sessions:
                self._forget(self._sessions.popitem()[1])

    def _session(self, request: gr.Request) -> Session:
        with self._lock:
            if request.session_hash not in self._sessions:
                if len(self._sessions) >= _SESSIONS:
                    self._forget(self._sessions.pop(next(iter(self._sessions))))
                self._sessions[request.session_hash] = Session()
            return self._sessions[request.session_hash]

    def _forget(self, session: Session) -> None:
        session.folder.close()
        needed = set().union(*(other.received for other in self._sessions.values()))
        for path in session.received - needed:  # the same content is stored once for all
            path.unlink(missing_ok=True)

    def _cases(
        self, folder: UploadFolder, uploads: Sequence[Upload], model: ServedModel, words: Words
    ) -> tuple[Case, ...]:
        evidence = self._evidence_of(model)
        outcomes = folder.accept(uploads)
        accepted = {one.path: one.shown_name for one in outcomes if isinstance(one, Accepted)}
        found = [(_shown(one.sources, accepted), one) for one in model.analyse(list(accepted))]
        found += [(one.case, Analysed((), one)) for one in outcomes if isinstance(one, Reject)]
        return tuple(Case(name, one, card_of(one, model.identity, evidence, words)) for name, one in found)

    def _evidence_of(self, model: ServedModel) -> Evidence | None:
        name = model.offer.name
        if name not in self._evidence:
            self._evidence[name] = load_evidence(model.offer.root, model.identity.sha256)
        return self._evidence[name]


def build_page(page: DemoPage, language: str = "en") -> gr.Blocks:
    """Return the page.

    Args:
        page: What happens on it.
        language: That it begins in.
    """
    words, names = app_words(language), list(page.store.offers)
    with gr.Blocks(title="LungScan MONAI", analytics_enabled=False) as blocks:
        gr.HTML(f"<h1>{words('app.title')}</h1>")
        notice = gr.HTML(_notice(page, names[0], words), elem_id="notice")
        with gr.Row():
            with gr.Column(scale=2):
                chosen_language = gr.Radio(
                    [(app_words(code)("language"), code) for code in LANGUAGES],
                    value=language,
                    label="Language / Bahasa",
                )
                model = gr.Dropdown(names, value=names[0], label=words("app.model"))
                files = local_files(file_count="multiple", label=words("app.upload"), height=180, elem_id="files")
                case = gr.Dropdown([], label=words("app.case"), visible=False, elem_id="case")
                label = gr.Dropdown([], label=words("app.explain.label"), visible=False, elem_id="label")
                opacity = gr.Slider(
                    0, 100, 45, step=5, label=words("app.explain.opacity"), visible=False, elem_id="opacity"
                )
            with gr.Column(scale=3):
                heatmap = gr.HTML(elem_id="heatmap")
                answers = gr.HTML(paragraph(words("app.nothing_yet")), elem_id="answers")
        private = {"api_visibility": "private", "show_progress": "minimal"}
        asked, looked = [files, model, chosen_language], [case, label, opacity, chosen_language]
        for trigger in (files.change, model.change, chosen_language.change):
            done = trigger(page.analyse, asked, [answers, case, label, opacity], **private)
            done.then(page.explain, looked, heatmap, **private)
        case.input(page.chosen, case, label, **private).then(page.explain, looked, heatmap, **private)
        label.input(page.explain, looked, heatmap, **private)
        opacity.input(page.explain, looked, heatmap, trigger_mode="always_last", **private)  # a release needs a mouse
        named = {notice: None, model: "app.model", files: "app.upload", case: "app.case"}
        named |= {label: "app.explain.label", opacity: "app.explain.opacity"}

        def renamed(name: str, code: str) -> list[Any]:
            in_language = app_words(code)
            return [
                gr.update(value=_notice(page, name, in_language)) if key is None else gr.update(label=in_language(key))
                for key in named.values()
            ]

        for trigger in (chosen_language.change, model.change):
            trigger(renamed, [model, chosen_language], list(named), **private)
        result = gr.JSON(visible=False)
        gr.Button(visible=False).click(page.predict, asked, result, api_name="predict")
        blocks.unload(page.leave)
    return blocks


@contextmanager
def running(
    bundles: Sequence[Path], host: str, port: int, token: str | None, language: str = "en", backend: str = "torch"
) -> Iterator[gr.Blocks]:
    """Serve the page meanwhile; its address is the page's `local_url`.

    Args:
        bundles: Folders of trained bundles.
        host: Address to listen at.
        port: Port to listen at.
        token: Password of everybody who is let in; None asks nobody.
        language: That the page begins in.
        backend: What runs the networks.

    Raises:
        OutputError: If the address is not to be had.
        CheckpointError: If a bundle has no model, or it is damaged.
    """
    with ExitStack() as stack:
        folder = stack.enter_context(UploadFolder())
        stack.enter_context(_environment({**_ENVIRONMENT, "GRADIO_TEMP_DIR": str(folder.path / "received")}))
        store = stack.enter_context(ModelStore(bundles, backend))
        for name in store.offers:
            store.get(name)
        page = DemoPage(store)
        stack.callback(page.close)
        blocks = build_page(page, language)
        stack.callback(blocks.close, verbose=False)
        try:
            blocks.queue(max_size=32).launch(
                server_name=host,
                server_port=port,
                auth=None if token is None else lambda _, given: is_token(given, token),
                theme=gr.themes.Base(font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"]),
                max_file_size=MAX_FILE_BYTES,
                js=_DARK_UNLESS_CHOSEN,
                css=_STYLE,
                footer_links=["api", "settings"],
                prevent_thread_lock=True,
                quiet=True,
                share=False,
                show_error=False,
                run_history=False,
                enable_monitoring=False,
                ssr_mode=False,
                pwa=False,
                mcp_server=False,
                inbrowser=False,
            )
        except OSError as error:
            raise OutputError(f"{host}:{port}: cannot listen here ({error}); choose another --port") from error
        yield blocks


@contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _read(files: Sequence[tuple[str, Path]]) -> list[Upload]:
    uploads = []
    for name, path in files:
        try:
            uploads.append(Upload(name, path.read_bytes()))
        except OSError:
            uploads.append(Upload(name, b""))  # it was removed with another page: the gate calls it empty
    return uploads


def _shown(sources: Sequence[Path], names: Mapping[Path, str]) -> str:
    name = names[sources[0]]
    return name if len(sources) == 1 else f"{name} (+{len(sources) - 1})"


def _is_answered(case: Case) -> bool:
    return isinstance(case.analysed.answer, Prediction)


def _leading_label(case: Case) -> str:
    answer = case.analysed.answer
    return answer.label or max(answer.probabilities, key=answer.probabilities.get)


def _cards(cases: Sequence[Case], words: Words) -> Html:
    if not cases:
        return paragraph(words("app.nothing_yet"))
    shown = [element("div", card(case.name, case.card, words), bars(case.card.bars, words)) for case in cases]
    table = [answers_table([case.name for case in cases], [case.card for case in cases], words)]
    return joined([*(table if len(cases) > 1 else []), *shown])


def _figure(heatmap: Heatmap, opacity: float, words: Words) -> Html:
    picture = base64.b64encode(as_png(overlay_of(heatmap, opacity))).decode()
    alt = words("app.heatmap.alt", label=heatmap.label)
    image = element("img", src=f"data:image/png;base64,{picture}", alt=alt, style="width:100%;max-width:32rem")
    return joined([image, paragraph(words("app.explain.means", label=heatmap.label))])


def _notice(page: DemoPage, name: str, words: Words) -> Html:
    offer = page.store.offers[name]
    demonstration = [paragraph(words("app.demonstration"))] if offer.is_demonstration else []
    return joined([STYLE, warning(words), *demonstration])
