"""Image references: a path, and perhaps a fragment that chooses a part of the file, ``volume.nii.gz#slice=12``."""

from __future__ import annotations

import os
import re
from pathlib import Path

_FRAGMENT = re.compile(r"(?P<path>.+)#(?:slice|frame)=(?P<index>\d+)", re.DOTALL)


def split_reference(reference: str | os.PathLike) -> tuple[Path, int | None]:
    """Split ``volume.nii.gz#slice=12`` into the file and the index; the index is None without a fragment."""
    match = _FRAGMENT.fullmatch(os.fspath(reference))
    return (Path(match["path"]), int(match["index"])) if match else (Path(reference), None)


def without_fragment(reference: str) -> str:
    """Return the path in an image reference, letter by letter: ``"ct.nii.gz#slice=12"`` -> ``"ct.nii.gz"``."""
    match = _FRAGMENT.fullmatch(reference)
    return match["path"] if match else reference
