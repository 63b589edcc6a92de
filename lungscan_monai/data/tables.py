"""Tables: a CSV file with one row for each image."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from lungscan_monai.data.datalist import Case
from lungscan_monai.data.files import without_suffix
from lungscan_monai.data.image_finder import ImageFinder
from lungscan_monai.data.label_cells import SEPARATOR, FindingCells, NameCells
from lungscan_monai.data.label_names import distinct_labels, is_normal
from lungscan_monai.data.line_defects import LineDefects
from lungscan_monai.data.listing import Listing, exclusive_kind, section_named
from lungscan_monai.data.patients import patient_of, patient_pattern
from lungscan_monai.data.section_lists import beside, read_section_lists
from lungscan_monai.data.table_rows import TableRow, read_rows
from lungscan_monai.errors import ConfigError, DatalistError

_PLAIN_STEMS = ("manifest", "labels", "metadata", "index")
_IF_LEAKING = "a patient belongs to one section; to split again by patient, give --split 0.7,0.1,0.2"
_IF_MISSING = "if the images lie elsewhere, give --image-dir; if only some are there, --present-only takes those"


@dataclass(frozen=True)
class TableOptions:
    """What may have to be said about a table and its images.

    Args:
        columns: Names of columns that are not recognised by themselves: a key of
            :data:`~lungscan_monai.data.table_rows.COLUMN_NAMES` -> the name in the table, for instance
            ``{"patient": "ID"}``; an empty name leaves a column unused.
        image_dir: Folder that the image paths start from; the table's own if not given.
        use_split: Whether to take the sections from the table, or from lists, where there are some.
        section_lists: Section -> file with the names of its images; it goes before the table's own sections. Not
            given: the official lists of ChestX-ray14 beside a table that has no sections itself.
        present_only: Leave out the rows whose image is not there, and say how many they are.
    """

    columns: Mapping[str, str] = field(default_factory=dict)
    image_dir: str | os.PathLike | None = None
    use_split: bool = True
    section_lists: Mapping[str, Path] | None = None
    present_only: bool = False


def read_table(
    path: str | os.PathLike,
    *,
    kind: str | None = None,
    labels: Sequence[str] | None = None,
    patient_regex: str | None = None,
    labels_elsewhere: Collection[str] = (),
    options: TableOptions | None = None,
) -> Listing:
    """Read a table of images (UTF-8, separated by comma, semicolon or tab; ``.csv.gz`` too).

    A label is a name, an index into `labels`, or for several findings their names with ``|`` between them; "No
    Finding", or another name of the normal class, then stands for none. A table without a label column may have
    one column for each of `labels` instead, with 1, 0, and for "not assessed" nothing or -1.

    A file that is not where the table says is looked for by its name in all folders below `image_dir`, and if need be
    with another image suffix.

    Args:
        path: The table.
        kind: ``"binary"``, ``"multiclass"`` or ``"multilabel"``; if not given, multi-label where a ``|`` occurs or each
            finding has its column, else by the number of classes.
        labels: Label names in the wanted order, found by any spelling that
            :class:`~lungscan_monai.data.label_names.LabelNames` knows; those of the table, normal first, if not given.
        patient_regex: How to find the patient in the file name where the table has no patient column; see
            :func:`~lungscan_monai.data.patients.patient_pattern`.
        labels_elsewhere: Those of `labels` that need no row here.
        options: More about the table.

    Raises:
        DatalistError: If the table has defects; all kinds are listed, with the first 20 lines of each.
        ConfigError: If the columns, `patient_regex` or `kind` cannot be used.
    """
    path, options = Path(path), options or TableOptions()
    base_dir = path.parent if options.image_dir is None else Path(options.image_dir)
    pattern = patient_pattern(patient_regex) if patient_regex else None
    defects = LineDefects()
    rows = read_rows(path, options.columns, labels, defects)
    rows = [row._replace(patient=row.patient or patient_of(row.image, pattern)) for row in rows]
    kind, names = _kind_and_names(rows, kind, labels)
    listed = _in_sections(path, rows, options)
    found = _with_images(path, listed.rows, base_dir, options.present_only)
    by_finding = isinstance(rows[0].label, tuple)
    cells = FindingCells(names) if by_finding else NameCells(names, multilabel=kind == "multilabel")
    _check_images(found.rows, found.images, base_dir, defects)
    _check_labels(found.rows, cells, defects)
    _check_sections(found.rows, defects)
    defects.raise_if_any(path)
    meant = {cell: cells.label(cell) for cell in {row.label for row in found.rows}}
    cases: dict[str | None, list[Case]] = defaultdict(list)
    for row, (image,) in zip(found.rows, found.images, strict=True):
        cases[section_named(row.split or "")].append(Case(image, meant[row.label], row.patient, facts=row.facts))
    if kind != "multilabel":
        _check_classes(path, names, cases, labels_elsewhere)
    return Listing(
        name=path.resolve().parent.name if path.stem in _PLAIN_STEMS else path.name.split(".")[0],
        kind=kind,
        labels=names,
        base_dir=base_dir,
        unsplit=tuple(cases.pop(None, ())),
        given={section: tuple(members) for section, members in cases.items() if section},
        facts=listed.facts,
        notes=(*listed.notes, *found.notes),
    )


def _kind_and_names(
    rows: Sequence[TableRow], kind: str | None, labels: Sequence[str] | None
) -> tuple[str, tuple[str, ...]]:
    by_finding = isinstance(rows[0].label, tuple)
    if by_finding and kind not in (None, "multilabel"):
        raise ConfigError(f"kind is {kind!r}, but the table has one column for each label, as for kind 'multilabel'")
    names = tuple(labels) if labels is not None else _label_names(rows)
    if by_finding or kind == "multilabel" or (kind is None and any(SEPARATOR in row.label for row in rows)):
        return "multilabel", names if labels is not None else tuple(name for name in names if not is_normal(name))
    return exclusive_kind(names, kind), names


def _label_names(rows: Sequence[TableRow]) -> tuple[str, ...]:
    """Return the names in the label column, each once, however it is spelt."""
    return distinct_labels({name.strip() for row in rows for name in row.label.split(SEPARATOR)} - {""})


class _InSections(NamedTuple):
    """Rows with the section that they are to go to, and what is to be told about it."""

    rows: list[TableRow]
    facts: dict[str, Any]
    notes: list[str]


def _in_sections(path: Path, rows: list[TableRow], options: TableOptions) -> _InSections:
    if not options.use_split:
        return _InSections([row._replace(split=None) for row in rows], {}, [])
    files = options.section_lists
    if files is None and all(row.split is None for row in rows):
        files = beside(path.parent)
    if not files:
        return _InSections(rows, {}, [])
    sections = read_section_lists(files)
    names = ", ".join(file.name for file in files.values())
    listed = [
        row._replace(split=section) for row in rows if (section := sections.get(without_suffix(row.image))) is not None
    ]
    if not listed:
        raise DatalistError(str(path), [f"none of its {len(rows)} images is named in {names}"])
    notes = [f"the sections are those of {names}"]
    if len(listed) < len(rows):
        notes.append(f"{len(rows) - len(listed)} of {len(rows)} rows are in none of these lists and were left out")
    return _InSections(listed, {"lists": names}, notes)


class _WithImages(NamedTuple):
    """Rows, the image references that were found for each, and what is to be told about it."""

    rows: list[TableRow]
    images: list[tuple[str, ...]]
    notes: list[str]


def _with_images(path: Path, rows: list[TableRow], base_dir: Path, present_only: bool) -> _WithImages:
    finder = ImageFinder(base_dir)
    images = [finder.find(row.image) for row in rows]
    notes = []
    if present_only:
        kept = [(row, found) for row, found in zip(rows, images, strict=True) if found or not row.image]
        if not kept:
            raise DatalistError(str(path), [f"none of its {len(rows)} images is below {base_dir}; see --image-dir"])
        if absent := len(rows) - len(kept):
            notes.append(f"{absent} of {len(rows)} rows have no image below {base_dir} and were left out")
        rows, images = [row for row, _ in kept], [found for _, found in kept]
    converted = [
        (row.image, found[0])
        for row, found in zip(rows, images, strict=True)
        if found and _is_converted(row.image, found)
    ]
    if converted:
        named, there = converted[0]
        notes.append(
            f"{len(converted)} image(s) have another suffix than in the table, for instance {there} for {named}"
        )
    return _WithImages(rows, images, notes)


def _is_converted(reference: str, found: tuple[str, ...]) -> bool:
    return found[0].rpartition("/")[2] != reference.rpartition("/")[2]


def _check_images(
    rows: Sequence[TableRow], images: Sequence[tuple[str, ...]], base_dir: Path, defects: LineDefects
) -> None:
    first_line: dict[str, int] = {}
    for row, found in zip(rows, images, strict=True):
        if not row.image:
            defects.add("empty image", row.line, "the image is empty")
        elif not found:
            defects.add("missing image", row.line, f"no image {row.image} in {base_dir}", _IF_MISSING)
        elif len(found) > 1:
            places = ", ".join(sorted(found))
            defects.add("ambiguous image", row.line, f"{row.image} is one of {places}; write its folder, too")
        elif first_line.setdefault(found[0], row.line) != row.line:
            defects.add("duplicate image", row.line, f"{row.image} stands in line {first_line[found[0]]} already")


def _check_labels(rows: Sequence[TableRow], reader: NameCells | FindingCells, defects: LineDefects) -> None:
    problems = {cell: reader.problem(cell) for cell in {row.label for row in rows}}
    lines: dict[str, list[int]] = defaultdict(list)
    for row in rows:
        if problem := problems[row.label]:
            lines[problem].append(row.line)
    for problem, found in lines.items():
        more = f" (and in {len(found) - 1} more lines)" if len(found) > 1 else ""
        defects.add("label", found[0], problem + more)


def _check_sections(rows: Sequence[TableRow], defects: LineDefects) -> None:
    first: dict[str, TableRow] = {}
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
                f"the patient of {row.image} is in {section}, and in {other.split} in line {other.line}",
                _IF_LEAKING,
            )


def _check_classes(
    path: Path, names: Sequence[str], cases: Mapping[str | None, Sequence[Case]], elsewhere: Collection[str]
) -> None:
    labels = [case.label for members in cases.values() for case in members]
    counts = [labels.count(index) for index in range(len(names))]
    found = ", ".join(f"{name} ({count})" for name, count in zip(names, counts, strict=True) if count)
    if len(names) < 2:
        raise DatalistError(str(path), [f"expected rows of at least two classes, found {found} only"])
    empty = [name for name, count in zip(names, counts, strict=True) if not count and name not in elsewhere]
    if empty:
        raise DatalistError(str(path), [f"no row has the label {name}; there are {found}" for name in empty])
