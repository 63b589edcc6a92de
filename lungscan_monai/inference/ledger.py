"""The ledger of a batch: which files were found, and what became of each; a run that was killed goes on from it.

One SQLite file in the output folder. It belongs to one run, that is to one model and one set of settings, and is
refused to any other; in it, answers are kept by the BLAKE3 of the file's content, so that one content is answered once
wherever it lies. What a batch of cases came to is one transaction: either all of it counts, or nothing of it does.

WAL with ``synchronous=NORMAL``: a transaction survives the death of the process at once, and the failure of the machine
from the next checkpoint on. That is enough, because a transaction that such a failure takes back is computed anew, and
nothing is written from the ledger before :meth:`Ledger.flush`.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from lungscan_monai.errors import OutputError

LEDGER_NAME = "ledger.sqlite"

FOUND, DONE, SKIPPED, REJECTED = "found", "done", "skipped", "rejected"
STATES = (FOUND, DONE, SKIPPED, REJECTED)
"""A file is `found` until it is one of the others."""

_TABLES = """
    CREATE TABLE IF NOT EXISTS run (name TEXT PRIMARY KEY, value TEXT NOT NULL);
    CREATE TABLE IF NOT EXISTS files (
        file TEXT PRIMARY KEY, stamp TEXT NOT NULL, state TEXT NOT NULL, blake3 TEXT, code TEXT, reason TEXT
    ) WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS files_by_state ON files (state, code);
    CREATE TABLE IF NOT EXISTS answers (blake3 TEXT PRIMARY KEY, series TEXT, answer TEXT NOT NULL) WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS answers_by_series ON answers (series) WHERE series IS NOT NULL;
"""
_WAIT_SECONDS = 10.0


@dataclass(frozen=True)
class Outcome:
    """What became of one file.

    Args:
        file: The file, as the ledger names it.
        state: ``"done"``, ``"skipped"`` or ``"rejected"``.
        blake3: Of its content; None where it was not read.
        code: Why it was skipped or rejected.
        reason: The same in one sentence.
    """

    file: str
    state: str
    blake3: str | None = None
    code: str | None = None
    reason: str | None = None


@dataclass(frozen=True)
class DoneFile:
    """One file that was answered.

    Args:
        file: The file, as the ledger names it.
        blake3: Of its content.
        answer: What was recorded for this content.
    """

    file: str
    blake3: str
    answer: dict[str, Any]


class Ledger:
    """The ledger in one folder; a context manager, which closes it.

    Args:
        folder: The output folder.

    Raises:
        OutputError: If the ledger cannot be made, or is damaged.
    """

    def __init__(self, folder: str | os.PathLike) -> None:
        self.path = Path(folder) / LEDGER_NAME
        with self._errors():
            self._base = sqlite3.connect(self.path, timeout=_WAIT_SECONDS, isolation_level=None)
            self._base.execute("PRAGMA journal_mode=WAL")
            self._base.execute("PRAGMA synchronous=NORMAL")
            self._base.executescript(_TABLES)

    def __enter__(self) -> Ledger:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._base.close()

    def settings(self) -> dict[str, Any]:
        """Return what the run was begun with, empty where none was begun."""
        with self._errors():
            rows = self._base.execute("SELECT name, value FROM run ORDER BY name").fetchall()
        return {name: json.loads(value) for name, value in rows}

    def begin(self, settings: Mapping[str, Any]) -> None:
        """Record what this run is; one that is recorded must be the same.

        Raises:
            OutputError: If the ledger belongs to a run with other settings; the message names them.
        """
        recorded = self.settings()
        wanted = json.loads(json.dumps(dict(settings)))
        if recorded and recorded != wanted:
            names = sorted(name for name in {*recorded, *wanted} if recorded.get(name) != wanted.get(name))
            differences = "; ".join(
                f"{name} {_short(recorded.get(name))} there, {_short(wanted.get(name))} here" for name in names
            )
            raise OutputError(
                f"{self.path.parent}: holds a run with other settings ({differences}); results of two runs do not mix, "
                "so choose another output folder"
            )
        with self._transaction():
            self._base.executemany(
                "INSERT OR REPLACE INTO run VALUES (?, ?)",
                [(name, json.dumps(value)) for name, value in wanted.items()],
            )

    def add_found(self, files: Iterable[tuple[str, str]]) -> None:
        """Note files that are there, as pairs of file and stamp; one whose stamp has changed is found anew."""
        with self._transaction():
            self._base.executemany(
                "INSERT INTO files (file, stamp, state) VALUES (?, ?, 'found') ON CONFLICT (file) DO UPDATE SET "
                "stamp = excluded.stamp, state = 'found', blake3 = NULL, code = NULL, reason = NULL "
                "WHERE stamp != excluded.stamp",
                files,
            )

    def is_waiting(self, file: str) -> bool:
        """Tell whether a file was found and nothing has become of it yet."""
        with self._errors():
            row = self._base.execute("SELECT state FROM files WHERE file = ?", (file,)).fetchone()
        return row is not None and row[0] == FOUND

    def has_answer(self, blake3: str) -> bool:
        """Tell whether a content was answered."""
        with self._errors():
            return self._base.execute("SELECT 1 FROM answers WHERE blake3 = ?", (blake3,)).fetchone() is not None

    def commit(self, outcomes: Iterable[Outcome], answers: Mapping[str, dict[str, Any]]) -> None:
        """Record what became of files together with the answers, all or nothing.

        Args:
            outcomes: Of files that were found.
            answers: By the BLAKE3 of the content; `series_uid` in it groups them.

        Raises:
            OutputError: If it cannot be written; nothing of it counts then.
        """
        with self._transaction():
            self._base.executemany(
                "INSERT OR IGNORE INTO answers VALUES (?, ?, ?)",
                [(blake3, one.get("series_uid"), json.dumps(one)) for blake3, one in answers.items()],
            )
            self._base.executemany(
                "UPDATE files SET state = ?, blake3 = ?, code = ?, reason = ? WHERE file = ? AND state = 'found'",
                [(one.state, one.blake3, one.code, one.reason, one.file) for one in outcomes],
            )

    def reject_waiting(self, code: str, reason: str) -> None:
        """Reject all files that are still waiting."""
        with self._transaction():
            self._base.execute(
                "UPDATE files SET state = 'rejected', code = ?, reason = ? WHERE state = 'found'", (code, reason)
            )

    def flush(self) -> None:
        """Bring everything to the disk."""
        with self._errors():
            self._base.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def counts(self) -> dict[str, int]:
        """Return the number of files in each state."""
        with self._errors():
            rows = self._base.execute("SELECT state, COUNT(*) FROM files GROUP BY state").fetchall()
        return {**dict.fromkeys(STATES, 0), **dict(rows)}

    def codes(self) -> dict[str, dict[str, int]]:
        """Return the number of skipped and of rejected files by code."""
        query = (
            "SELECT state, code, COUNT(*) FROM files WHERE code IS NOT NULL GROUP BY state, code ORDER BY state, code"
        )
        found: dict[str, dict[str, int]] = {SKIPPED: {}, REJECTED: {}}
        with self._errors():
            for state, code, count in self._base.execute(query):
                found[state][code] = count
        return found

    def not_assessable(self) -> dict[str, int]:
        """Return the number of files whose answer is that there is none, by the code of the reason."""
        query = (
            "SELECT json_extract(answer, '$.code') AS why, COUNT(*) FROM files JOIN answers USING (blake3) "
            "WHERE state = 'done' AND why IS NOT NULL GROUP BY why ORDER BY why"
        )
        with self._errors():
            return dict(self._base.execute(query).fetchall())

    def contents(self) -> int:
        """Return the number of different contents that were answered and still lie in the folder."""
        with self._errors():
            return self._base.execute("SELECT COUNT(DISTINCT blake3) FROM files WHERE state = 'done'").fetchone()[0]

    def done(self) -> Iterator[DoneFile]:
        """Give every file that was answered, by name."""
        query = "SELECT file, blake3, answer FROM files JOIN answers USING (blake3) WHERE state = 'done' ORDER BY file"
        with self._errors():
            for file, blake3, answer in self._base.execute(query):
                yield DoneFile(file, blake3, json.loads(answer))

    def not_done(self) -> Iterator[Outcome]:
        """Give every file that was skipped or rejected, by name."""
        query = (
            "SELECT file, state, blake3, code, reason FROM files WHERE state IN ('skipped', 'rejected') ORDER BY file"
        )
        with self._errors():
            for row in self._base.execute(query):
                yield Outcome(*row)

    def by_series(self) -> Iterator[DoneFile]:
        """Give one file of every content that was answered and belongs to a series, series after series."""
        query = (
            "SELECT MIN(file), blake3, answer FROM files JOIN answers USING (blake3) "
            "WHERE state = 'done' AND series IS NOT NULL GROUP BY blake3 ORDER BY series, MIN(file)"
        )
        with self._errors():
            for file, blake3, answer in self._base.execute(query):
                yield DoneFile(file, blake3, json.loads(answer))

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._errors():
            self._base.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._base.execute("COMMIT")
            finally:
                if self._base.in_transaction:
                    self._base.execute("ROLLBACK")

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError as error:
            raise OutputError(
                f"{self.path}: the ledger cannot be written or read ({error}); what it held before is safe, so make "
                "room or access, and give the same command with --resume"
            ) from error
        except sqlite3.DatabaseError as error:
            raise OutputError(
                f"{self.path}: is not a ledger, or is damaged ({error}); choose another output folder"
            ) from error


def _short(value: Any) -> str:
    text = "none" if value is None else str(value)
    return text if len(text) <= 40 else f"{text[:12]}..."
