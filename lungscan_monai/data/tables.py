"""Tables: a CSV file with one row for each image."""

from __future__ import annotations

import csv
import difflib
import gzip
import io
import os
import zlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from lungscan_monai.data.datalist import Case, Label
from lungscan_monai.data.listing import Listing, exclusive_kind, is_normal, normalised, ordered_labels, section_named
from lungscan_monai.data.patients import patient_of, patient_pattern
from lungscan_monai.data.references import without_fragment
from lungscan_monai.errors import ConfigError, DatalistError

COLUMN_NAMES = {
    "image": ("image", "path", "file", "filename", "file name", "image path", "image index", "image id"),
    "label": ("label", "labels", "class", "finding labels", "findings", "finding", "diagnosis", "target"),
    "patient": ("patient", "patient id", "patientid", "subject", "subject id", "series", "series id"),
    "split": ("split", "section", "subset", "partition"),
    "sex": ("sex", "gender", "patient sex", "patient gender"),
    "age": ("age", "patient age"),
    "view": ("view", "view position", "projection"),
    "source": ("source", "data set", "dataset"),
}
"""What a column is for -> names that are recognised, the best first; compared without case, ``_`` and ``-``."""

_NEEDED = ("image", "label")
_FACTS = ("sex", "age", "view", "source")
_SEPARATOR = "|"
_PLAIN_STEMS = ("manifest", "labels", "metadata", "index")
_LISTED_AT_MOST = 20


def read_table(
    path: str | os.PathLike,
    *,
    kind: str | None = None,
    labels: Sequence[str] | None = None,
    patient_regex: str | None = None,
    columns: Mapping[str, str] | None = None,
    use_split: bool = True,
    image_dir: str | os.PathLike | None = None,
) -> Listing:
    """Read a table of images (UTF-8, separated by comma, semicolon or tab; ``.csv.gz`` too).

    A label is a name, an index into `labels`, or for several findings their names with ``|`` between them; "No
    Finding", or another name of the normal class, then stands for none. A bare file name that is not in `image_dir`
    itself is looked for in all folders below it.

    Args:
        path: The table.
        kind: ``"binary"``, ``"multiclass"`` or ``"multilabel"``; if not given, multi-label where a ``|`` occurs, else
            by the number of classes.
        labels: Label names in the wanted order, compared without case; those of the table, normal first, if not given.
        patient_regex: How to find the patient in the file name where the table has no patient column; see
            :func:`~lungscan_monai.data.patients.patient_pattern`.
        columns: Names of columns that are not recognised by themselves: a key of `COLUMN_NAMES` -> the name in the
            table, for instance ``{"patient": "ID"}``; an empty name leaves a column unused.
        use_split: Whether to take the sections from the table, where it has them.
        image_dir: Folder that the image paths start from; the table's own if not given.

    Raises:
        DatalistError: If the table has defects; all kinds are listed, with the first 20 lines of each.
        ConfigError: If `columns`, `patient_regex` or `kind` cannot be used.
    """
    path = Path(path)
    base_dir = path.parent if image_dir is None else Path(image_dir)
    pattern = patient_pattern(patient_regex) if patient_regex else None
    defects = _Defects()
    rows = _read_rows(path, columns or {}, defects)
    rows = [row._replace(patient=row.patient or patient_of(Path(row.image).name, pattern)) for row in rows]
    if not use_split:
        rows = [row._replace(split=None) for row in rows]
    kind, names = _kind_and_names(rows, kind, labels)
    reader = _LabelReader(names, multilabel=kind == "multilabel")
    finder = _ImageFinder(base_dir)
    images = [finder.find(row.image) for row in rows]
    _check_images(rows, images, base_dir, defects)
    _check_labels(rows, reader, defects)
    _check_sections(rows, defects)
    defects.raise_if_any(path)
    cases: dict[str | None, list[Case]] = defaultdict(list)
    for row, (image,) in zip(rows, images, strict=True):
        cases[section_named(row.split or "")].append(Case(image, reader.label(row.label), row.patient, facts=row.facts))
    return Listing(
        name=path.resolve().parent.name if path.stem in _PLAIN_STEMS else path.name.split(".")[0],
        kind=kind,
        labels=names,
        base_dir=base_dir,
        unsplit=tuple(cases.pop(None, ())),
        given={section: tuple(members) for section, members in cases.items() if section},
    )


def _kind_and_names(
    rows: Sequence[_Row], kind: str | None, labels: Sequence[str] | None
) -> tuple[str, tuple[str, ...]]:
    names = tuple(labels) if labels is not None else _label_names(rows)
    if kind != "multilabel" and not (kind is None and any(_SEPARATOR in row.label for row in rows)):
        return exclusive_kind(names, kind), names
    return "multilabel", names if labels is not None else tuple(name for name in names if not is_normal(name))


class _Row(NamedTuple):
    line: int
    image: str
    label: str
    patient: str | None
    split: str | None
    facts: dict[str, str]


class _Defects:
    """Sentences by kind and line."""

    def __init__(self) -> None:
        self._found: dict[str, list[str]] = defaultdict(list)

    def add(self, kind: str, line: int, sentence: str) -> None:
        self._found[kind].append(f"line {line}: {sentence}")

    def raise_if_any(self, path: Path) -> None:
        sentences = []
        for kind, found in self._found.items():
            sentences += found[:_LISTED_AT_MOST]
            if len(found) > _LISTED_AT_MOST:
                sentences.append(f"... and {len(found) - _LISTED_AT_MOST} more: {kind}")
        if sentences:
            raise DatalistError(str(path), sentences)


def _read_rows(path: Path, columns: Mapping[str, str], defects: _Defects) -> list[_Row]:
    text = _read_text(path)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text))
    header = [name.strip() for name in next(reader, [])]
    places = _column_places(path, header, columns)
    rows = []
    for cells in reader:
        if not any(cells):
            continue
        if len(cells) != len(header):
            defects.add("number of cells", reader.line_num, f"{len(cells)} cells, the header has {len(header)}")
            continue
        values = {role: cells[place].strip() for role, place in places.items()}
        facts = {role: values[role] for role in _FACTS if values.get(role)}
        patient = values.get("patient") or None
        rows.append(_Row(reader.line_num, values["image"], values["label"], patient, values.get("split"), facts))
    if not rows:
        defects.raise_if_any(path)
        raise DatalistError(str(path), ["the table has no row below its header"])
    return rows


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


def _column_places(path: Path, header: Sequence[str], columns: Mapping[str, str]) -> dict[str, int]:
    """Return for each role the place of its column, where there is one."""
    unknown = [role for role in columns if role not in COLUMN_NAMES]
    if unknown:
        raise ConfigError(f"columns: {', '.join(unknown)} is unknown, expected some of {', '.join(COLUMN_NAMES)}")
    by_name = {normalised(name): place for place, name in reversed(list(enumerate(header)))}
    places, defects = {}, []
    for role, recognised in COLUMN_NAMES.items():
        wanted = [columns[role]] if columns.get(role) else [] if role in columns else recognised
        found = [by_name[name] for name in map(normalised, wanted) if name in by_name]
        if found:
            places[role] = found[0]
        elif columns.get(role) or role in _NEEDED:
            near = [match for name in wanted for match in difflib.get_close_matches(normalised(name), by_name, n=1)]
            hint = f"; did you mean {header[by_name[near[0]]]!r}?" if near else ""
            defects.append(f"no column for {role} ({columns.get(role) or role!r}); there are {', '.join(header)}{hint}")
    if defects:
        raise DatalistError(str(path), defects)
    return places


def _label_names(rows: Sequence[_Row]) -> tuple[str, ...]:
    """Return the names in the label column, each once, whatever its case."""
    spellings: dict[str, str] = {}
    for name in sorted({name.strip() for row in rows for name in row.label.split(_SEPARATOR)} - {""}):
        spellings.setdefault(name.lower(), name)
    return ordered_labels(spellings.values())


class _LabelReader:
    """Turns a cell into a label."""

    def __init__(self, names: Sequence[str], *, multilabel: bool) -> None:
        self._names = tuple(names)
        self._index = {name.lower(): index for index, name in reversed(list(enumerate(names)))}
        self._multilabel = multilabel

    def problem(self, cell: str) -> str | None:
        """Return what is wrong with the cell, if anything."""
        parts = self._parts(cell)
        if not all(parts):
            return "the label is empty"
        unknown = [part for part in parts if self._place(part) is None and not self._means_none(part)]
        if unknown:
            near = difflib.get_close_matches(unknown[0], self._names, n=1)
            hint = f"did you mean {near[0]}?" if near else f"expected {', '.join(self._names)}"
            return f"unknown label {unknown[0]!r}; {hint}"
        if len(parts) > 1 and any(self._means_none(part) for part in parts):
            return f"label {cell!r} names findings and their absence"
        return None

    def label(self, cell: str) -> Label:
        """Return the label of a cell without problem."""
        found = {self._place(part) for part in self._parts(cell)}
        if self._multilabel:
            return tuple(int(index in found) for index in range(len(self._names)))
        return found.pop()

    def _parts(self, cell: str) -> list[str]:
        return [part.strip() for part in cell.split(_SEPARATOR)] if self._multilabel else [cell]

    def _place(self, part: str) -> int | None:
        if part.lower() in self._index:
            return self._index[part.lower()]
        return int(part) if part.isdecimal() and int(part) < len(self._names) else None

    def _means_none(self, part: str) -> bool:
        return self._multilabel and is_normal(part) and self._place(part) is None


class _ImageFinder:
    """Finds the file of an image reference below a folder."""

    def __init__(self, base_dir: Path) -> None:
        self._base_dir = base_dir

    def find(self, reference: str) -> tuple[str, ...]:
        """Return the references, relative to the folder, of the files that fit: one, if all is well."""
        file = without_fragment(reference)
        if not file or (self._base_dir / file).is_file():
            return (reference,) if file else ()
        fragment = reference[len(file) :]
        return tuple(found + fragment for found in self._by_name.get(file, ()))

    @cached_property
    def _by_name(self) -> dict[str, list[str]]:
        files: dict[str, list[str]] = defaultdict(list)
        for folder, _, names in os.walk(self._base_dir, followlinks=True):
            for name in names:
                files[name].append((Path(folder) / name).relative_to(self._base_dir).as_posix())
        return files


def _check_images(rows: Sequence[_Row], images: Sequence[tuple[str, ...]], base_dir: Path, defects: _Defects) -> None:
    first_line: dict[str, int] = {}
    for row, found in zip(rows, images, strict=True):
        if not row.image:
            defects.add("empty image", row.line, "the image is empty")
        elif not found:
            defects.add("missing image", row.line, f"no image {row.image} in {base_dir}")
        elif len(found) > 1:
            places = ", ".join(sorted(found))
            defects.add("ambiguous image", row.line, f"{row.image} is one of {places}; write its folder, too")
        elif first_line.setdefault(found[0], row.line) != row.line:
            defects.add("duplicate image", row.line, f"{row.image} stands in line {first_line[found[0]]} already")


def _check_labels(rows: Sequence[_Row], reader: _LabelReader, defects: _Defects) -> None:
    problems = {cell: reader.problem(cell) for cell in {row.label for row in rows}}
    for row in rows:
        if problem := problems[row.label]:
            defects.add("label", row.line, problem)


def _check_sections(rows: Sequence[_Row], defects: _Defects) -> None:
    first: dict[str, _Row] = {}
    for row in rows:
        if row.split is None:
            continue
        section = section_named(row.split)
        if section is None:
            defects.add("split name", row.line, f"unknown split {row.split!r}; expected train, val or test")
        elif row.patient and section_named(first.setdefault(row.patient, row).split) != section:
            other = first[row.patient]
            defects.add(
                "patient in two splits",
                row.line,
                f"the patient of {row.image} is in {section}, and in {other.split} in line {other.line}; "
                "give fractions to split again by patient",
            )
