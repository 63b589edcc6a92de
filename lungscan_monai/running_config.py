"""Refuse what MONAI accepts in silence, or fails at late: an override that no config knows, configs of another version.

`python -m monai.bundle run --max_epocs 3` would train with the default number of epochs, and configs that were copied
before an update would end in a TypeError. Each workflow of our bundles calls :func:`refuse_unknown_overrides` first.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Iterator
from typing import Any

from monai.bundle import ConfigParser
from monai.utils import optional_import

from lungscan_monai.errors import ConfigError, UnknownOverrideError
from lungscan_monai.overrides import SEPARATOR, entries_of, known_ids, require_none_unknown

_MONAI_KEYS = {"_meta_"}
_OURS = "lungscan_monai."


def refuse_unknown_overrides(bundle_root: str | os.PathLike) -> None:
    """Compare the running config with the config files of its bundle.

    Call it from the config itself, as the first item of `initialize`. An entry that stands in no file of the bundle is
    an override; it is accepted if it is an argument of the object it belongs to, and refused otherwise. Then every
    object of this package that the config builds is compared with what the installed package has.

    Args:
        bundle_root: Folder of the bundle.

    Raises:
        UnknownOverrideError: If there are any such entries; all are named, with the nearest known name.
        ConfigError: If the configs were written for another version of the package; all that does not fit is named.
    """
    known, config = known_ids(bundle_root), _running_config()
    require_none_unknown(_unknown(config, known), known)
    misfits = [sentence for name, entry in _objects(config) for sentence in _misfits(name, entry)]
    if misfits:
        raise ConfigError(
            f"the configs of {bundle_root} do not fit the lungscan_monai that is installed: {'; '.join(misfits)}. They "
            "are of another version: copy the folder configs of the bundle that this one was made from over them; the "
            "model stays as it is"
        )


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


def _objects(content: Any, prefix: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Give every object of this package that a config describes, with its id, inside lists, too."""
    parts = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else ()
    if isinstance(content, dict) and str(content.get("_target_", "")).startswith(_OURS):
        yield prefix, content
    for key, value in parts:
        yield from _objects(value, f"{prefix}{SEPARATOR}{key}" if prefix else str(key))


def _misfits(name: str, entry: dict[str, Any]) -> Iterator[str]:
    """Say what the package does not have of an object that a config wants of it."""
    module, _, attribute = entry["_target_"].rpartition(".")
    target, found = optional_import(module, name=attribute)
    if not found:
        yield f"{name}: there is no {entry['_target_']}"
        return
    parameters = inspect.signature(target).parameters
    if any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters.values()):
        return
    strange = [key for key in entry if not (key.startswith("_") and key.endswith("_")) and key not in parameters]
    if strange:
        yield f"{name}: {attribute} takes no {', '.join(strange)}"


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
