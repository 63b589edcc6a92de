"""The one door for data: a folder, a table or a MedMNIST file becomes a datalist."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from lungscan_monai.data import kaggle
from lungscan_monai.data.audit import AuditReport, audit
from lungscan_monai.data.blocks import in_blocks
from lungscan_monai.data.boxes import boxes_beside, with_boxes
from lungscan_monai.data.datalist import GIVEN, Datalist, load_datalist
from lungscan_monai.data.folders import read_folder
from lungscan_monai.data.label_names import LabelNames
from lungscan_monai.data.listing import Listing
from lungscan_monai.data.medmnist import fetch, read_npz
from lungscan_monai.data.merging import with_folders
from lungscan_monai.data.splits import split_cases
from lungscan_monai.data.tables import TableOptions, read_table
from lungscan_monai.errors import ConfigError, DatalistError
from lungscan_monai.task import TaskSpec

FORMATS = ("auto", "folder", "csv", "npz", "medmnist")
DEFAULT_FRACTIONS = (0.7, 0.1, 0.2)

_TABLES = ("manifest.csv", "Data_Entry_2017_v2020.csv", "Data_Entry_2017.csv")
"""Tables that a folder is read by, the best first; ``.gz`` too."""
_NO_TEST = "no case in test, so no model can be judged by it; to split all cases anew, give --split 0.7,0.1,0.2"
_TABLE_SUFFIXES = (".csv", ".csv.gz", ".tsv", ".tsv.gz")


@dataclass(frozen=True)
class Imported:
    """The result of :func:`import_dataset`.

    Args:
        path: The datalist's file.
        datalist: Its content.
        audit: What was found about its split.
        skipped: Files of the source that were not used.
        notes: What else the user should know.
    """

    path: Path
    datalist: Datalist
    audit: AuditReport
    skipped: tuple[str, ...]
    notes: tuple[str, ...]


def import_dataset(
    source: str | os.PathLike,
    *,
    output: str | os.PathLike,
    format: str = "auto",
    kind: str | None = None,
    labels: Sequence[str] | None = None,
    patient_regex: str | None = None,
    table: TableOptions | None = None,
    boxes: str | os.PathLike | None = None,
    added: Sequence[tuple[str, str | os.PathLike]] = (),
    blocks: int | Literal["auto"] | None = None,
    fractions: Sequence[float] | None = None,
    seed: int = 0,
) -> Imported:
    """Read a data set, split it where it is not, and write its datalist, unless there is a defect.

    A split that comes with the data is kept, and a missing validation section is split off from training by patient;
    with `fractions` given, all cases are split again by patient.

    Args:
        source: A folder (see :func:`read_folder`; one with a ``manifest.csv`` or the table of ChestX-ray14 is read as
            that), a table (see :func:`read_table`), a ``.npz`` file, the name of a MedMNIST data set to download, or
            ``kaggle:owner/dataset`` to download a folder.
        output: The datalist to write. Images of MedMNIST are written as PNG into a folder beside it.
        format: One of `FORMATS`; ``"auto"`` goes by the kind of file.
        kind: Kind of task, where it is not plain from the data.
        labels: Label names in the wanted order.
        patient_regex: How to find the patient in a file name (folder, csv).
        table: More about the table (csv).
        boxes: File of boxes around findings (folder, csv); see :func:`with_boxes`. Not given: the official one of
            ChestX-ray14, if it lies beside a table that names its images.
        added: Pairs of label and folder, whose pictures are added (folder, csv); see :func:`with_folders`.
        blocks: Blocks of slices that stand for patients (folder, csv), so many in each class, or ``"auto"``; see
            :func:`in_blocks`.
        fractions: Training, validation and test, for a new split; 0.7, 0.1 and 0.2 where the data has none.
        seed: Seed of the split.

    Raises:
        DatalistError: If the data has defects; all are listed, nothing is written.
        SplitError: If the cases cannot be split as asked.
        ConfigError: If an option is wrong, or does not fit the format.
        DataError: If a download fails.
        MissingDependencyError: If a download needs a package that is not installed.
        OutputError: If the datalist or its images cannot be written.

    Warns:
        LungScanWarning: If the given split has a patient in two sections.
    """
    output = Path(output)
    if str(source).startswith(kaggle.PREFIX):
        source = kaggle.download(str(source))
    chosen = recognised_format(source) if format == "auto" else format
    _check_options(chosen, patient_regex=patient_regex, table=table, boxes=boxes, added=added, blocks=blocks)
    if chosen in ("npz", "medmnist"):
        file = fetch(str(source), output.parent) if chosen == "medmnist" else Path(source)
        content = read_npz(file, kind=kind, labels=labels)
        listing = content.listing(output.parent / file.stem)
        datalist = divided(listing, fractions, seed)
        content.write_images(listing.base_dir)
    else:
        elsewhere = _labels_of_added(labels, added)
        reading = {"kind": kind, "labels": labels, "patient_regex": patient_regex, "labels_elsewhere": elsewhere}
        if chosen == "folder":
            listing = read_folder(source, **reading)
        else:
            listing = read_table(_table_of(Path(source)), **reading, options=_without_split(table, fractions))
        listing = _boxed(listing, boxes, Path(source), chosen)
        if fractions is not None:
            listing = dataclasses.replace(listing, given={}, unsplit=listing.cases())
        if blocks is not None:
            listing = in_blocks(listing, None if blocks == "auto" else blocks)
        if added:
            listing = with_folders(listing, added, patient_regex=patient_regex, seed=seed)
        datalist = divided(listing, fractions, seed)
    datalist.save(output)
    saved = load_datalist(output)
    notes = (*listing.notes, *(() if saved.cases("test") else (_NO_TEST,)))
    return Imported(output, saved, audit(saved), listing.skipped, notes)


def evaluation_set(folder: str | os.PathLike, task: TaskSpec, patient_regex: str | None = None) -> Datalist:
    """Read a folder that a model of a task is to be judged by, without dividing it.

    Sections that the folder has (train, val, test) are kept; where it has none, all its cases are test cases. Some
    labels may be absent, but there may be no strange ones.

    Args:
        folder: Class folders (see :func:`read_folder`), or a folder with a table as :func:`import_dataset` knows it.
        task: The task, whose labels count.
        patient_regex: How to find the patient in a file name.

    Raises:
        DatalistError: If the folder holds other labels than the task's, no image of a label, or no test case.
        ConfigError: If `patient_regex` cannot be used, or class folders are given to a task with several findings.
    """
    chosen = recognised_format(folder)
    reading = {"kind": task.kind, "labels": task.label_names, "patient_regex": patient_regex}
    if chosen == "csv":
        listing = read_table(_table_of(Path(folder)), **reading, labels_elsewhere=task.label_names)
    else:
        listing = read_folder(folder, **reading, labels_elsewhere=task.label_names)
    listing = _boxed(listing, None, Path(folder), chosen)
    sections = dict(listing.given) or {"test": listing.cases()}
    if not sections.get("test"):
        found = ", ".join(f"{len(cases)} in {name}" for name, cases in sections.items())
        raise DatalistError(str(folder), [f"expected test cases, found {found}; give the folder of one section itself"])
    facts = {"method": GIVEN, **listing.facts}
    return Datalist(listing.name, listing.kind, listing.labels, listing.base_dir, sections, facts)


def _without_split(table: TableOptions | None, fractions: Sequence[float] | None) -> TableOptions | None:
    """Return the table's options; without its sections, if all cases are to be split anew."""
    if fractions is None:
        return table
    if table and table.section_lists:
        raise ConfigError("either lists say the sections, or all cases are split anew by fractions; leave one out")
    return dataclasses.replace(table or TableOptions(), use_split=False)


def _boxed(listing: Listing, boxes: str | os.PathLike | None, source: Path, chosen: str) -> Listing:
    """Add boxes from the file given, or from the official one beside a table if that names any of its images."""
    if boxes is not None:
        return with_boxes(listing, boxes)
    beside = boxes_beside(_table_of(source).parent) if chosen == "csv" else None
    return listing if beside is None else with_boxes(listing, beside, required=False)


def _labels_of_added(labels: Sequence[str] | None, added: Sequence[tuple[str, object]]) -> tuple[str, ...]:
    """Return which of the labels have folders of their own."""
    if labels is None:
        return ()
    known = LabelNames(labels)
    unknown = [label for label, _ in added if known.index(label) is None]
    if unknown:
        raise ConfigError(f"added label {unknown[0]!r} is none of the labels; {known.hint(unknown[0])}")
    return tuple(known.names[known.index(label)] for label, _ in added)


def recognised_format(source: str | os.PathLike) -> str:
    """Return the format of a source: one of `FORMATS` but ``"auto"``.

    Raises:
        DatalistError: If there is no such file or folder, or it is of no known kind.
    """
    path = Path(source)
    name = path.name.lower()
    if path.is_dir():
        return "csv" if _tables_in(path) else "folder"
    if not path.exists() and name.endswith("mnist") and path.name == str(source):
        return "medmnist"
    if not path.exists():
        raise DatalistError(str(source), ["there is no such file or folder"])
    if name.endswith(".npz"):
        return "npz"
    if name.endswith(_TABLE_SUFFIXES):
        return "csv"
    defect = f"expected a folder, {', '.join(_TABLE_SUFFIXES)} or .npz; save a table as CSV, or say the format"
    raise DatalistError(str(source), [defect])


def divided(listing: Listing, fractions: Sequence[float] | None = None, seed: int = 0) -> Datalist:
    """Turn a listing into a datalist, splitting what is not split.

    Args:
        listing: The cases.
        fractions: Given: split all cases anew. None: keep the sections that came with the data, and split off a missing
            validation section from training; split cases without sections by `DEFAULT_FRACTIONS`.
        seed: Seed of the split.

    Raises:
        SplitError: If the cases cannot be split as asked.
        DatalistError: If the result contradicts itself, for instance lacks a class in training.
    """
    given = dict(listing.given)
    facts: dict[str, Any] = {"method": GIVEN}
    if fractions is not None or not given:
        split = split_cases(listing.cases(), fractions or DEFAULT_FRACTIONS, seed, listing.labels)
        given, facts = dict(split.sections), split.facts()
    elif given.get("training") and not given.get("validation"):
        share = DEFAULT_FRACTIONS[1] / (DEFAULT_FRACTIONS[0] + DEFAULT_FRACTIONS[1])
        split = split_cases(given["training"], (1 - share, share, 0), seed, listing.labels)
        given |= {"training": split.sections["training"], "validation": split.sections["validation"]}
        facts["validation"] = {"from": "training", **split.facts()}
    return Datalist(listing.name, listing.kind, listing.labels, listing.base_dir, given, {**facts, **listing.facts})


def _check_options(chosen: str, **given: object) -> None:
    if chosen not in FORMATS:
        raise ConfigError(f"format is {chosen!r}, expected one of {', '.join(FORMATS)}")
    for name, value in given.items():
        fitting = ("csv",) if name == "table" else ("folder", "csv")
        if value and chosen not in fitting:
            raise ConfigError(f"{name} does not fit the format {chosen!r}, only {' and '.join(fitting)}")


def _table_of(source: Path) -> Path:
    return _tables_in(source)[0] if source.is_dir() else source


def _tables_in(folder: Path) -> list[Path]:
    return [file for name in _TABLES for file in (folder / name, folder / f"{name}.gz") if file.is_file()]
