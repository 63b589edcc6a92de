"""What the web app keeps: models for all sessions, files and answers for one."""

from __future__ import annotations

import gc
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from lungscan_monai.apps.app_settings import AppSettings
from lungscan_monai.apps.models import ModelStore, ServedModel
from lungscan_monai.apps.uploads import Accepted, Upload, UploadFolder
from lungscan_monai.errors import ReadError
from lungscan_monai.inference.answering import Reject
from lungscan_monai.inference.studies import Analysed


@dataclass(frozen=True, eq=False)
class Case:
    """One answer of this session.

    Args:
        shown_name: Of its file, or of the first of its files.
        analysed: The answer.
    """

    shown_name: str
    analysed: Analysed

    @property
    def is_dicom(self) -> bool:
        """Whether DICOM results can refer to it."""
        return bool(self.analysed.sources) and all(path.suffix == ".dcm" for path in self.analysed.sources)


@st.cache_data(show_spinner=False)
def settings() -> AppSettings:
    """Return how the app was started."""
    return AppSettings.from_argument(sys.argv[1])


@st.cache_resource(show_spinner=False, on_release=lambda store: store.__exit__(None, None, None))
def models() -> ModelStore:
    """Return the models, which all sessions share."""
    return ModelStore(settings().bundles).__enter__()


@st.cache_resource(show_spinner=False)
def loaded(name: str) -> ServedModel:
    """Return a model, loaded.

    Streamlit looks for garbage after every run of the page. What is loaded for good is taken out of its sight: to look
    through PyTorch and MONAI again and again took most of the time that a person waited.

    Raises:
        ConfigError: If there is none of that name.
        CheckpointError: If the bundle has no model, or it is damaged.
    """
    model = models().get(name)
    gc.collect()
    gc.freeze()
    return model


@st.cache_resource(show_spinner=False, scope="session", on_release=lambda folder: folder.close())
def upload_folder() -> UploadFolder:
    """Return the private folder of this session."""
    return UploadFolder()


def outcomes_of(files: Sequence[UploadedFile]) -> list[Accepted | Reject]:
    """Take the files that are in the browser's list now; those that left it are removed from disk."""
    known: dict[str, list[Accepted | Reject]] = st.session_state.setdefault("outcomes", {})
    wanted = [file.file_id for file in files]
    if set(known) - set(wanted):
        _forget(known, [identifier for identifier in known if identifier not in wanted])
    for file in files:
        if file.file_id not in known:
            known[file.file_id] = upload_folder().accept([Upload(file.name, file.getvalue())])
    return [outcome for identifier in wanted for outcome in known[identifier]]


def _forget(known: dict[str, list[Accepted | Reject]], gone: Sequence[str]) -> None:
    for identifier in gone:
        for outcome in known.pop(identifier):
            if isinstance(outcome, Accepted):
                upload_folder().remove(outcome)


def fetched() -> list[Accepted | Reject]:
    """Return the outcomes of the addresses that were fetched in this session."""
    return st.session_state.setdefault("fetched", [])


def fetch_into_session(url: str) -> None:
    """Fetch an address; what becomes of it is among :func:`fetched`."""
    from lungscan_monai.apps.fetching import FetchRules, fetch

    try:
        fetched().extend(upload_folder().accept([fetch(url, FetchRules(settings().url_hosts))]))
    except ReadError as error:
        fetched().append(Reject(error.source, error.code, error.reason))


def cases_of(model: ServedModel, outcomes: Sequence[Accepted | Reject]) -> list[Case]:
    """Return one case for each file or series, in the order of the files; files that were not let in come last."""
    accepted = {outcome.path: outcome for outcome in outcomes if isinstance(outcome, Accepted)}
    key = (model.offer.name, tuple(accepted))
    if st.session_state.get("analysed_key") != key:
        st.session_state["analysed"] = model.analyse(list(accepted))
        st.session_state["analysed_key"] = key
    analysed: list[Analysed] = st.session_state["analysed"]
    refused = [outcome for outcome in outcomes if isinstance(outcome, Reject)]
    return [
        *(Case(_shown(one.sources, accepted), one) for one in analysed),
        *(Case(reject.case, Analysed((), reject)) for reject in refused),
    ]


def _shown(sources: tuple[Path, ...], accepted: dict[Path, Accepted]) -> str:
    name = accepted[sources[0]].shown_name
    return name if len(sources) == 1 else f"{name} (+{len(sources) - 1})"
