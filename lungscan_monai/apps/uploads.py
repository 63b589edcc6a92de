"""Files from people's browsers: kept in a private folder that goes away, and let in by their content.

A name that comes with a file is text to show and nothing else: files lie under numbers. An archive is unpacked here,
within limits that are counted while it is unpacked, not taken from its headers. What is wrong with one file is a
:class:`~lungscan_monai.inference.answering.Reject` for that file.
"""

from __future__ import annotations

import contextlib
import fcntl
import io
import os
import shutil
import stat
import struct
import tempfile
import time
import unicodedata
import weakref
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

from lungscan_monai.errors import OutputError, ReadError
from lungscan_monai.gate.admitting import DICOM, NIFTI, VOLUME, Admitted, admit
from lungscan_monai.gate.limits import Limits
from lungscan_monai.inference.answering import Reject

UPLOAD_CODES = {
    "too-many-files": "More files, or entries of an archive, than a limit.",
    "too-large": "The file, or all files together, are larger than a limit.",
    "expansion": "An archive becomes many times larger than it is.",
    "nested-archive": "An archive in an archive.",
    "encrypted": "An archive with a password.",
    "compression": "An archive packed in another way than deflate.",
    "link": "An entry of an archive that is a link, a pipe or a device.",
    "damaged": "An archive that is cut short or damaged.",
    "empty": "An archive without files.",
    "not-stored": "The disk of this machine is full or refuses.",
}
"""Code -> meaning, for what is refused before the gate; the gate has codes of its own."""

LONGEST_NAME = 100
"""Characters of a shown name."""

_PREFIX = "lungscan-upload-"
_LOCK = "lock"
_UNLOCKED_SECONDS = 60.0  # between making a folder and locking it
_BLOCK = 2**20
_ARCHIVE = (b"PK\x03\x04", b"PK\x05\x06")
_ENTRY = b"PK\x01\x02"  # begins each record of an archive's table of contents
_ANY_RATIO = 2**20
_DAMAGE = (
    zipfile.BadZipFile,
    struct.error,
    zlib.error,
    EOFError,
    NotImplementedError,
    ValueError,
    LookupError,
    OSError,
)


@dataclass(frozen=True)
class UploadLimits:
    """What one :class:`UploadFolder` takes.

    Args:
        files: Files in the folder, those of archives among them; also the entries of one archive.
        total_bytes: Bytes of all of them together.
        ratio: How many times larger than packed an entry may be; not looked at below 1 MiB.
        gate: What one file may ask for.
    """

    files: int = 2000
    total_bytes: int = 2**30
    ratio: int = 100
    gate: Limits = field(default_factory=lambda: Limits(file_bytes=2**28))


@dataclass(frozen=True)
class Upload:
    """A file as a browser sent it.

    Args:
        name: What it says it is called; not trusted.
        content: Its bytes.
    """

    name: str
    content: bytes


@dataclass(frozen=True)
class Accepted:
    """A file that was let in.

    Args:
        path: Where it lies, under a name of ours, until the folder is emptied or closed.
        shown_name: Its own name, as text to show.
        admitted: What the gate saw.
    """

    path: Path
    shown_name: str
    admitted: Admitted


def shown_name(name: str) -> str:
    """Return a file's name as text to show: no control, direction or invisible characters, of bounded length.

    Example:
        >>> shown_name("../../etc/\\x00pass\\u202ewd")
        'etc/passwd'
    """
    text = unicodedata.normalize("NFC", name[: 20 * LONGEST_NAME].replace("\\", "/"))
    kept = "".join(char for char in text if not unicodedata.category(char).startswith(("C", "Zl", "Zp")))
    parts = [part for part in (" ".join(part.split()) for part in kept.split("/")) if part not in ("", ".", "..")]
    whole = "/".join(parts) or "file without a name"
    return whole if len(whole) <= LONGEST_NAME else f"…{whole[1 - LONGEST_NAME :]}"


class UploadFolder:
    """A private folder for the files of one session, gone when it is closed, forgotten or left by its ``with``.

    What a crash left behind is removed when the next folder is made: a folder whose owner lives is locked. For Linux
    and macOS; one thread at a time.

    Args:
        limits: What it takes.
        parent: Where it is made; the system's folder for temporary files if None.

    Raises:
        OutputError: If the folder cannot be made.

    Example:
        >>> with UploadFolder() as folder:
        ...     folder.accept([Upload("notes.txt", b"no picture")])[0].code
        'unknown-format'
    """

    def __init__(self, limits: UploadLimits | None = None, parent: str | os.PathLike | None = None) -> None:
        self._limits = limits or UploadLimits()
        parent = Path(parent or tempfile.gettempdir())
        try:
            sweep(parent)
            self.path = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
            lock = os.open(self.path / _LOCK, os.O_CREAT | os.O_RDWR, 0o600)
            fcntl.flock(lock, fcntl.LOCK_EX)
        except OSError as error:
            raise OutputError(f"{parent}: no folder for uploads can be made here ({error.strerror})") from error
        self._finish = weakref.finalize(self, _remove, self.path, lock)
        self._files = self._bytes = self._number = 0

    def __enter__(self) -> UploadFolder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Remove the folder and all that is in it."""
        self._finish()

    def empty(self) -> None:
        """Remove the files that were accepted so far, and count from 0 again."""
        for file in self.path.iterdir():
            if file.name != _LOCK:
                file.unlink(missing_ok=True)
        self._files = self._bytes = 0

    def remove(self, accepted: Accepted) -> None:
        """Remove one file, and make room for another."""
        accepted.path.unlink(missing_ok=True)
        self._files -= 1
        self._bytes -= accepted.admitted.size

    def accept(self, uploads: Iterable[Upload]) -> list[Accepted | Reject]:
        """Store files and look at them; an archive gives one outcome for each of its files, or one for itself."""
        return [outcome for upload in uploads for outcome in self._outcomes(upload)]

    def _outcomes(self, upload: Upload) -> Iterator[Accepted | Reject]:
        name = shown_name(upload.name)
        if upload.content.startswith(_ARCHIVE):
            yield from self._unpacked(name, upload.content)
        else:
            yield self._outcome(name, io.BytesIO(upload.content), None)

    def _unpacked(self, archive_name: str, content: bytes) -> Iterator[Accepted | Reject]:
        if content.count(_ENTRY) > self._limits.files:
            yield Reject(archive_name, "too-many-files", f"has more than {self._limits.files} entries")
            return
        try:
            archive = zipfile.ZipFile(io.BytesIO(content))
        except _DAMAGE as error:
            yield Reject(archive_name, "damaged", f"the archive cannot be opened ({type(error).__name__})")
            return
        entries = [entry for entry in archive.infolist() if not entry.is_dir()]
        if not entries:
            yield Reject(archive_name, "empty", "the archive has no files")
        for entry in entries:
            yield self._entry(archive, entry, shown_name(entry.filename))

    def _entry(self, archive: zipfile.ZipFile, entry: zipfile.ZipInfo, name: str) -> Accepted | Reject:
        kind = stat.S_IFMT(entry.external_attr >> 16)
        if kind not in (0, stat.S_IFREG):
            return Reject(name, "link", "is a link, a pipe or a device, expected a file")
        if entry.flag_bits & 1:
            return Reject(name, "encrypted", "needs a password; unpack the archive first")
        if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            return Reject(name, "compression", f"is packed by method {entry.compress_type}, expected deflate")
        try:
            with archive.open(entry) as stream:
                return self._outcome(name, stream, entry.compress_size)
        except _DAMAGE as error:
            return Reject(name, "damaged", f"cannot be unpacked ({type(error).__name__})")

    def _outcome(self, name: str, stream: BinaryIO, packed: int | None) -> Accepted | Reject:
        self._number += 1
        path = self.path / f"{self._number:06d}"
        with contextlib.ExitStack() as unless_accepted:
            unless_accepted.callback(path.unlink, missing_ok=True)
            try:
                self._store(path, stream, name, packed)
                admitted = admit(path, self._limits.gate)
            except ReadError as error:
                return Reject(name, error.code, error.reason)
            unless_accepted.pop_all()
        self._files += 1
        self._bytes += admitted.size
        return Accepted(path.rename(path.with_suffix(_suffix(path, admitted))), name, admitted)

    def _store(self, path: Path, stream: BinaryIO, name: str, packed: int | None) -> None:
        limits, size = self._limits, 0
        if self._files >= limits.files:
            raise ReadError(name, "too-many-files", f"more than {limits.files} files at a time")
        with _private(path, name) as file:
            while block := stream.read(_BLOCK):
                size += len(block)
                if size == len(block) and block.startswith(_ARCHIVE) and packed is not None:
                    raise ReadError(name, "nested-archive", "is an archive in an archive; unpack it first")
                if size > limits.gate.file_bytes:
                    raise ReadError(name, "too-large", f"has more than {limits.gate.file_bytes} bytes")
                if self._bytes + size > limits.total_bytes:
                    raise ReadError(name, "too-large", f"all files together have more than {limits.total_bytes} bytes")
                if packed is not None and size > max(_ANY_RATIO, limits.ratio * packed):
                    raise ReadError(name, "expansion", f"becomes more than {limits.ratio} times as large as packed")
                _write(file, block, name)


def sweep(parent: Path) -> None:
    """Remove folders of uploads whose owners ended without doing so; those of other users stay."""
    for folder in parent.glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError):  # another sweeper was faster, or it is not ours to remove
            _remove_if_forgotten(folder)


def _remove_if_forgotten(folder: Path) -> None:
    found = folder.lstat()
    is_old = time.time() - found.st_mtime > _UNLOCKED_SECONDS
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or not is_old:
        return
    try:
        lock = os.open(folder / _LOCK, os.O_RDWR | os.O_NOFOLLOW)
    except FileNotFoundError:
        shutil.rmtree(folder)  # its owner died before it could lock it
        return
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # BlockingIOError: its owner lives
        shutil.rmtree(folder)
    finally:
        os.close(lock)


def _remove(folder: Path, lock: int) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    os.close(lock)


@contextlib.contextmanager
def _private(path: Path, name: str) -> Iterator[BinaryIO]:
    try:
        number = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise _not_stored(name, error) from error
    with os.fdopen(number, "wb", buffering=0) as file:
        yield file


def _write(file: BinaryIO, block: bytes, name: str) -> None:
    rest = memoryview(block)
    try:
        while rest:
            rest = rest[file.write(rest) :]
    except OSError as error:
        raise _not_stored(name, error) from error


def _not_stored(name: str, error: OSError) -> ReadError:
    return ReadError(name, "not-stored", f"could not be stored here ({error.strerror})")


def _suffix(path: Path, admitted: Admitted) -> str:
    """Return what the file's name must end with: readers of volumes go by it."""
    if admitted.kind not in (NIFTI, VOLUME):
        return ".dcm" if admitted.kind == DICOM else ""
    with path.open("rb") as stream:
        head = stream.read(4)
    if admitted.kind == NIFTI:
        return ".nii.gz" if head.startswith(b"\x1f\x8b") else ".nii"
    return ".nrrd" if head == b"NRRD" else ".mha"
