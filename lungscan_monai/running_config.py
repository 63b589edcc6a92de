"""Refuse what MONAI accepts in silence: an override whose name no config knows.

`python -m monai.bundle run --max_epocs 3` would train with the default number of epochs. Each workflow of our bundles
calls :func:`refuse_unknown_overrides` first.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Iterator
from typing import Any

from monai.bundle import ConfigParser
from monai.utils import optional_import

from lungscan_monai.errors import UnknownOverrideError
from lungscan_monai.overrides import SEPARATOR, entries_of, known_ids, require_none_unknown

_MONAI_KEYS = {"_meta_"}


def refuse_unknown_overrides(bundle_root: str | os.PathLike) -> None:
    """Compare the running config with the config files of its bundle.

    Call it from the config itself, as the first item of `initialize`. An entry that stands in no file of the bundle is
    an override; it is accepted if it is an argument of the object it belongs to, and refused otherwise.

    Args:
        bundle_root: Folder of the bundle.

    Raises:
        UnknownOverrideError: If there are any such entries; all are named, with the nearest known name.
    """
    known = known_ids(bundle_root)
    require_none_unknown(_unknown(_running_config(), known), known)


def _running_config() -> dict[str, Any]:
    """Return the config that is being evaluated: MONAI gives an expression no other way to see the whole of it."""
    frame = inspect.currentframe()
    while frame is not None:
        parser = frame.f_locals.get("self")
        if isinstance(parser, ConfigParser):
            return parser.config
        frame = frame.f_back
    raise UnknownOverrideError("refuse_unknown_overrides works only inside a running MONAI config")


def _unknown(config: dict[str, Any], known: set[str]) -> Iterator[str]:
    refused: list[str] = []
    for name, parent in entries_of(config):
        inside_refused = any(name.startswith(other + SEPARATOR) for other in refused)
        if name in known or name.split(SEPARATOR)[0] in _MONAI_KEYS or inside_refused:
            continue
        if not _is_argument(name.rsplit(SEPARATOR, 1)[-1], parent):
            refused.append(name)
            yield name


def _is_argument(key: str, parent: dict[str, Any]) -> bool:
    if key.startswith("_") and key.endswith("_"):
        return True
    if "_target_" not in parent:
        return False
    module, _, attribute = parent["_target_"].rpartition(".")
    target, found = optional_import(module or "monai", name=attribute)
    if not found:
        return True  # a short MONAI name; its constructor will refuse what it does not know
    parameters = inspect.signature(target).parameters.values()
    return any(p.name == key or p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters)
