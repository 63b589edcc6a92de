"""The one door for data: a folder, a table or a MedMNIST file becomes a datalist."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lungscan_monai.data.audit import AuditReport, audit
from lungscan_monai.data.datalist import GIVEN, Datalist, load_datalist
from lungscan_monai.data.folders import read_folder
from lungscan_monai.data.listing import Listing
from lungscan_monai.data.medmnist import fetch, read_npz
from lungscan_monai.data.splits import split_cases
from lungscan_monai.data.tables import read_table
from lungscan_monai.errors import ConfigError, DatalistError

FORMATS = ("auto", "folder", "csv", "npz", "medmnist")
DEFAULT_FRACTIONS = (0.7, 0.1, 0.2)

_MANIFEST = "manifest.csv"
_TABLE_SUFFIXES = (".csv", ".csv.gz", ".tsv", ".tsv.gz")


@dataclass(frozen=True)
class Imported:
    """The result of :func:`import_dataset`.

    Args:
        path: The datalist's file.
        datalist: Its content.
        audit: What was found about its split.
        skipped: Files of the source that were not used.
    """

    path: Path
    datalist: Datalist
    audit: AuditReport
    skipped: tuple[str, ...]


def import_dataset(
    source: str | os.PathLike,
    *,
    output: str | os.PathLike,
    format: str = "auto",
    kind: str | None = None,
    labels: Sequence[str] | None = None,
    patient_regex: str | None = None,
    columns: Mapping[str, str] | None = None,
    image_dir: str | os.PathLike | None = None,
    fractions: Sequence[float] | None = None,
    seed: int = 0,
) -> Imported:
    """Read a data set, split it where it is not, and write its datalist, unless there is a defect.

    A split that comes with the data is kept, and a missing validation section is split off from training by patient;
    with `fractions` given, all cases are split again by patient.

    Args:
        source: A folder (see :func:`read_folder`; one with a ``manifest.csv`` is read as that table), a table (see
            :func:`read_table`), a ``.npz`` file, or the name of a MedMNIST data set to download.
        output: The datalist to write. Images of MedMNIST are written as PNG into a folder beside it.
        format: One of `FORMATS`; ``"auto"`` goes by the kind of file.
        kind: Kind of task, where it is not plain from the data.
        labels: Label names in the wanted order.
        patient_regex: How to find the patient in a file name (folder, csv).
        columns: Names of unusual columns (csv).
        image_dir: Folder of the images (csv), if not the table's.
        fractions: Training, validation and test, for a new split; 0.7, 0.1 and 0.2 where the data has none.
        seed: Seed of the split.

    Raises:
        DatalistError: If the data has defects; all are listed, nothing is written.
        SplitError: If the cases cannot be split as asked.
        ConfigError: If an option is wrong, or does not fit the format.
        OutputError: If the datalist or its images cannot be written.

    Warns:
        LungScanWarning: If the given split has a patient in two sections.
    """
    output = Path(output)
    chosen = recognised_format(source) if format == "auto" else format
    _check_options(chosen, patient_regex=patient_regex, columns=columns, image_dir=image_dir)
    if chosen in ("npz", "medmnist"):
        file = fetch(str(source), output.parent) if chosen == "medmnist" else Path(source)
        content = read_npz(file, kind=kind, labels=labels)
        listing = content.listing(output.parent / file.stem)
        datalist = divided(listing, fractions, seed)
        content.write_images(listing.base_dir)
    else:
        if chosen == "folder":
            listing = read_folder(source, kind=kind, labels=labels, patient_regex=patient_regex)
        else:
            listing = read_table(
                _table_of(Path(source)),
                kind=kind,
                labels=labels,
                patient_regex=patient_regex,
                columns=columns,
                use_split=fractions is None,
                image_dir=image_dir,
            )
        datalist = divided(listing, fractions, seed)
    datalist.save(output)
    saved = load_datalist(output)
    return Imported(output, saved, audit(saved), listing.skipped)


def recognised_format(source: str | os.PathLike) -> str:
    """Return the format of a source: one of `FORMATS` but ``"auto"``.

    Raises:
        DatalistError: If there is no such file or folder, or it is of no known kind.
    """
    path = Path(source)
    name = path.name.lower()
    if path.is_dir():
        return "csv" if (path / _MANIFEST).is_file() else "folder"
    if not path.exists() and name.endswith("mnist") and path.name == str(source):
        return "medmnist"
    if not path.exists():
        raise DatalistError(str(source), ["there is no such file or folder"])
    if name.endswith(".npz"):
        return "npz"
    if name.endswith(_TABLE_SUFFIXES):
        return "csv"
    raise DatalistError(str(source), [f"expected a folder, {', '.join(_TABLE_SUFFIXES)} or .npz; or say the format"])


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
        cases = (*listing.unsplit, *(case for members in given.values() for case in members))
        split = split_cases(cases, fractions or DEFAULT_FRACTIONS, seed, listing.labels)
        given, facts = dict(split.sections), split.facts()
    elif given.get("training") and not given.get("validation"):
        share = DEFAULT_FRACTIONS[1] / (DEFAULT_FRACTIONS[0] + DEFAULT_FRACTIONS[1])
        split = split_cases(given["training"], (1 - share, share, 0), seed, listing.labels)
        given |= {"training": split.sections["training"], "validation": split.sections["validation"]}
        facts["validation"] = {"from": "training", **split.facts()}
    return Datalist(listing.name, listing.kind, listing.labels, listing.base_dir, given, facts)


def _check_options(chosen: str, *, patient_regex: object, columns: object, image_dir: object) -> None:
    if chosen not in FORMATS:
        raise ConfigError(f"format is {chosen!r}, expected one of {', '.join(FORMATS)}")
    fitting = {"patient_regex": ("folder", "csv"), "columns": ("csv",), "image_dir": ("csv",)}
    given = {"patient_regex": patient_regex, "columns": columns, "image_dir": image_dir}
    for name, formats in fitting.items():
        if given[name] and chosen not in formats:
            raise ConfigError(f"{name} does not fit the format {chosen!r}, only {' and '.join(formats)}")


def _table_of(source: Path) -> Path:
    return source / _MANIFEST if source.is_dir() else source
