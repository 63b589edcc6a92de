"""The rows of a table: a CSV file, read and taken apart by what its columns are for."""

from __future__ import annotations

import csv
import difflib
import gzip
import io
import re
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from lungscan_monai.data.label_names import label_key, normalised
from lungscan_monai.data.line_defects import LineDefects
from lungscan_monai.errors import ConfigError, DatalistError

COLUMN_NAMES = {
    "image": ("image", "path", "file", "filename", "file name", "image path", "image index", "image id"),
    "label": ("label", "labels", "class", "finding labels", "findings", "finding", "diagnosis", "target"),
    "patient": ("patient", "patient id", "patientid", "subject", "subject id", "series", "series id"),
    "split": ("split", "section", "subset", "partition"),
    "sex": ("sex", "gender", "patient sex", "patient gender"),
    "age": ("age", "patient age"),
    "view": ("view", "view position", "projection", "ap/pa"),
    "source": ("source", "data set", "dataset"),
}
"""What a column is for -> names that are recognised, the best first; compared without case, ``_`` and ``-``."""

_NEEDED = ("image", "label")
_FACTS = ("sex", "age", "view", "source")
_AGE = re.compile(r"(\d{1,3})(?:\.0+)?([YMWD]?)")
_UNITS_IN_A_YEAR = {"": 1, "Y": 1, "M": 12, "W": 52, "D": 365}


class TableRow(NamedTuple):
    """One row, its cells as they stand; the label is a tuple where each finding has its own column."""

    line: int
    image: str
    label: str | tuple[str, ...]
    patient: str | None
    split: str | None
    facts: dict[str, Any]


def read_rows(
    path: Path, columns: Mapping[str, str], labels: Sequence[str] | None, defects: LineDefects
) -> list[TableRow]:
    """Read a table (UTF-8, separated by comma, semicolon or tab; ``.gz`` too).

    Args:
        path: The table.
        columns: Names of columns that are not recognised by themselves; see
            :class:`~lungscan_monai.data.tables.TableOptions`.
        labels: Names of the columns to take for the label, where there is no label column.
        defects: Takes down the lines that are no rows.

    Raises:
        DatalistError: If the file cannot be read, or lacks a column, or has no row.
        ConfigError: If `columns` names an unknown use.
    """
    text = _read_text(path)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text))
    try:
        header = _without_empty_end([name.strip() for name in next(reader, [])], 0)
        places = _column_places(path, header, columns, labels)
        rows = []
        for cells in reader:
            cells = _without_empty_end(cells, len(header))
            if not any(cells):
                continue
            if len(cells) != len(header):
                defects.add("number of cells", reader.line_num, f"{len(cells)} cells, the header has {len(header)}")
                continue
            rows.append(_row(reader.line_num, [cell.strip() for cell in cells], places))
    except csv.Error as error:
        raise DatalistError(str(path), [f"line {reader.line_num}: cannot be read as CSV ({error})"]) from error
    if not rows:
        defects.raise_if_any(path)
        raise DatalistError(str(path), ["the table has no row below its header"])
    return rows


def _without_empty_end(cells: list[str], length: int) -> list[str]:
    """Cut off empty cells beyond a number of cells, as a separator at the end of the lines makes them."""
    while len(cells) > length and not cells[-1]:
        cells = cells[:-1]
    return cells


def _row(line: int, cells: Sequence[str], places: _Places) -> TableRow:
    values = {role: cells[place] for role, place in places.roles.items()}
    facts: dict[str, Any] = {role: values[role] for role in _FACTS if values.get(role)}
    if "age" in facts:
        facts["age"] = _years(facts["age"])
    label = tuple(cells[place] for place in places.findings) if places.findings else values["label"]
    return TableRow(line, values["image"], label, values.get("patient") or None, values.get("split"), facts)


def _years(age: str) -> int | str:
    """Return an age in full years, from years ("58", "58.0", "058Y") or DICOM's other units ("013M"); else as it is."""
    match = _AGE.fullmatch(age)
    return int(match[1]) // _UNITS_IN_A_YEAR[match[2]] if match else age


def _read_text(path: Path) -> str:
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as stream:
            return stream.read().decode("utf-8-sig")
    except FileNotFoundError as error:
        raise DatalistError(str(path), ["there is no such file"]) from error
    except UnicodeDecodeError as error:
        raise DatalistError(str(path), [f"not UTF-8 (byte {error.start}); save the table as CSV UTF-8"]) from error
    except (OSError, EOFError, zlib.error) as error:
        raise DatalistError(str(path), [f"cannot be read ({error})"]) from error


def _delimiter(text: str) -> str:
    header = text.split("\n", 1)[0]
    try:
        return csv.Sniffer().sniff(header, delimiters=",;\t").delimiter
    except csv.Error:
        return ","


class _Places(NamedTuple):
    """Where the columns are: by their use, and those of the findings if there is one for each."""

    roles: dict[str, int]
    findings: tuple[int, ...]


def _column_places(
    path: Path, header: Sequence[str], columns: Mapping[str, str], labels: Sequence[str] | None
) -> _Places:
    unknown = [role for role in columns if role not in COLUMN_NAMES]
    if unknown:
        raise ConfigError(f"columns: {', '.join(unknown)} is unknown, expected some of {', '.join(COLUMN_NAMES)}")
    by_name = {normalised(name): place for place, name in reversed(list(enumerate(header)))}
    findings: tuple[int, ...] = ()
    places, defects = {}, []
    for role, recognised in COLUMN_NAMES.items():
        wanted = [columns[role]] if columns.get(role) else [] if role in columns else recognised
        found = [by_name[name] for name in map(normalised, wanted) if name in by_name]
        if found:
            places[role] = found[0]
        elif role == "label" and not columns.get(role):
            findings = _finding_places(header, labels or ())
            defects += [] if findings else [_without_labels(header, labels)]
        elif columns.get(role) or role in _NEEDED:
            near = [match for name in wanted for match in difflib.get_close_matches(normalised(name), by_name, n=1)]
            hint = f"; did you mean {header[by_name[near[0]]]!r}?" if near else ""
            defects.append(f"no column for {role} ({columns.get(role) or role!r}); there are {', '.join(header)}{hint}")
    if defects:
        raise DatalistError(str(path), defects)
    return _Places(places, findings)


def _finding_places(header: Sequence[str], labels: Sequence[str]) -> tuple[int, ...]:
    """Return the places of the columns called like the labels, nothing unless each has one."""
    by_name = {label_key(name): place for place, name in reversed(list(enumerate(header)))}
    keys = [label_key(label) for label in labels]
    return tuple(by_name[key] for key in keys) if all(key in by_name for key in keys) else ()


def _without_labels(header: Sequence[str], labels: Sequence[str] | None) -> str:
    absent = [label for label in labels or () if not _finding_places(header, [label])]
    other = (
        f"if each finding has its own column, {', '.join(absent)} has none"
        if absent
        else "if each finding has its own column, name them (--labels)"
    )
    return f"no column for label ('label'); there are {', '.join(header)}; {other}"
