"""Data sets of Kaggle, downloaded with the optional package `kagglehub`."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path
from types import ModuleType

from lungscan_monai.errors import ConfigError, DataError, MissingDependencyError

PREFIX = "kaggle:"
"""What a source begins with that is to be downloaded: ``kaggle:owner/dataset``."""

_LONGEST_REASON = 160
_HANDLE = re.compile(r"[\w-]+/[\w-]+(/versions/\d+)?")


def download(source: str) -> Path:
    """Download a data set, unless it is in the cache of `kagglehub` already, and return its folder.

    Args:
        source: ``kaggle:owner/dataset``, as in the address of its page, or ``kaggle:owner/dataset/versions/2``.

    Raises:
        ConfigError: If the source has another form.
        MissingDependencyError: If the package is not installed.
        DataError: If the download fails.
    """
    handle = source.removeprefix(PREFIX)
    if not _HANDLE.fullmatch(handle):
        raise ConfigError(
            f"{source!r} is no data set of Kaggle; expected kaggle:owner/dataset, as in its page's address"
        )
    package = _kagglehub()
    problems = package.exceptions
    try:
        return Path(package.dataset_download(handle))
    except (OSError, problems.BackendError, problems.DataCorruptionError, problems.UnauthenticatedError) as error:
        page = f"https://www.kaggle.com/datasets/{handle}"
        reason = textwrap.shorten(str(error), _LONGEST_REASON)
        raise DataError(
            f"{handle}: the download failed ({reason}); get {page} in another way, unpack it, and import the folder"
        ) from error


def _kagglehub() -> ModuleType:
    try:
        import kagglehub.exceptions
    except ImportError as error:
        raise MissingDependencyError(
            "install the package kagglehub: pip install 'lungscan-monai[kaggle]'; or download the data set from its "
            "page and import the folder"
        ) from error
    return kagglehub
