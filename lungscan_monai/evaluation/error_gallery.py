"""The cases that an error analysis begins with: the surest wrong answers, and the surest right ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lungscan_monai.evaluation.estimates import rounded
from lungscan_monai.evaluation.predictions import Predictions, Target

KINDS = ("false_positives", "false_negatives", "confident")
"""The lists of each label: called and not so, not called and so, called and so; the surest first."""

NO_FINDING = "none"
"""What is said of a case of a multi-label task that has, or is called with, no finding."""


@dataclass(frozen=True)
class GalleryCase:
    """One entry.

    Args:
        label: Index of the label that its list is about, which is also explained.
        kind: One of `KINDS`.
        case: Name of the case.
        reference: Its reference label, or its findings.
        predicted: What the model decided, or the findings that it called present.
        probability: Of the list's label, in [0, 1].
    """

    label: int
    kind: str
    case: str
    reference: str
    predicted: str
    probability: float


def decisions(test: Predictions, thresholds: Sequence[float]) -> np.ndarray:
    """Return which labels are called present: boolean, shape ``(n_cases, n_labels)``.

    Args:
        test: Predictions.
        thresholds: Of each target of `test`; exclusive classes of a multi-class task need none.
    """
    probabilities = test.probabilities.astype(np.float64)
    if test.kind == "multilabel":
        return probabilities >= np.asarray(thresholds)
    if test.kind == "binary":
        positive = probabilities[:, 1] >= thresholds[0]
        return np.column_stack([~positive, positive])
    return np.eye(len(test.label_names), dtype=bool)[probabilities.argmax(axis=1)]


def surest_cases(test: Predictions, thresholds: Sequence[float], limit: int) -> list[GalleryCase]:
    """Choose the entries: for each target and kind at most `limit`, the surest first, equal ones by name.

    Args:
        test: Predictions of the test section.
        thresholds: Of each target, as for :func:`decisions`.
        limit: Entries in one list; 0 gives none.
    """
    called = decisions(test, thresholds)
    predicted = [_named(row, test) for row in called]
    reference = [_named(row, test) for row in _present(test)]
    found = []
    for target in test.targets():
        index = test.label_names.index(target.label)
        for kind, cases in _surest(target, called[:, index], test.case_ids, limit).items():
            found += [
                GalleryCase(index, kind, test.case_ids[i], reference[i], predicted[i], rounded(target.y_score[i]))
                for i in cases
            ]
    return found


def gallery_entries(
    cases: Sequence[GalleryCase], test: Predictions, files: Mapping[tuple[str, int], Mapping[str, str]]
) -> list[dict[str, Any]]:
    """Return the gallery as the report holds it: of each target its label and the lists of `KINDS`.

    Without any case it is empty.

    Args:
        cases: As :func:`surest_cases` chose them.
        test: What they were chosen from.
        files: Of each case and label `picture` and `heatmap`: paths from the report's folder, as far as they exist.
    """
    gallery = []
    for target in test.targets() if cases else ():
        index = test.label_names.index(target.label)
        lists: dict[str, list[dict[str, Any]]] = {kind: [] for kind in KINDS}
        for entry in cases:
            if entry.label == index:
                shown = {name: getattr(entry, name) for name in ("case", "reference", "predicted", "probability")}
                pictures = {"picture": None, "heatmap": None, **files.get((entry.case, index), {})}
                lists[entry.kind].append({**shown, "explained": target.label, **pictures})
        gallery.append({"label": target.label, **lists})
    return gallery


def _surest(target: Target, called: np.ndarray, names: Sequence[str], limit: int) -> dict[str, list[int]]:
    positive, negative = target.y_true == 1, target.y_true == 0
    members = (negative & called, positive & ~called, positive & called)
    signs = (-1, 1, -1)
    return {
        kind: [int(i) for i in sorted(np.flatnonzero(mask), key=lambda i: (sign * target.y_score[i], names[i]))[:limit]]
        for kind, mask, sign in zip(KINDS, members, signs, strict=True)
    }


def _present(test: Predictions) -> np.ndarray:
    if test.kind == "multilabel":
        return test.y_true == 1
    return np.eye(len(test.label_names), dtype=bool)[test.y_true]


def _named(row: np.ndarray, test: Predictions) -> str:
    return ", ".join(test.label_names[index] for index in np.flatnonzero(row)) or NO_FINDING
