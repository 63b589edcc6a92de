"""What was measured of a model, as far as it says something about one answer."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lungscan_monai.evaluation.report import REPORT_VERSION

EVALUATION = "eval"
"""Folder of a bundle where `lungscan evaluate` writes unless it is told otherwise."""

PRESENT, ABSENT = "present", "absent"


@dataclass(frozen=True, eq=False)
class Evidence:
    """The evaluation of one model.

    Args:
        folder: Where it lies.
        report: What `report.json` holds.
    """

    folder: Path
    report: Mapping[str, Any]

    def of_label(self, label: str) -> Mapping[str, Any] | None:
        """Return what was measured of a label; None if nothing was, as for the negative label of a binary task."""
        return next((entry for entry in self.report["labels"] if entry["label"] == label), None)

    def possible_labels(self, probabilities: Mapping[str, float]) -> tuple[str, ...] | None:
        """Return the exclusive labels that cannot be ruled out at the stated coverage.

        They are the labels of the case's conformal prediction set, whose limits were fitted on the validation cases.

        Returns:
            None where there are no such limits, or labels are not exclusive.
        """
        kind = self.report["kind"]
        if kind == "multilabel":
            return None
        owner = self.report["overall"] if kind == "multiclass" else self.report["labels"][0]
        smallest = _limits(owner)
        if smallest is None:
            return None
        return tuple(label for label, probability in probabilities.items() if probability >= smallest[label])

    def is_open(self, finding: str, probability: float) -> bool:
        """Tell whether a finding can be ruled neither in nor out at the stated coverage; False if unknown."""
        smallest = _limits(self.of_label(finding) or {})
        return smallest is not None and probability >= smallest[PRESENT] and 1 - probability >= smallest[ABSENT]

    @property
    def stated_coverage(self) -> float | None:
        """Share of prediction sets that hold the right label, as promised; None where there are no sets."""
        owners = (self.report["overall"], *self.report["labels"])
        return next((owner["prediction_sets"]["stated_coverage"] for owner in owners if _limits(owner)), None)


def load_evidence(bundle_root: Path, model_sha256: str) -> Evidence | None:
    """Return what was measured of this very model, None where nothing was, or of another one only.

    Args:
        bundle_root: The bundle.
        model_sha256: Of its model.
    """
    folder = bundle_root / EVALUATION
    try:
        report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
        belongs = report["report_version"] == REPORT_VERSION and report["facts"]["model_sha256"] == model_sha256
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return Evidence(folder, report) if belongs else None


def _limits(owner: Mapping[str, Any]) -> Mapping[str, float] | None:
    return (owner.get("prediction_sets") or {}).get("smallest_probability")
