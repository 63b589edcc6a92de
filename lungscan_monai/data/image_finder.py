"""Where the images of a table lie."""

from __future__ import annotations

import os
from collections import defaultdict
from functools import cached_property
from pathlib import Path

from lungscan_monai.data.files import files_below, without_suffix
from lungscan_monai.data.references import without_fragment


class ImageFinder:
    """Finds the files of image references below a folder.

    A reference is the path from the folder. A bare file name may lie in any folder below, and have another image
    suffix there, since images are often converted: of ``a.png`` and ``a.jpg``, ``a.png`` finds the first, and the
    second where there is no first.

    Args:
        base_dir: The folder.
    """

    def __init__(self, base_dir: str | os.PathLike) -> None:
        self._base_dir = os.fspath(base_dir)

    def find(self, reference: str) -> tuple[str, ...]:
        """Return the references, relative to the folder, of the files that fit: one, if all is well."""
        file = without_fragment(reference)
        if not file or Path(self._base_dir, file).is_file():
            return (reference,) if file else ()
        if "/" in file:
            return ()
        fragment = reference[len(file) :]
        found = self._by_name.get(without_suffix(file), [])
        same = [other for other in found if other.rpartition("/")[2] == file]
        return tuple(other + fragment for other in same or found)

    @cached_property
    def _by_name(self) -> dict[str, list[str]]:
        files: dict[str, list[str]] = defaultdict(list)
        for file in files_below(self._base_dir):
            files[without_suffix(file.name)].append(str(file))
        return files
