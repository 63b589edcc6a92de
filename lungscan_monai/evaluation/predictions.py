"""What a model said about each case, beside the reference labels: checked, frozen, and stored as a table."""

from __future__ import annotations

import csv
import io
import json
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from lungscan_monai.errors import DataError, LungScanError, NotComputableError, ShapeError
from lungscan_monai.spreadsheets import bare_cell, guarded_cell
from lungscan_monai.storage import sha256_file, write_json, write_text
from lungscan_monai.task import KINDS

CSV_NAME = "predictions.csv"
_LABEL, _PROBABILITY, _RAW = "label", "probability", "raw probability"


class Target(NamedTuple):
    """One yes-or-no question of a task.

    Args:
        label: Name of the label.
        y_true: 1.0 if the case has it, 0.0 if not, NaN if not assessed, shape ``(n_cases,)``.
        y_score: Its probability in [0, 1], shape ``(n_cases,)``.
    """

    label: str
    y_true: np.ndarray
    y_score: np.ndarray


@dataclass(frozen=True, eq=False)
class Predictions:
    """Probabilities and reference labels of all cases that a model was run on.

    Args:
        case_ids: Distinct names of the cases.
        patients: Patient of each case; None where unknown.
        sections: Section of the datalist that each case is from: ``"training"``, ``"validation"``, ``"test"``.
        y_true: Class indices (int, ``(n_cases,)``) of a binary or multi-class task; for a multi-label task 1.0, 0.0
            or NaN (not assessed), shape ``(n_cases, n_labels)``.
        probabilities: In [0, 1] in the order of the labels, shape ``(n_cases, n_labels)``; each row of exclusive
            classes sums to 1.
        label_names: Names of the labels; of a binary task the second is the positive one.
        kind: ``"binary"``, ``"multiclass"`` or ``"multilabel"``.
        facts: What is known of the model and the data (name, version, hashes), as JSON can hold it.
        raw_probabilities: What the network itself gave where `probabilities` are calibrated, same shape; None where
            `probabilities` are the network's own.

    Raises:
        ShapeError: If there is no case, or the parts do not fit together.
        NotComputableError: If a probability is NaN or outside [0, 1], rows of exclusive classes do not sum to 1, or a
            reference label does not exist.
        DataError: If a case occurs twice, or a case has no name or section.
    """

    case_ids: tuple[str, ...]
    patients: tuple[str | None, ...]
    sections: tuple[str, ...]
    y_true: np.ndarray
    probabilities: np.ndarray
    label_names: tuple[str, ...]
    kind: str
    facts: dict[str, Any] = field(default_factory=dict)
    raw_probabilities: np.ndarray | None = None

    def __post_init__(self) -> None:
        self._check_shapes()
        self._check_names()
        self._check_probabilities()
        self._check_reference()

    def _check_shapes(self) -> None:
        if self.kind not in KINDS:
            raise ShapeError(f"kind is {self.kind!r}, expected one of {', '.join(KINDS)}")
        if self.kind == "binary" and len(self.label_names) != 2:
            raise ShapeError(f"a binary task has two labels, found {len(self.label_names)}")
        n_cases, n_labels = len(self.case_ids), len(self.label_names)
        if n_cases == 0:
            raise ShapeError("there are no predictions; at least one case is needed")
        found = {
            "patients": (len(self.patients),),
            "sections": (len(self.sections),),
            "probabilities": self.probabilities.shape,
            "y_true": self.y_true.shape,
        }
        expected = dict.fromkeys(found, (n_cases,)) | {"probabilities": (n_cases, n_labels)}
        if self.raw_probabilities is not None:
            found["raw_probabilities"] = self.raw_probabilities.shape
            expected["raw_probabilities"] = (n_cases, n_labels)
        if self.kind == "multilabel":
            expected["y_true"] = (n_cases, n_labels)
        wrong = [f"{name} {found[name]} instead of {expected[name]}" for name in found if found[name] != expected[name]]
        if wrong:
            raise ShapeError(f"{n_cases} {self.kind} cases with {n_labels} labels: {'; '.join(wrong)}")

    def _check_names(self) -> None:
        twice = [case for case, times in Counter(self.case_ids).items() if times > 1]
        if twice:
            raise DataError(f"case(s) predicted more than once: {_some(twice)}; each case counts once")
        if not all(self.case_ids) or not all(self.sections):
            raise DataError("every case needs a name and a section (training, validation or test)")

    def _check_probabilities(self) -> None:
        inside = ((self.probabilities >= 0) & (self.probabilities <= 1)).all(axis=1)
        if not inside.all():
            raise NotComputableError(f"probabilities must be numbers in [0, 1]; not so in {self._named(~inside)}")
        if self.kind != "multilabel":
            off = np.abs(self.probabilities.sum(axis=1) - 1) > 1e-2
            if off.any():
                raise NotComputableError(
                    f"probabilities of exclusive classes must sum to 1; not so in {self._named(off)}"
                )

    def _check_reference(self) -> None:
        if self.kind == "multilabel":
            known = (np.isin(self.y_true, (0, 1)) | np.isnan(self.y_true)).all(axis=1)
            expected = "0, 1 or NaN"
        else:
            known = np.isin(self.y_true, np.arange(len(self.label_names)))
            expected = f"class indices 0 .. {len(self.label_names) - 1}"
        if not known.all():
            raise NotComputableError(f"reference labels must be {expected}; not so in {self._named(~known)}")

    def _named(self, chosen: np.ndarray) -> str:
        return f"case(s) {_some([self.case_ids[index] for index in np.flatnonzero(chosen)])}"

    def __len__(self) -> int:
        return len(self.case_ids)

    @property
    def section_names(self) -> tuple[str, ...]:
        """Sections present, in the order of their first case."""
        return tuple(dict.fromkeys(self.sections))

    def section(self, name: str) -> Predictions:
        """Return the predictions of one section.

        Raises:
            DataError: If no case is from it.
        """
        chosen = [index for index, section in enumerate(self.sections) if section == name]
        if not chosen:
            raise DataError(f"no prediction is from section {name!r}; there are: {', '.join(self.section_names)}")
        return self.chosen(chosen)

    def chosen(self, indices: Sequence[int]) -> Predictions:
        """Return the predictions of some cases, in the order given."""
        return Predictions(
            tuple(self.case_ids[index] for index in indices),
            tuple(self.patients[index] for index in indices),
            tuple(self.sections[index] for index in indices),
            self.y_true[indices],
            self.probabilities[indices],
            self.label_names,
            self.kind,
            self.facts,
            None if self.raw_probabilities is None else self.raw_probabilities[indices],
        )

    def targets(self) -> Iterator[Target]:
        """Give the yes-or-no questions: the positive class of a binary task, else every class or finding."""
        for index, label in enumerate(self.label_names):
            if self.kind == "binary" and index == 0:
                continue
            y_true = self.y_true[:, index] if self.kind == "multilabel" else self.y_true == index
            yield Target(label, y_true.astype(np.float64), self.probabilities[:, index].astype(np.float64))

    def save(self, folder: str | os.PathLike) -> Path:
        """Write `predictions.csv`, one row for each case, and what it means into `predictions.json` beside it.

        A text that a spreadsheet would take for a formula is preceded by an apostrophe; :func:`load_predictions`
        takes it off again. Where the probabilities are calibrated, the network's own follow them.

        Returns:
            Path of the table.

        Raises:
            OutputError: If the folder cannot be written.
        """
        path = Path(folder) / CSV_NAME
        write_text(path, self._table())
        described = {
            "kind": self.kind,
            "label_names": list(self.label_names),
            "calibrated": self.raw_probabilities is not None,
            "facts": self.facts,
            "sha256": sha256_file(path),
        }
        write_json(path.with_suffix(".json"), described)
        return path

    def _table(self) -> str:
        stream = io.StringIO()
        writer = csv.writer(stream, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC)
        raw = self.raw_probabilities
        writer.writerow(["case", "patient", "section", *_columns(self.kind, self.label_names, raw is not None)])
        for index, case in enumerate(self.case_ids):
            texts = [case, self.patients[index] or "", self.sections[index], *self._reference_texts(index)]
            values = [*self.probabilities[index], *(() if raw is None else raw[index])]
            writer.writerow([*map(guarded_cell, texts), *map(float, values)])
        return stream.getvalue()

    def _reference_texts(self, index: int) -> list[str]:
        if self.kind != "multilabel":
            return [self.label_names[int(self.y_true[index])]]
        return ["" if np.isnan(value) else str(int(value)) for value in self.y_true[index]]


def load_predictions(path: str | os.PathLike) -> Predictions:
    """Read the predictions that :meth:`Predictions.save` wrote.

    Args:
        path: The table, `predictions.csv`, or the folder that holds it.

    Raises:
        DataError: If a file is missing or malformed, or the table is not the one that its description belongs to.
        MetricError: If its content is not valid; see :class:`Predictions`.
    """
    path = Path(path) / CSV_NAME if Path(path).is_dir() else Path(path)
    described = _description(path)
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            rows = [[bare_cell(cell) for cell in row] for row in csv.reader(stream)]
        names, calibrated = tuple(described["label_names"]), described["calibrated"]
        return _from_rows(rows, described["kind"], names, calibrated, described["facts"])
    except (OSError, UnicodeDecodeError, csv.Error, KeyError, IndexError, TypeError) as error:
        raise DataError(f"{path}: not a table of predictions ({type(error).__name__}: {error})") from error
    except LungScanError:
        raise
    except ValueError as error:
        raise DataError(f"{path}: {error}") from error


def _description(path: Path) -> dict[str, Any]:
    beside = path.with_suffix(".json")
    try:
        described = json.loads(beside.read_text(encoding="utf-8"))
        recorded = described["sha256"]
        actual = sha256_file(path)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path}: needs this table and {beside.name} beside it ({error}); evaluate again") from error
    if recorded != actual:
        raise DataError(f"{path}: changed since {beside.name} was written (SHA-256 differs); evaluate again")
    return described


def _from_rows(
    rows: list[list[str]], kind: str, label_names: tuple[str, ...], calibrated: bool, facts: dict[str, Any]
) -> Predictions:
    header = ["case", "patient", "section", *_columns(kind, label_names, calibrated)]
    if not rows or rows[0] != header:
        raise ValueError(f"the first row must be {', '.join(header)}")
    uneven = [str(number) for number, row in enumerate(rows, start=1) if len(row) != len(header)]
    if uneven:
        raise ValueError(f"rows with a wrong number of cells: {_some(uneven)}")
    if len(rows) == 1:
        raise ValueError("the table has no case")
    cases, patients, sections, *values = zip(*rows[1:], strict=True)
    n_reference = len(label_names) if kind == "multilabel" else 1
    if kind == "multilabel":
        y_true = np.array([[float(cell or "nan") for cell in column] for column in values[:n_reference]]).T
    else:
        y_true = np.array([label_names.index(name) for name in values[0]])
    probabilities = np.array(values[n_reference:], dtype=np.float64).T
    used, raw = probabilities[:, : len(label_names)], probabilities[:, len(label_names) :]
    known = tuple(patient or None for patient in patients)
    return Predictions(cases, known, sections, y_true, used, label_names, kind, facts, raw if calibrated else None)


def _columns(kind: str, label_names: Sequence[str], calibrated: bool) -> list[str]:
    reference = [f"{_LABEL} {name}" for name in label_names] if kind == "multilabel" else [_LABEL]
    uses = [_PROBABILITY, *([_RAW] if calibrated else [])]
    return [*reference, *(f"{use} {name}" for use in uses for name in label_names)]


def _some(names: Sequence[str], limit: int = 5) -> str:
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + more
