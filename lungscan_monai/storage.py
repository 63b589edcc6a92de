"""Files that survive a crash: written beside their place, flushed, renamed, and recorded with their SHA-256.

Standard library only. A :class:`Manifest` is written *before* the file that it describes takes its place and
keeps the previous hash too, so that at every moment the file on disk matches one of the two.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lungscan_monai.errors import CheckpointError, OutputError

MANIFEST_NAME = "manifest.json"


def sha256_file(path: str | os.PathLike) -> str:
    """Return the SHA-256 of a file as 64 hexadecimal digits."""
    with Path(path).open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest() if hasattr(hashlib, "file_digest") else _digest(stream)


def _digest(stream: Any) -> str:
    digest = hashlib.sha256()
    while block := stream.read(1 << 20):
        digest.update(block)
    return digest.hexdigest()


@contextlib.contextmanager
def replacing(path: str | os.PathLike, manifest: Manifest | None = None, **facts: Any) -> Iterator[Path]:
    """Give a temporary path in the same folder; on a clean exit it is flushed and renamed to `path`.

    After an exception, or a crash, `path` is what it was before.

    Args:
        path: The file to write or replace; missing parent folders are made.
        manifest: Where to record name, size and SHA-256, if anywhere.
        **facts: Further entries of the manifest's record (epoch, metric, ...).

    Raises:
        OutputError: If the folder cannot be written.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
    except OSError as error:
        raise OutputError(
            f"{path.parent}: cannot write here ({error.strerror}); choose another output folder"
        ) from error
    os.close(handle)
    part = Path(name)
    try:
        yield part
        _flush(part)
        part.chmod(0o666 & ~_umask())
        if manifest is not None:
            manifest.record(path.name, sha256_file(part), part.stat().st_size, **facts)
        part.replace(path)
        _flush(path.parent)
    except OSError as error:
        if isinstance(error, OutputError):
            raise
        raise OutputError(f"{path}: could not be written ({error.strerror}); the previous file is unchanged") from error
    finally:
        part.unlink(missing_ok=True)


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_text(path: str | os.PathLike, text: str) -> None:
    """Write a text file (UTF-8) so that a crash leaves either the old or the new one.

    Raises:
        OutputError: If the folder cannot be written.
    """
    with replacing(path) as part:
        part.write_text(text, encoding="utf-8")


def write_json(path: str | os.PathLike, content: Any) -> None:
    """Write `content` as indented JSON, keys in the given order; see :func:`write_text`.

    Raises:
        OutputError: If the folder cannot be written.
        ValueError: If `content` holds NaN or infinity, which JSON does not know.
    """
    write_text(path, json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def require_writable(folder: str | os.PathLike) -> Path:
    """Make the folder if needed and prove that a file can be written in it.

    Raises:
        OutputError: If it cannot; nothing is left behind.
    """
    folder = Path(folder)
    with replacing(folder / ".writable") as part:
        part.write_bytes(b"ok")
    (folder / ".writable").unlink(missing_ok=True)  # another process may prove the same at the same time
    return folder


class Manifest:
    """The record, `manifest.json`, of the files in one folder.

    Args:
        folder: The folder; the manifest lies in it.
    """

    def __init__(self, folder: str | os.PathLike) -> None:
        self.path = Path(folder) / MANIFEST_NAME

    def entries(self) -> dict[str, dict[str, Any]]:
        """Return all records by file name, empty where there is no manifest.

        Raises:
            CheckpointError: If the manifest is not readable JSON.
        """
        if not self.path.exists():
            return {}
        try:
            return json.loads(self.path.read_text(encoding="utf-8"))["files"]
        except (ValueError, KeyError, TypeError) as error:
            raise CheckpointError(f"{self.path}: not a manifest ({error}); delete it to start over") from error

    def record(self, name: str, sha256: str, size: int, **facts: Any) -> None:
        """Announce the file that is about to replace `name`, keeping the hash of the present one."""
        entries = self.entries()
        previous = entries.get(name, {}).get("sha256")
        entries[name] = {"sha256": sha256, "previous_sha256": previous, "bytes": size, **facts}
        write_json(self.path, {"files": entries})

    def verify(self, name: str) -> str:
        """Return the SHA-256 of a recorded file after checking it.

        Raises:
            CheckpointError: If the file is missing, not recorded, or its bytes are not those that were recorded.
        """
        path = self.path.parent / name
        if not path.is_file():
            raise CheckpointError(f"{path}: there is no such file")
        entry = self.entries().get(name)
        if entry is None:
            raise CheckpointError(f"{path}: not recorded in {self.path.name}, so it cannot be verified")
        actual = sha256_file(path)
        if actual not in (entry["sha256"], entry["previous_sha256"]):
            raise CheckpointError(
                f"{path}: SHA-256 is {actual[:12]}..., expected {entry['sha256'][:12]}...; the file is damaged or was "
                "exchanged; restore it from a copy, or train again"
            )
        return actual
