"""The ledger of a node: what was received, what is to be done, and what became of it.

One SQLite file in the node's store, with a write-ahead log and ``synchronous=FULL``: a commit that has returned
survives the death of the process and of the machine, which is what an acknowledged C-STORE rests on. Every change of
state is one transaction. One process, the node, does the work; `status` and `retry` read and write beside it.

A study is `received` until it has been quiet; then each of its images that came since is routed, and each bundle gets a
job: `waiting` -> `working` -> `sending` -> `done`, or `failed`.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from lungscan_monai.errors import OutputError

LEDGER_NAME = "node.sqlite"

RECEIVED, WAITING, WORKING, SENDING, DONE, FAILED = "received", "waiting", "working", "sending", "done", "failed"
JOB_STATES = (WAITING, WORKING, SENDING, DONE, FAILED)

NEW, KNOWN, CONFLICT = "new", "known", "conflict"
"""What an instance is when it comes: not seen before, here already, or here already with other bytes."""
UNROUTED, UNANSWERED = "unrouted", "unanswered"
"""What becomes of a new one that no rule fits, and of one that no result could be made for."""

CONFLICT_REASON = "the same SOP Instance UID came before with other bytes; this content is kept and not analysed"

_TABLES = """
    CREATE TABLE IF NOT EXISTS instances (
        id INTEGER PRIMARY KEY, sop TEXT NOT NULL, sha256 TEXT NOT NULL, study TEXT NOT NULL, series TEXT NOT NULL,
        bytes INTEGER NOT NULL, caller TEXT NOT NULL, received REAL NOT NULL, routed INTEGER NOT NULL DEFAULT 0,
        kind TEXT NOT NULL, reason TEXT, kept INTEGER NOT NULL DEFAULT 1, UNIQUE (sop, sha256)
    );
    CREATE INDEX IF NOT EXISTS instances_by_study ON instances (study);
    CREATE INDEX IF NOT EXISTS instances_by_content ON instances (sha256);
    CREATE TABLE IF NOT EXISTS studies (
        study TEXT PRIMARY KEY, last REAL NOT NULL, open INTEGER NOT NULL
    ) WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS open_studies ON studies (last) WHERE open;
    CREATE TABLE IF NOT EXISTS jobs (
        id INTEGER PRIMARY KEY, study TEXT NOT NULL, bundle TEXT NOT NULL, state TEXT NOT NULL,
        attempts INTEGER NOT NULL DEFAULT 0, due REAL NOT NULL, reason TEXT, made REAL NOT NULL, changed REAL NOT NULL,
        results INTEGER NOT NULL DEFAULT 0, kept INTEGER NOT NULL DEFAULT 1
    );
    CREATE INDEX IF NOT EXISTS jobs_by_state ON jobs (state, due);
    CREATE INDEX IF NOT EXISTS jobs_by_study ON jobs (study);
    CREATE TABLE IF NOT EXISTS job_instances (
        job INTEGER NOT NULL, instance INTEGER NOT NULL, PRIMARY KEY (job, instance)
    ) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS results (
        job INTEGER NOT NULL, sop TEXT NOT NULL, file TEXT NOT NULL, confirmed INTEGER NOT NULL DEFAULT 0,
        PRIMARY KEY (job, sop)
    ) WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS results_by_uid ON results (sop);
"""
_WAIT_SECONDS = 10.0


@dataclass(frozen=True)
class Instance:
    """One object that was received.

    Args:
        sop: SOP Instance UID.
        sha256: Of the stored file.
        study: Study Instance UID.
        series: Series Instance UID.
        size: Bytes of the file.
        caller: AE title or service that it came from.
    """

    sop: str
    sha256: str
    study: str
    series: str
    size: int
    caller: str


@dataclass(frozen=True)
class Job:
    """What one bundle has to do for one study.

    Args:
        id: Number of the job.
        study: Study Instance UID.
        bundle: The bundle, as the rules name it.
        state: One of `JOB_STATES`.
        attempts: How often its present step was begun.
        due: When it may be tried, seconds since 1970.
        reason: Why it failed, or was put off.
        instances: SHA-256 of each image.
    """

    id: int
    study: str
    bundle: str
    state: str
    attempts: int
    due: float
    reason: str | None
    instances: tuple[str, ...]


@dataclass(frozen=True)
class Result:
    """One result object of a job.

    Args:
        sop: SOP Instance UID.
        file: Its file, below the folder of results.
    """

    sop: str
    file: str


class NodeLedger:
    """The ledger in a node's store; a context manager, which closes it. Any thread may use it.

    Args:
        folder: The node's store.

    Raises:
        OutputError: If the ledger cannot be made, or is damaged; as all methods do that cannot read or write.
    """

    def __init__(self, folder: str | os.PathLike) -> None:
        self.path = Path(folder) / LEDGER_NAME
        self._lock = threading.RLock()
        with self._errors():
            self._base = sqlite3.connect(
                self.path, timeout=_WAIT_SECONDS, isolation_level=None, check_same_thread=False
            )
            self._base.execute("PRAGMA journal_mode=WAL")
            self._base.execute("PRAGMA synchronous=FULL")
            self._base.executescript(_TABLES)

    def __enter__(self) -> NodeLedger:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            self._base.close()

    def add(self, instance: Instance) -> str:
        """Record an instance whose file is on the disk; its study is open from now on.

        Returns:
            `NEW`, `KNOWN` (nothing is recorded) or `CONFLICT`.
        """
        now = time.time()
        with self._transaction():
            seen = [row[0] for row in self._rows("SELECT sha256 FROM instances WHERE sop = ?", instance.sop)]
            if instance.sha256 in seen:
                self._run("UPDATE instances SET kept = 1 WHERE sop = ? AND sha256 = ?", instance.sop, instance.sha256)
                return KNOWN
            kind = CONFLICT if seen else NEW
            self._run(
                "INSERT INTO instances (sop, sha256, study, series, bytes, caller, received, routed, kind, reason) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                *(instance.sop, instance.sha256, instance.study, instance.series, instance.size, instance.caller),
                *(now, kind == CONFLICT, kind, CONFLICT_REASON if seen else None),
            )
            if kind == NEW:
                self._run(
                    "INSERT INTO studies VALUES (?, ?, 1) ON CONFLICT (study) DO UPDATE SET last = ?, open = 1",
                    *(instance.study, now, now),
                )
        return kind

    def quiet_studies(self, seconds: float) -> list[str]:
        """Return the open studies of which nothing has come for some seconds, the longest quiet first."""
        return [
            row[0]
            for row in self._rows("SELECT study FROM studies WHERE open AND last <= ? ORDER BY last", _ago(seconds))
        ]

    def unrouted(self, study: str) -> dict[str, str]:
        """Return SHA-256 and series of the images of a study that no rule was asked about yet."""
        query = "SELECT sha256, series FROM instances WHERE study = ? AND NOT routed ORDER BY id"
        return dict(self._rows(query, study))

    def begin_jobs(self, study: str, routes: dict[str, tuple[tuple[str, ...], str | None]]) -> list[int]:
        """Close a study for now: give each bundle a job, all or nothing.

        A job has the images that were routed to its bundle, and all earlier ones of their series that were: a series
        is answered as a whole.

        Args:
            study: The study.
            routes: By SHA-256 the bundles, and why there are none.

        Returns:
            Numbers of the jobs.
        """
        now, jobs = time.time(), []
        with self._transaction():
            for sha256, (bundles, reason) in routes.items():
                self._run(
                    "UPDATE instances SET routed = 1, kind = ?, reason = ? WHERE sha256 = ? AND study = ?",
                    *(NEW if bundles else UNROUTED, reason, sha256, study),
                )
            for bundle in dict.fromkeys(name for bundles, _ in routes.values() for name in bundles):
                made = self._run(
                    "INSERT INTO jobs (study, bundle, state, due, made, changed) VALUES (?, ?, ?, ?, ?, ?)",
                    *(study, bundle, WAITING, now, now, now),
                )
                jobs.append(made.lastrowid)
                for sha256 in (one for one, (bundles, _) in routes.items() if bundle in bundles):
                    self._add_with_series(made.lastrowid, study, bundle, sha256)
            late = self._rows("SELECT 1 FROM instances WHERE study = ? AND NOT routed LIMIT 1", study)
            self._run("UPDATE studies SET open = ? WHERE study = ?", bool(late), study)
        return jobs

    def _add_with_series(self, job: int, study: str, bundle: str, sha256: str) -> None:
        self._run(
            "INSERT OR IGNORE INTO job_instances SELECT ?, id FROM instances WHERE sha256 = ? AND study = ?",
            *(job, sha256, study),
        )
        self._run(
            "INSERT OR IGNORE INTO job_instances SELECT ?, old.id FROM instances AS new "
            "JOIN instances AS old USING (study, series) JOIN job_instances ON instance = old.id "
            "JOIN jobs ON jobs.id = job WHERE new.sha256 = ? AND new.study = ? AND bundle = ? AND old.kept",
            *(job, sha256, study, bundle),
        )

    def claim_waiting(self, images: int) -> list[Job]:
        """Take the next jobs of one bundle to work on: as many as have so many images together, one at least.

        A job that was tried before comes alone, so that what it does to the process is done to no other.
        """
        now = time.time()
        with self._transaction():
            first = self._next(WAITING, now)
            if first is None:
                return []
            jobs = [first]
            if first.attempts == 0:
                query = (
                    "SELECT id FROM jobs WHERE state = ? AND due <= ? AND bundle = ? AND attempts = 0 AND id != ? "
                    "ORDER BY due, id LIMIT ?"
                )
                for (number,) in self._rows(query, WAITING, now, first.bundle, first.id, images):
                    another = self._job(number)
                    if another.study in {job.study for job in jobs}:
                        continue  # its images may be the same
                    if sum(len(job.instances) for job in (*jobs, another)) > images:
                        break
                    jobs.append(another)
            for job in jobs:
                self._run(
                    "UPDATE jobs SET state = ?, attempts = attempts + 1, changed = ? WHERE id = ?",
                    *(WORKING, now, job.id),
                )
            return [self._job(job.id) for job in jobs]

    def analysed(self, job: int, results: Iterable[Result], unanswered: Mapping[str, str] | None = None) -> None:
        """Record a job's results, which are on the disk, and let them be sent.

        One that another job has made already is sent as that one has it: archives compare what comes under one UID.

        Args:
            job: Its number.
            results: What it made.
            unanswered: Why there is no result, by SHA-256 of the image.
        """
        now = time.time()
        with self._transaction():
            self._run("DELETE FROM results WHERE job = ?", job)
            count = 0
            for result in results:
                self._run(
                    "INSERT OR REPLACE INTO results VALUES (?1, ?2, COALESCE((SELECT file FROM results JOIN jobs "
                    "ON id = job WHERE sop = ?2 AND kept ORDER BY job LIMIT 1), ?3), 0)",
                    *(job, result.sop, result.file),
                )
                count += 1
            for sha256, reason in (unanswered or {}).items():
                self._run(
                    "UPDATE instances SET kind = ?, reason = ? WHERE sha256 = ? AND id IN "
                    "(SELECT instance FROM job_instances WHERE job = ?)",
                    *(UNANSWERED, reason, sha256, job),
                )
            self._run(
                "UPDATE jobs SET state = ?, attempts = 0, due = ?, reason = NULL, changed = ?, results = ? "
                "WHERE id = ?",
                *(SENDING, now, now, count, job),
            )

    def due_to_send(self, most: int) -> list[Job]:
        """Return the next jobs to send, each counted as tried; one that was tried before comes alone."""
        now = time.time()
        with self._transaction():
            first = self._next(SENDING, now)
            if first is None:
                return []
            numbers = [first.id]
            if first.attempts == 0:
                query = (
                    "SELECT id FROM jobs WHERE state = ? AND due <= ? AND attempts = 0 AND id != ? "
                    "ORDER BY due, id LIMIT ?"
                )
                numbers += [row[0] for row in self._rows(query, SENDING, now, first.id, most - 1)]
            for number in numbers:
                self._run("UPDATE jobs SET attempts = attempts + 1 WHERE id = ?", number)
            return [self._job(number) for number in numbers]

    def results(self, job: int) -> list[Result]:
        """Return the results of a job that are not known to be at the destination.

        One that an earlier job of the study made, too, and that arrived then, is there: its UID says that it is the
        same.
        """
        query = (
            "SELECT sop, file FROM results AS mine WHERE job = ? AND NOT EXISTS "
            "(SELECT 1 FROM results AS theirs WHERE theirs.sop = mine.sop AND confirmed) ORDER BY file"
        )
        return [Result(*row) for row in self._rows(query, job)]

    def done(self, job: int) -> None:
        """Record that all results of a job are confirmed at the destination."""
        with self._transaction():
            self._run("UPDATE results SET confirmed = 1 WHERE job = ?", job)
            self._change(job, DONE, None, 0.0)

    def put_off(self, job: int, state: str, reason: str, seconds: float) -> None:
        """Try a job again later.

        Args:
            job: Its number.
            state: `WAITING` or `SENDING`.
            reason: Why.
            seconds: From now on.
        """
        with self._transaction():
            self._change(job, state, reason, seconds)

    def fail(self, job: int, reason: str) -> None:
        """Put a job aside until somebody asks for it again."""
        with self._transaction():
            self._change(job, FAILED, reason, 0.0)

    def _change(self, job: int, state: str, reason: str | None, seconds: float) -> None:
        now = time.time()
        self._run(
            "UPDATE jobs SET state = ?, reason = ?, due = ?, changed = ? WHERE id = ?",
            *(state, reason, now + seconds, now, job),
        )

    def recover(self) -> int:
        """Let the jobs wait that a node was working on when it ended; return how many."""
        with self._transaction():
            return self._run("UPDATE jobs SET state = ? WHERE state = ?", WAITING, WORKING).rowcount

    def release(self, jobs: Iterable[int]) -> None:
        """Let jobs wait again, those of them that are still being worked on."""
        with self._transaction():
            for job in jobs:
                self._run("UPDATE jobs SET state = ? WHERE id = ? AND state = ?", WAITING, job, WORKING)

    def retry(self, study: str | None = None) -> tuple[int, int]:
        """Let what failed be tried again from where it failed, and images that went nowhere from the rules on.

        Args:
            study: A study; all if None.

        Returns:
            How many jobs, and how many images that no rule fitted or that had no result.
        """
        now, which = time.time(), "" if study is None else " AND study = ?"
        values = () if study is None else (study,)
        with self._transaction():
            jobs = self._run(
                "UPDATE jobs SET attempts = 0, due = ?, changed = ?, reason = NULL, "
                f"state = CASE WHEN results > 0 THEN 'sending' ELSE 'waiting' END WHERE state = 'failed'{which}",
                *(now, now, *values),
            ).rowcount
            self._run(
                "UPDATE studies SET open = 1 WHERE study IN (SELECT study FROM instances WHERE kind IN (?, ?) "
                f"AND kept){which}",
                *(UNROUTED, UNANSWERED, *values),
            )
            images = self._run(
                f"UPDATE instances SET routed = 0, kind = ?, reason = NULL WHERE kind IN (?, ?) AND kept{which}",
                *(NEW, UNROUTED, UNANSWERED, *values),
            ).rowcount
        return jobs, images

    def counts(self) -> dict[str, int]:
        """Return the number of open studies (`received`) and of jobs in each state."""
        with self._lock, self._errors():
            found = dict(self._base.execute("SELECT state, COUNT(*) FROM jobs GROUP BY state").fetchall())
            received = self._base.execute("SELECT COUNT(*) FROM studies WHERE open").fetchone()[0]
        return {RECEIVED: received, **{state: found.get(state, 0) for state in JOB_STATES}}

    def instance_counts(self) -> dict[str, int]:
        """Return the number of instances in all, of those that went nowhere, and of conflicting contents."""
        with self._lock, self._errors():
            found = dict(self._base.execute("SELECT kind, COUNT(*) FROM instances GROUP BY kind").fetchall())
        return {
            "instances": sum(found.values()),
            UNROUTED: found.get(UNROUTED, 0),
            UNANSWERED: found.get(UNANSWERED, 0),
            "conflicts": found.get(CONFLICT, 0),
        }

    def open_studies(self) -> list[tuple[str, int, float]]:
        """Return study, number of images and time of the last one of the studies that are not complete yet."""
        return self._rows(
            "SELECT study, COUNT(*), last FROM studies JOIN instances USING (study) WHERE open "
            "GROUP BY study ORDER BY last"
        )

    def jobs(self, study: str | None = None) -> list[tuple]:
        """Return (study, bundle, state, attempts, due, reason, changed, images, results) of jobs, the oldest first."""
        return self._rows(
            "SELECT study, bundle, state, attempts, due, reason, changed, "
            "(SELECT COUNT(*) FROM job_instances WHERE job = jobs.id), results FROM jobs "
            "WHERE ? IS NULL OR study = ? ORDER BY id",
            *(study, study),
        )

    def left_out(self, study: str | None = None) -> list[tuple[str, str, str, str]]:
        """Return study, instance, kind (`unrouted`, `unanswered`, `conflict`) and reason of images that go nowhere."""
        return self._rows(
            "SELECT study, sop, kind, reason FROM instances WHERE reason IS NOT NULL AND (? IS NULL OR study = ?) "
            "ORDER BY id",
            *(study, study),
        )

    def has_content(self, sha256: str) -> bool:
        """Tell whether a content is recorded."""
        return bool(self._rows("SELECT 1 FROM instances WHERE sha256 = ? AND kept LIMIT 1", sha256))

    def has_job(self, job: int) -> bool:
        """Tell whether the results of a job are needed: recorded, and not given up."""
        return bool(self._rows("SELECT 1 FROM jobs WHERE id = ? AND results > 0 AND kept", job))

    def outdated_contents(self, days: float, most: int) -> list[str]:
        """Return contents received so many days ago, of studies where nothing is left to do."""
        return [
            row[0]
            for row in self._rows(
                "SELECT sha256 FROM instances JOIN studies USING (study) WHERE kept AND received <= ? AND NOT open "
                "AND NOT EXISTS (SELECT 1 FROM jobs WHERE jobs.study = instances.study AND state != 'done') LIMIT ?",
                *(_ago(86400 * days), most),
            )
        ]

    def forget_content(self, sha256: str) -> None:
        """Record that the file of a content is about to be deleted."""
        with self._transaction():
            self._run("UPDATE instances SET kept = 0 WHERE sha256 = ?", sha256)

    def outdated_results(self, days: float, most: int) -> list[int]:
        """Return jobs that were done so many days ago and whose files are still there."""
        return [
            row[0]
            for row in self._rows(
                "SELECT id FROM jobs WHERE kept AND state = 'done' AND changed <= ? LIMIT ?", _ago(86400 * days), most
            )
        ]

    def forget_results(self, job: int) -> None:
        """Record that the files of a job's results are about to be deleted."""
        with self._transaction():
            self._run("UPDATE jobs SET kept = 0 WHERE id = ?", job)

    def _next(self, state: str, now: float) -> Job | None:
        rows = self._rows("SELECT id FROM jobs WHERE state = ? AND due <= ? ORDER BY due, id LIMIT 1", state, now)
        return self._job(rows[0][0]) if rows else None

    def _job(self, number: int) -> Job:
        row = self._rows("SELECT id, study, bundle, state, attempts, due, reason FROM jobs WHERE id = ?", number)[0]
        query = "SELECT sha256 FROM job_instances JOIN instances ON instance = id WHERE job = ? ORDER BY id"
        return Job(*row, tuple(one[0] for one in self._rows(query, number)))

    def _rows(self, query: str, *values: object) -> list[tuple]:
        with self._lock, self._errors():
            return self._base.execute(query, values).fetchall()

    def _run(self, query: str, *values: object) -> sqlite3.Cursor:
        return self._base.execute(query, values)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._lock, self._errors():
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
                f"{self.path}: the node's ledger cannot be written or read ({error}); what it held before is safe, so "
                "make room or access"
            ) from error
        except sqlite3.DatabaseError as error:
            raise OutputError(
                f"{self.path}: is not a node's ledger, or is damaged ({error}); restore it from a copy, or choose "
                "another store"
            ) from error


def _ago(seconds: float) -> float:
    return time.time() - seconds
