"""The evaluation of a batch whose reference labels are known: the report of `lungscan evaluate` on its answers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lungscan_monai import __version__
from lungscan_monai.data.datalist import Case
from lungscan_monai.data.tables import TableOptions, read_table
from lungscan_monai.errors import DataError
from lungscan_monai.evaluation.predictions import Predictions
from lungscan_monai.evaluation.report import build_report
from lungscan_monai.evaluation.settings import ReportSettings
from lungscan_monai.evaluation.writing import write_report
from lungscan_monai.inference.batch import printable
from lungscan_monai.inference.case_model import CaseModel
from lungscan_monai.inference.ledger import Ledger
from lungscan_monai.inference.pseudonyms import Pseudonyms
from lungscan_monai.storage import sha256_file
from lungscan_monai.task import TaskSpec

EVALUATION = "evaluation"
"""Name of the folder of the report."""


@dataclass(frozen=True, eq=False)
class Labels:
    """Reference labels of files.

    Args:
        cases: By file name as the batch has it.
        sha256: Of the table.
        notes: What the reader of the table had to tell.
    """

    cases: dict[str, Case]
    sha256: str
    notes: tuple[str, ...]

    def evaluate(self, ledger: Ledger, model: CaseModel, output: Path) -> dict[str, Any]:
        """Write the report of the files that have a label and an answer, and return it.

        Thresholds and calibration are those stored with the model: nothing is fitted on the files.

        Raises:
            DataError: If no file has both.
            OutputError: If the folder cannot be written.
        """
        predictions = _predictions(ledger, model, self)
        facts = {
            "task": model.task.name,
            "task_version": model.task.version,
            "model_sha256": model.model_sha256,
            "labels_sha256": self.sha256,
            "backend": model.backend.facts,
            "versions": {"lungscan-monai": __version__},
        }
        report = build_report(
            predictions,
            ReportSettings(),
            calibration=model.calibration,
            points=model.operating_points,
            case_facts={name: case.facts for name, case in self.cases.items()},
            facts=facts,
        )
        without = len(self.cases) - len(predictions)
        if without:
            report["warnings"].append(
                f"{without} of {len(self.cases)} labelled files have no answer (rejected, or not assessable) and are "
                "left out: the numbers hold for the others only"
            )
        predictions.save(output / EVALUATION)
        write_report(report, output / EVALUATION)
        return report


def read_labels(path: Path, folder: Path, task: TaskSpec, pseudonyms: Pseudonyms | None = None) -> Labels:
    """Read a table of labels as :func:`~lungscan_monai.data.tables.read_table` does; rows without image are left out.

    Args:
        path: The table; its images are named from the folder, or by their bare names.
        folder: The folder of the batch.
        task: Whose labels they are.
        pseudonyms: Of files and patients, None for none.

    Raises:
        DatalistError: If the table has defects; all are listed.
    """
    listing = read_table(
        path,
        kind=task.kind,
        labels=task.label_names,
        labels_elsewhere=task.label_names,
        options=TableOptions(image_dir=folder, use_split=False, present_only=True),
    )
    cases = {}
    for case in listing.cases():
        name, patient = printable(case.image), case.patient
        if pseudonyms is not None:
            name, patient = pseudonyms.text("file", name), patient and pseudonyms.text("patient", patient)
        cases[name] = Case(name, case.label, patient, facts=case.facts)
    return Labels(cases, sha256_file(path), listing.notes)


def _predictions(ledger: Ledger, model: CaseModel, labels: Labels) -> Predictions:
    found = [
        (one.file, labels.cases[one.file], one.answer)
        for one in ledger.done()
        if one.file in labels.cases and "probabilities" in one.answer
    ]
    if not found:
        raise DataError(f"none of the {len(labels.cases)} labelled files was answered, so there is nothing to evaluate")
    files, cases, answers = zip(*found, strict=True)
    rows = np.array([answer["probabilities"] for answer in answers])
    raw = np.array([answer["raw"] for answer in answers]) if model.calibration is not None else None
    kind = model.task.kind
    if kind == "multilabel":
        y_true = np.array([[np.nan if value is None else value for value in case.label] for case in cases], dtype=float)
    else:
        y_true = np.array([case.label for case in cases])
    patients = tuple(case.patient for case in cases)
    sections = ("test",) * len(files)
    return Predictions(files, patients, sections, y_true, rows, model.task.label_names, kind, {}, raw)
