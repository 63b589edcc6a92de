"""A folder of an object store: its files are brought one by one into temporary files, which the gate then looks at."""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Any

import fsspec

from lungscan_monai.errors import ConfigError, DataError, MissingDependencyError, NetworkError, ReadError
from lungscan_monai.gate.limits import Limits

TRIES = 3
"""How often a file is asked for before it is given up."""

_PIECE = 8 * 2**20
_WAIT_SECONDS = 1.0
_STAMPS = ("ETag", "etag", "md5Hash", "LastModified", "last_modified", "updated", "mtime", "created")
"""What stores call that which changes with a file."""


@dataclass(frozen=True)
class FolderInStore:
    """A folder that fsspec reads. Keys, regions and endpoints come from the environment or from fsspec's own
    configuration, on each machine.

    Args:
        url: For instance ``s3://bucket/archive``.
    """

    url: str

    @classmethod
    def at(cls, url: str) -> FolderInStore:
        """Return the folder after a look at it.

        Raises:
            DataError: If there is no such folder.
            ConfigError: If there are no such URLs.
            MissingDependencyError: If the package for them is not installed.
            NetworkError: If the store cannot be reached, or refuses.
        """
        folder = cls(url.rstrip("/"))
        try:
            folder._listed(folder._root)
        except ImportError as error:
            raise MissingDependencyError(f"{folder._kind}: {error}") from error
        except ValueError as error:
            raise ConfigError(f"{folder._kind}: fsspec knows no such URLs; expected s3://, gs:// ...") from error
        except FileNotFoundError as error:
            raise DataError(f"{folder.url}: there is no such folder") from error
        except OSError as error:
            raise folder._unreachable(error) from error
        return folder

    @property
    def identity(self) -> str:
        """Hash of the URL."""
        return hashlib.sha256(self.url.encode()).hexdigest()

    def files(self) -> Iterator[PurePosixPath]:
        """Give all files, in the order that the same files would have on a disk."""
        return (file for file, _ in self.stamps())

    def stamps(self) -> Iterator[tuple[PurePosixPath, str]]:
        """Give all files with size and what else changes with them.

        Raises:
            NetworkError: If the store cannot be reached any more.
        """
        try:
            yield from self._below(PurePosixPath())
        except OSError as error:
            raise self._unreachable(error) from error

    @contextmanager
    def here(self, file: PurePosixPath) -> Iterator[Path]:
        """Bring a file into a temporary one, which goes away at the end.

        Raises:
            ReadError: ``too-large``, before more than the limit has come; ``missing-file`` or ``unreadable``.
            NetworkError: If the store gives nothing any more.
        """
        with TemporaryDirectory(prefix="lungscan-") as folder:
            path = Path(folder, "file" + "".join(re.findall(r"\.\w{1,8}", file.name)[-2:]))
            self._bring(file, path)
            yield path

    def _bring(self, file: PurePosixPath, path: Path) -> None:
        for tries_left in reversed(range(TRIES)):
            try:
                self._copy(file, path)
                return
            except FileNotFoundError as error:
                self._check_is_there()
                raise ReadError(file.name, "missing-file", "there is no such file") from error
            except OSError as error:
                if isinstance(error, PermissionError) or not tries_left:
                    self._check_is_there()
                    reason = f"disk or file cannot be read ({type(error).__name__})"
                    raise ReadError(file.name, "unreadable", reason) from error
                time.sleep(_WAIT_SECONDS)

    def _copy(self, file: PurePosixPath, path: Path) -> None:
        most = Limits().file_bytes
        with self._system.open(f"{self._root}/{file}", "rb", block_size=_PIECE) as source, path.open("wb") as part:
            while piece := source.read(_PIECE):
                part.write(piece)
                if part.tell() > most:
                    raise ReadError(file.name, "too-large", f"has more bytes than the limit `file_bytes`, {most}")

    def _check_is_there(self) -> None:
        """Raise a NetworkError if it is not the file but the store that cannot be read: nothing is rejected then."""
        try:
            self._system.info(self._root)
        except OSError as error:
            raise self._unreachable(error) from error

    def _below(self, folder: PurePosixPath) -> Iterator[tuple[PurePosixPath, str]]:
        found = {PurePosixPath(one["name"]).name: one for one in self._listed(f"{self._root}/{folder}")}
        for name in sorted(found):
            if found[name]["type"] != "directory":
                yield folder / name, _stamp(found[name])
        for name in sorted(found):
            if found[name]["type"] == "directory":
                yield from self._below(folder / name)

    def _listed(self, path: str) -> list[dict[str, Any]]:
        place = path.removesuffix("/.").rstrip("/")
        listed = self._system.ls(place, detail=True)
        return [one for one in listed if one["name"].strip("/") != place.strip("/")]  # a folder's own empty object

    @property
    def _system(self) -> fsspec.AbstractFileSystem:
        return fsspec.core.url_to_fs(self.url, use_listings_cache=False)[0]  # fsspec keeps one for each process

    @property
    def _root(self) -> str:
        return fsspec.core.url_to_fs(self.url, use_listings_cache=False)[1].rstrip("/")

    @property
    def _kind(self) -> str:
        return f"{self.url.partition('://')[0]}://"

    def _unreachable(self, error: OSError) -> NetworkError:
        return NetworkError(
            f"{self.url}: the store cannot be read ({type(error).__name__}); look at network, address and keys, then "
            "give the same command with --resume",
            retryable=not isinstance(error, PermissionError),
        )


def _stamp(facts: dict[str, Any]) -> str:
    return " ".join(str(facts[name]) for name in ("size", *_STAMPS) if facts.get(name) is not None)
