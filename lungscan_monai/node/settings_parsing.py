"""JSON into frozen dataclasses by their annotations; everything that is wrong is found in one look."""

from __future__ import annotations

import difflib
import types
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from lungscan_monai.errors import ConfigError

Kind = TypeVar("Kind")

_NAMES = {str: "a text", int: "a whole number", float: "a number", bool: "true or false", Path: "a path"}


def parsed(kind: type[Kind], content: Any, source: Path) -> Kind:
    """Return an instance of a dataclass made of JSON.

    Args:
        kind: The dataclass; its fields may be texts, numbers, paths, dataclasses, tuples of those, or None.
        content: What the JSON file holds.
        source: The file; paths in it are relative to its folder.

    Raises:
        ConfigError: With everything that is wrong.
    """
    parser = _Parser(source.absolute().parent)
    found = parser.value(kind, content, "")
    if parser.defects:
        lines = "\n".join(f"  - {defect}" for defect in parser.defects)
        raise ConfigError(f"{source}: {len(parser.defects)} setting(s) are wrong:\n{lines}")
    return found


class _Parser:
    """Goes through JSON; what is wrong becomes a defect and None."""

    def __init__(self, folder: Path) -> None:
        self.defects: list[str] = []
        self._folder = folder

    def value(self, kind: Any, content: Any, where: str) -> Any:
        if get_origin(kind) in (Union, types.UnionType):
            kinds = [one for one in get_args(kind) if one is not type(None)]
            return None if content is None else self.value(kinds[0], content, where)
        if get_origin(kind) is tuple:
            return self._tuple(get_args(kind)[0], content, where)
        if is_dataclass(kind):
            return self._object(kind, content, where)
        return self._plain(kind, content, where)

    def _tuple(self, kind: Any, content: Any, where: str) -> tuple:
        if not isinstance(content, list):
            self._wrong(where, "a list", content)
            return ()
        return tuple(self.value(kind, one, f"{where}[{number}]") for number, one in enumerate(content))

    def _object(self, kind: type, content: Any, where: str) -> Any:
        if not isinstance(content, dict):
            self._wrong(where, "an object", content)
            return None
        known = {one.name: one for one in fields(kind)}
        before = len(self.defects)
        for name in content:
            if name not in known:
                near = difflib.get_close_matches(name, known, 1)
                hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(known)}"
                self.defects.append(f"{_inside(where, name)}: there is no such setting; {hint}")
        for name, one in known.items():
            if name not in content and one.default is MISSING and one.default_factory is MISSING:
                self.defects.append(f"{_inside(where, name)}: is missing")
        hints = get_type_hints(kind)
        values = {
            name: self.value(hints[name], content[name], _inside(where, name)) for name in known if name in content
        }
        if len(self.defects) > before:
            return None
        try:
            return kind(**values)
        except ConfigError as error:
            self.defects.append(f"{where}.{error}" if where else str(error))
            return None

    def _plain(self, kind: type, content: Any, where: str) -> Any:
        accepted = {float: (int, float), Path: (str,)}.get(kind, (kind,))
        if not isinstance(content, accepted) or (isinstance(content, bool) and kind is not bool):
            self._wrong(where, _NAMES[kind], content)
            return None
        if kind is Path:
            return self._folder / Path(content).expanduser()
        return float(content) if kind is float else content

    def _wrong(self, where: str, expected: str, content: Any) -> None:
        self.defects.append(f"{where or 'the file'}: is {_described(content)}, expected {expected}")


def _inside(where: str, name: str) -> str:
    return f"{where}.{name}" if where else name


def _described(content: Any) -> str:
    kinds = {dict: "an object", list: "a list", type(None): "null", bool: str(content).lower()}
    return kinds.get(type(content), repr(content))
