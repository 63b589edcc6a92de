"""Where the files of a batch lie: a folder of this machine, or one of an object store that fsspec knows."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter
from pathlib import Path, PurePosixPath
from typing import Protocol

from lungscan_monai.data.files import files_below
from lungscan_monai.errors import DataError
from lungscan_monai.inference.stores import FolderInStore

_OF_THIS_MACHINE = "file://"


class Folder(Protocol):
    """Files below one place; it can travel to other processes and machines."""

    identity: str
    """Hash of the place, which does not tell its name."""

    def files(self) -> Iterator[PurePosixPath]:
        """Give all files relative to the folder, in the order of :func:`~lungscan_monai.data.files.files_below`."""

    def stamps(self) -> Iterator[tuple[PurePosixPath, str]]:
        """Give all files with what changes when they do."""

    def here(self, file: PurePosixPath) -> AbstractContextManager[Path]:
        """Give a path of this machine under which a file can be read meanwhile.

        Raises:
            ReadError: If the file cannot be brought here.
            NetworkError: If the whole folder cannot be reached.
        """


@dataclass(frozen=True)
class FolderOnDisk:
    """A folder that this machine sees.

    Args:
        root: The folder.
        left_out: A folder in it that is not looked at.
    """

    root: Path
    left_out: Path

    @property
    def identity(self) -> str:
        """Hash of the path."""
        return hashlib.sha256(os.fsencode(self.root.resolve())).hexdigest()

    def files(self) -> Iterator[PurePosixPath]:
        """Give all files, in order."""
        left_out = self.left_out.resolve()
        for parent, files in groupby(files_below(self.root), attrgetter("parent")):
            folder = self.root / parent
            if folder.absolute().is_relative_to(left_out) or folder.resolve().is_relative_to(left_out):
                continue
            for file in files:
                path = self.root / file
                if not path.is_symlink() or not path.resolve().is_relative_to(left_out):
                    yield file

    def stamps(self) -> Iterator[tuple[PurePosixPath, str]]:
        """Give all files with size and time; an empty stamp if a file cannot be looked at."""
        for file in self.files():
            yield file, _stamp(self.root / file)

    def here(self, file: PurePosixPath) -> AbstractContextManager[Path]:
        """Give the path of the file."""
        return nullcontext(self.root / file)


def folder_at(place: str | os.PathLike, left_out: Path) -> Folder:
    """Return the folder at a path, or at a URL that fsspec knows (``s3://bucket/archive``).

    Args:
        place: Path or URL; ``file://`` is a path.
        left_out: A folder of this machine that is not looked at.

    Raises:
        DataError: If there is no such folder.
        MissingDependencyError: If the package for such URLs is not installed.
        NetworkError: If it cannot be reached.
    """
    text = os.fspath(place)
    if "://" in text and not text.startswith(_OF_THIS_MACHINE):
        return FolderInStore.at(text)
    root = Path(text.removeprefix(_OF_THIS_MACHINE))
    if not root.is_dir():
        raise DataError(f"{root}: there is no such folder")
    return FolderOnDisk(root, left_out)


def _stamp(path: Path) -> str:
    try:
        found = path.stat()
    except OSError:
        return ""
    return f"{found.st_size} {found.st_mtime_ns}"
