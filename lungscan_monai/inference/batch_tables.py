"""What a batch leaves behind: tables for people and programs, written from the ledger and from nothing else.

Rows come in the order of the file names and one at a time, so that memory does not grow with the folder. Every file
that was found stands in exactly one of `predictions.csv` and `rejects.csv`.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from lungscan_monai.inference.case_model import CaseModel
from lungscan_monai.inference.image_facts import SLICED
from lungscan_monai.inference.ledger import DoneFile, Ledger
from lungscan_monai.inference.series import SeriesAnswer, Slice, answer_for_series
from lungscan_monai.spreadsheets import guarded_cell
from lungscan_monai.storage import replacing

PREDICTIONS, LINES, REJECTS, SERIES = "predictions.csv", "predictions.jsonl", "rejects.csv", "series.csv"
NOT_ASSESSABLE = "not assessable"
"""What stands in the place of a decision."""

_WHERE = ("modality", "study_uid", "series_uid", "instance_uid")
_OF_SERIES = ("slices", "places", "duplicates", "gaps", "spacing", "geometry")


def write_tables(ledger: Ledger, model: CaseModel, output: Path) -> None:
    """Write `predictions.csv`, `predictions.jsonl` and `rejects.csv`, and `series.csv` if there is a series of slices.

    Raises:
        OutputError: If one cannot be written; the ledger still has all.
    """
    labels = model.task.label_names
    probabilities = [f"probability {label}" for label in labels]
    header = ["file", "blake3", "decision", "threshold", *probabilities, "code", "reason", *_WHERE, "heatmap"]
    _write_csv(output / PREDICTIONS, header, (_row(one, labels) for one in ledger.done()))
    with replacing(output / LINES) as part, part.open("w", encoding="utf-8") as stream:
        for one in ledger.done():
            stream.write(json.dumps(_line(one, labels), ensure_ascii=False, allow_nan=False) + "\n")
    rejects = ([one.file, one.state, one.code, one.reason, one.blake3] for one in ledger.not_done())
    _write_csv(output / REJECTS, ["file", "state", "code", "reason", "blake3"], rejects)
    _write_series(ledger, model, output / SERIES, probabilities)


def decision_text(answer: dict[str, Any]) -> str:
    """Return the decision as a cell shows it: a class, the findings called present, or that there is none."""
    if "label" not in answer:
        return NOT_ASSESSABLE
    return answer["label"] or "; ".join(answer["findings"]) or "none"


def _row(one: DoneFile, labels: Sequence[str]) -> list[Any]:
    answer = one.answer
    numbers = answer.get("probabilities", [None] * len(labels))
    texts = [answer.get(name) for name in ("code", "reason", *_WHERE, "heatmap")]
    return [one.file, one.blake3, decision_text(answer), answer.get("threshold"), *numbers, *texts]


def _line(one: DoneFile, labels: Sequence[str]) -> dict[str, Any]:
    answer = one.answer
    assessed = "probabilities" in answer
    return {
        "file": one.file,
        "blake3": one.blake3,
        "assessable": assessed,
        "label": answer.get("label"),
        "findings": answer.get("findings"),
        "threshold": answer.get("threshold"),
        "probabilities": dict(zip(labels, answer["probabilities"], strict=True)) if assessed else None,
        **{name: answer.get(name) for name in ("code", "reason", *_WHERE, "heatmap")},
    }


def _write_series(ledger: Ledger, model: CaseModel, path: Path, probabilities: list[str]) -> None:
    """Write one row for each series of slices; the table goes away where there is none."""
    path.unlink(missing_ok=True)
    rows = _series_rows(ledger, model)
    first = next(rows, None)
    if first is not None:
        header = ["series_uid", "study_uid", "modality", "decision", "threshold", *probabilities, *_OF_SERIES]
        _write_csv(path, header, (row for some in ([first], rows) for row in some))


def _series_rows(ledger: Ledger, model: CaseModel) -> Iterator[list[Any]]:
    for uid, members in groupby(ledger.by_series(), key=lambda one: one.answer["series_uid"]):
        answers = [one.answer for one in members if "probabilities" in one.answer]
        answers = [answer for answer in answers if answer["modality"] in SLICED]
        if answers:
            found = answer_for_series([_slice(answer) for answer in answers])
            yield [uid, answers[0]["study_uid"], answers[0]["modality"], *_series_cells(found, model)]


def _series_cells(found: SeriesAnswer, model: CaseModel) -> list[Any]:
    decided = model.decision(found.probabilities)
    told = [getattr(found, name) for name in _OF_SERIES]
    return [decision_text(decided), decided["threshold"], *found.probabilities.tolist(), *told]


def _slice(answer: dict[str, Any]) -> Slice:
    return Slice(answer["position"], answer["orientation"], np.array(answer["probabilities"]))


def _write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    with replacing(path) as part, part.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow([guarded_cell(name) for name in header])
        for row in rows:
            writer.writerow([_cell(value) for value in row])


def _cell(value: Any) -> Any:
    if value is None:
        return ""
    return guarded_cell(value) if isinstance(value, str) else repr(value) if isinstance(value, float) else value
