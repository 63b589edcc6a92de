"""New studies of a DICOMweb archive: asked for by QIDO-RS, fetched by WADO-RS, each instance once.

The archive is asked for the studies that have a wanted modality, of the last days or of all time; of those whose
number of instances changed, the instances that were not acknowledged before are fetched, as they are stored. They come
from outside: nothing here looks into them.
"""

from __future__ import annotations

import contextlib
import datetime
import re
import sqlite3
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import requests

from lungscan_monai.errors import ConfigError, NetworkError, OutputError
from lungscan_monai.node.delivery.certificates import Certificates
from lungscan_monai.node.delivery.web import WebAddress, WebService, single_value, tag_text
from lungscan_monai.storage import replacing

PAGE = 500
"""Matches that are asked for at a time."""
REMEMBERED_DAYS = 30
"""How much longer than it is looked for a study is remembered."""

_UID = re.compile(r"[0-9.]{1,64}")
_SCHEMA = """
CREATE TABLE IF NOT EXISTS instances (uid TEXT PRIMARY KEY, study TEXT NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS of_study ON instances (study);
CREATE TABLE IF NOT EXISTS studies (uid TEXT PRIMARY KEY, total INTEGER NOT NULL, seen TEXT NOT NULL) WITHOUT ROWID;
"""


@dataclass(frozen=True)
class Polling:
    """What is asked for, and how often.

    Args:
        url: Root of the archive's DICOMweb services.
        modalities: Modalities of series that are fetched.
        days_back: How many days before today studies are looked for; None for all, which takes an archive longer, and
            finds those without `StudyDate` as well.
        every_seconds: Pause between two looks.
        token_file: File with a bearer token.
        user: Name for basic authentication; the password is in `password_file`.
        password_file: File with the password.
        authority: PEM file of the authorities that the server's certificate may come from; the system's if None.
        certificate: PEM file of a client certificate.
        key: PEM file of its private key.
        seconds: How long one request may take.
        max_object_bytes: Size of one object; a larger one is not fetched.

    Raises:
        ConfigError: If a value cannot be.
    """

    url: str
    modalities: tuple[str, ...]
    days_back: int | None = 2
    every_seconds: float = 30.0
    token_file: Path | None = None
    user: str | None = None
    password_file: Path | None = None
    authority: Path | None = None
    certificate: Path | None = None
    key: Path | None = None
    seconds: float = 30.0
    max_object_bytes: int = 2**28

    def __post_init__(self) -> None:
        if not self.modalities:
            raise ConfigError("modalities: is empty, so nothing would be fetched")
        if self.days_back is not None and self.days_back < 0:
            raise ConfigError(f"days_back: is {self.days_back}, expected 0 (today only) or more, or null for all")
        for name in ("every_seconds", "seconds", "max_object_bytes"):
            if not getattr(self, name) > 0:
                raise ConfigError(f"{name}: is {getattr(self, name)}, expected more than 0")
        self.address()

    def address(self) -> WebAddress:
        """Return where the archive is, and how to be let in.

        Raises:
            ConfigError: If that does not fit together.
        """
        certificates = Certificates(self.authority, self.certificate, self.key)
        return WebAddress(self.url, self.token_file, self.user, self.password_file, certificates, self.seconds)


@dataclass(frozen=True)
class FetchedStudy:
    """New instances of one study.

    Args:
        uid: StudyInstanceUID.
        files: The fetched file of each SOP Instance UID.
        failed: Why an instance was not fetched, by SOP Instance UID; it is tried again at the next look.
        total: How many instances the archive said that the study has; -1 if it did not say.
    """

    uid: str
    files: Mapping[str, Path]
    failed: Mapping[str, str]
    total: int


class Poller:
    """Fetches what is new.

    Args:
        polling: What is asked for.
        state: SQLite file that remembers what was acknowledged.

    Raises:
        OutputError: If the state cannot be kept there.
    """

    def __init__(self, polling: Polling, state: Path) -> None:
        self._polling = polling
        self._service = WebService(polling.address())
        self._state = state
        try:
            state.parent.mkdir(parents=True, exist_ok=True)
            with self._opened() as database:
                database.executescript(_SCHEMA)
        except (OSError, sqlite3.Error) as error:
            raise OutputError(f"{state}: cannot remember here what was fetched ({error})") from error

    def fetch(self, folder: Path) -> Iterator[FetchedStudy]:
        """Look once; give the studies with new instances, one after the other, fetched into a folder.

        What is not acknowledged is fetched again at the next look.

        Args:
            folder: Where files go, named by their SOP Instance UIDs; they are flushed to disk.

        Raises:
            NetworkError: If the archive cannot be reached, or refuses.
            OutputError: If a file cannot be written.
        """
        studies = self._studies()
        self._forget_all_but(studies)
        for study, total in studies.items():
            if total >= 0 and total == self._known_total(study):
                continue
            wanted = self._instances(study)
            known = self._acknowledged(study)
            new = {uid: series for uid, series in wanted.items() if uid not in known}
            if new:
                yield self._fetched(study, new, folder, total)
            elif total >= 0:
                self.acknowledge(FetchedStudy(study, {}, {}, total))

    def acknowledge(self, study: FetchedStudy) -> None:
        """Remember that the files of a study are safe elsewhere; they are not fetched again.

        Raises:
            OutputError: If that cannot be written.
        """
        total = -1 if study.failed else study.total
        try:
            with self._opened() as database:
                rows = [(uid, study.uid) for uid in study.files]
                database.executemany("INSERT OR IGNORE INTO instances VALUES (?, ?)", rows)
                row = (study.uid, total, _today().isoformat())
                database.execute("INSERT OR REPLACE INTO studies VALUES (?, ?, ?)", row)
        except sqlite3.Error as error:
            raise OutputError(f"{self._state}: cannot remember here what was fetched ({error})") from error

    def _studies(self) -> dict[str, int]:
        """Return the studies asked for, each with its number of instances, -1 where the archive does not say."""
        question = {"includefield": tag_text("NumberOfStudyRelatedInstances")}
        if self._polling.days_back is not None:
            first = _today() - datetime.timedelta(days=self._polling.days_back)
            question["StudyDate"] = f"{first:%Y%m%d}-"  # no study without a date is in a range (PS3.4 C.2.2.2.5)
        found: dict[str, int] = {}
        for modality in self._polling.modalities:
            for match in self._all("/studies", {"ModalitiesInStudy": modality, **question}):
                if uid := _uid(match, "StudyInstanceUID"):
                    total = single_value(match, "NumberOfStudyRelatedInstances") or ""
                    found[uid] = int(total) if total.isdigit() else -1
        return found

    def _instances(self, study: str) -> dict[str, str]:
        """Return the series of each instance of a study that has a wanted modality."""
        found: dict[str, str] = {}
        for match in self._all(f"/studies/{study}/series", {}):
            series = _uid(match, "SeriesInstanceUID")
            if series and single_value(match, "Modality") in self._polling.modalities:
                instances = self._all(f"/studies/{study}/series/{series}/instances", {})
                found.update({uid: series for one in instances if (uid := _uid(one, "SOPInstanceUID"))})
        return found

    def _all(self, path: str, question: Mapping[str, str]) -> Iterator[dict]:
        """Give all matches, page by page; a server that knows no pages repeats itself, which ends them."""
        offset, first = 0, None
        while page := self._service.ask(path, {**question, "limit": PAGE, "offset": offset}):
            if page[0] == first:
                return
            first = first or page[0]
            yield from page
            if len(page) < PAGE:
                return
            offset += len(page)

    def _fetched(self, study: str, new: Mapping[str, str], folder: Path, total: int) -> FetchedStudy:
        files, failed = {}, {}
        for uid, series in new.items():
            place = f"/studies/{study}/series/{series}/instances/{uid}"
            try:
                content = self._service.fetch(place, self._polling.max_object_bytes)
            except NetworkError as error:
                if isinstance(error.__cause__, requests.RequestException) or error.retry_after is not None:
                    raise
                failed[uid] = str(error)
                continue
            if content is None:
                failed[uid] = "the archive lists it and does not have it"
                continue
            files[uid] = folder / f"{uid}.dcm"
            with replacing(files[uid]) as part:
                part.write_bytes(content)
        return FetchedStudy(study, files, failed, total)

    def _forget_all_but(self, studies: Collection[str]) -> None:
        """Drop what is remembered of studies that the archive has not listed for long."""
        limit = _today() - datetime.timedelta(days=(self._polling.days_back or 0) + REMEMBERED_DAYS)
        with self._opened() as database:
            rows = database.execute("SELECT uid FROM studies WHERE seen < ?", (limit.isoformat(),)).fetchall()
            old = [(uid,) for (uid,) in rows if uid not in studies]
            database.executemany("DELETE FROM instances WHERE study = ?", old)
            database.executemany("DELETE FROM studies WHERE uid = ?", old)

    def _known_total(self, study: str) -> int | None:
        with self._opened() as database:
            row = database.execute("SELECT total FROM studies WHERE uid = ?", (study,)).fetchone()
        return row[0] if row else None

    def _acknowledged(self, study: str) -> set[str]:
        with self._opened() as database:
            return {row[0] for row in database.execute("SELECT uid FROM instances WHERE study = ?", (study,))}

    @contextlib.contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        connection = sqlite3.connect(self._state)
        try:
            with connection:
                yield connection
        finally:
            connection.close()


def _today() -> datetime.date:
    return datetime.date.today()


def _uid(match: Mapping, keyword: str) -> str | None:
    """Return a UID of a match; None for anything that is none, for it becomes part of a file name and of an address."""
    uid = single_value(match, keyword)
    return uid if uid and _UID.fullmatch(uid) else None
