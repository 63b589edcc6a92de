"""The names that overrides may have: whatever the config files of a bundle name. Standard library only."""

from __future__ import annotations

import difflib
import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from lungscan_monai.errors import UnknownOverrideError

SEPARATOR = "#"
"""Stands between the levels of an entry's id: ``train#trainer#max_epochs``."""


def known_ids(bundle_root: str | os.PathLike) -> set[str]:
    """Return the ids of all entries of all config files of a bundle, for instance ``train#trainer#max_epochs``."""
    files = sorted((Path(bundle_root) / "configs").glob("*.json"))
    contents = [json.loads(path.read_text(encoding="utf-8")) for path in files if path.name != "metadata.json"]
    return {name.lstrip("+") for content in contents for name, _ in entries_of(content)}


def entries_of(content: Any, prefix: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Give the id of each entry of a config, level by level, and the dictionary that holds the entry."""
    if not isinstance(content, dict):
        return
    for key, value in content.items():
        name = f"{prefix}{SEPARATOR}{key}" if prefix else key
        yield name, content
        yield from entries_of(value, name)


def require_none_unknown(unknown: Iterable[str], known: set[str]) -> None:
    """Check that there is no unknown name.

    Raises:
        UnknownOverrideError: If there is one; all are named, each with the nearest known name.
    """
    sentences = [_explain(name, known) for name in unknown]
    if sentences:
        raise UnknownOverrideError("\n".join(sentences))


def _explain(name: str, known: set[str]) -> str:
    near = difflib.get_close_matches(name, sorted(known), n=1)
    hint = f"did you mean --{near[0]}?" if near else "see the bundle's configs/train.json for what can be changed"
    return f"--{name}: no config of this bundle has such an entry; {hint}"
