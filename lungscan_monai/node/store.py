"""The files of a node: what was received, named by its SHA-256, and the results of each job.

node.sqlite     the ledger (see `ledger`)
received/ab/abcd....dcm     contents as they came, with the file header that DICOM wants
results/<job>-<attempt>/    the objects that one attempt made
incoming/       what is being written; emptied when a node starts
audit.jsonl     who sent what, and what became of it
node.lock       held by the node at work
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from lungscan_monai.errors import OutputError
from lungscan_monai.node.ledger import Job, NodeLedger
from lungscan_monai.storage import require_writable

RECEIVED, RESULTS, INCOMING = "received", "results", "incoming"

_SUFFIX = ".dcm"
_PREFIXES = tuple(f"{number:02x}" for number in range(256))


@dataclass(frozen=True)
class Written:
    """A content that is on the disk, though not yet in its place.

    Args:
        path: Where it lies.
        sha256: Of the file.
        size: Bytes.
    """

    path: Path
    sha256: str
    size: int


class NodeStore:
    """The folders of a node.

    Args:
        folder: The store; made if needed.

    Raises:
        OutputError: If it cannot be written.
    """

    def __init__(self, folder: str | os.PathLike) -> None:
        self.folder = require_writable(folder)
        self._locks = {prefix: threading.Lock() for prefix in _PREFIXES}
        try:
            for name in (*(f"{RECEIVED}/{prefix}" for prefix in _PREFIXES), RESULTS, INCOMING):
                (self.folder / name).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"{self.folder}: cannot make folders here ({error.strerror})") from error

    @contextmanager
    def only_node(self) -> Iterator[None]:
        """Keep the store for this node; the lock ends with the process, however that ends.

        Raises:
            OutputError: If another node works with it.
        """
        lock = FileLock(self.folder / "node.lock")
        try:
            lock.acquire(timeout=0)
        except Timeout as error:
            raise OutputError(
                f"{self.folder}: another node works with this store; end it, or choose another"
            ) from error
        try:
            yield
        finally:
            lock.release()

    def path_of(self, sha256: str) -> Path:
        """Return where a received content lies."""
        return self.folder / RECEIVED / sha256[:2] / f"{sha256}{_SUFFIX}"

    def results_of(self, job: Job) -> Path:
        """Return the folder of what a job makes in its present attempt."""
        return self.folder / RESULTS / f"{job.id}-{job.attempts}"

    def free_bytes(self) -> int:
        """Return how much room the disk has for this user."""
        return shutil.disk_usage(self.folder).free

    def write(self, parts: Sequence[bytes | memoryview]) -> Written:
        """Write a content and bring it to the disk, beside its place.

        Args:
            parts: Its bytes, one after the other.

        Raises:
            OSError: If it cannot be written, `ENOSPC` if there is no room; nothing is left behind.
        """
        digest, size = hashlib.sha256(), 0
        handle, name = tempfile.mkstemp(suffix=_SUFFIX, dir=self.folder / INCOMING)
        try:
            with os.fdopen(handle, "wb") as stream:
                for part in parts:
                    digest.update(part)
                    size += stream.write(part)
                stream.flush()
                os.fsync(stream.fileno())
        except OSError:
            Path(name).unlink(missing_ok=True)
            raise
        return Written(Path(name), digest.hexdigest(), size)

    @contextmanager
    def placing(self, written: Written) -> Iterator[None]:
        """Put a content in its place and bring the folder to the disk; nobody deletes it before the block ends.

        Raises:
            OSError: If that is not possible.
        """
        place = self.path_of(written.sha256)
        with self._locks[written.sha256[:2]]:
            written.path.replace(place)
            _flush_folder(place.parent)
            yield

    def delete_received(self, sha256: str, ledger: NodeLedger) -> None:
        """Delete a content; the ledger knows it first."""
        with self._locks[sha256[:2]]:
            ledger.forget_content(sha256)
            self.path_of(sha256).unlink(missing_ok=True)

    def delete_results(self, job: int, ledger: NodeLedger) -> None:
        """Delete the results of a job; the ledger knows it first."""
        ledger.forget_results(job)
        for folder in (self.folder / RESULTS).glob(f"{job}-*"):
            shutil.rmtree(folder, ignore_errors=True)

    def remove_unfinished(self, ledger: NodeLedger) -> None:
        """Remove what a node that was killed has left: contents it never acknowledged, results it never recorded."""
        shutil.rmtree(self.folder / INCOMING)
        (self.folder / INCOMING).mkdir()
        for path in (self.folder / RECEIVED).glob(f"*/*{_SUFFIX}"):
            if not ledger.has_content(path.stem):
                path.unlink()
        for path in (self.folder / RESULTS).iterdir():
            if not ledger.has_job(int(path.name.partition("-")[0])):
                shutil.rmtree(path, ignore_errors=True)


def is_full(error: OSError) -> bool:
    """Tell whether an error means that there is no room."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def _flush_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
