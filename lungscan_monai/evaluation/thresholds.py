"""The thresholds of a report: chosen by a rule on validation cases, or those stored with the model, else 0.5."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from lungscan_monai.errors import NotComputableError
from lungscan_monai.evaluation.estimates import estimate, not_computable
from lungscan_monai.evaluation.predictions import Predictions, Target
from lungscan_monai.evaluation.statistics import TableStatistics
from lungscan_monai.metrics.decisions import DEFAULT_THRESHOLD
from lungscan_monai.metrics.draws import Draws
from lungscan_monai.metrics.operating_points import RULES, OperatingPoint, fit_operating_point

MEASURED = ("sensitivity", "specificity", "ppv", "npv")
"""What the test cases show of each threshold."""

USUAL_TARGET = 0.95
"""Sensitivity or specificity of the rules that the report shows beside the chosen one."""


@dataclass(frozen=True)
class ChosenThreshold:
    """The threshold of one label.

    Args:
        label: Its name.
        point: The operating point, None where none could be had: then the threshold is 0.5.
        reason: Why there is none, None where there is one.
    """

    label: str
    point: OperatingPoint | None
    reason: str | None = None

    @property
    def threshold(self) -> float:
        """The number itself."""
        return DEFAULT_THRESHOLD if self.point is None else self.point.threshold

    def entry(self) -> dict[str, Any]:
        """Return what the report says of it."""
        if self.point is not None:
            return asdict(self.point) | {"reason": None}
        blank = {"threshold": self.threshold, "rule": "default", "sensitivity": None, "specificity": None}
        return blank | {"fitted_on": None, "n": 0, "target": None, "reason": self.reason}


def chosen_thresholds(
    labels: Sequence[str],
    chosen_on: Predictions | None,
    section: str,
    rule: str,
    target: float | None,
) -> list[ChosenThreshold]:
    """Choose a threshold for each label.

    Args:
        labels: Names of the labels that have one.
        chosen_on: The cases to choose on, None where there are none.
        section: Their name.
        rule: One of :data:`~lungscan_monai.metrics.operating_points.RULES`.
        target: Required sensitivity or specificity, for the rules that need one.
    """
    if chosen_on is None:
        return [_default(label, f"there is no section {section!r} to choose it in") for label in labels]
    return [_chosen(found, section, rule, target) for found in chosen_on.targets()]


def stored_thresholds(labels: Sequence[str], points: Mapping[str, OperatingPoint]) -> list[ChosenThreshold]:
    """Return the thresholds that were stored with the model."""
    return [
        ChosenThreshold(label, points[label])
        if label in points
        else _default(label, "none is stored with this model for it")
        for label in labels
    ]


def _chosen(found: Target, section: str, rule: str, target: float | None) -> ChosenThreshold:
    try:
        return ChosenThreshold(found.label, fit_operating_point(found.y_true, found.y_score, rule, target, section))
    except NotComputableError as error:
        return _default(found.label, str(error))


def _default(label: str, why: str) -> ChosenThreshold:
    return ChosenThreshold(label, None, f"{label}: the threshold is {DEFAULT_THRESHOLD}, not chosen, because {why}")


class MeasuredThreshold:
    """What one threshold gives on the test cases.

    Args:
        chosen: The threshold.
        target: Labels and probabilities of the test cases.
        units: Patients behind each score, for the interval of 0 and of 1.
    """

    def __init__(self, chosen: ChosenThreshold, target: Target, units: Mapping[str, int]) -> None:
        self._chosen = chosen
        self._statistics = TableStatistics(target.y_true, target.y_score >= chosen.threshold, MEASURED)
        self._units = units

    def columns(self, weights: np.ndarray) -> np.ndarray:
        """Return `MEASURED` for weights ``(n_some, n_cases)``."""
        return self._statistics.columns(weights)

    def entry(self, draws: Draws) -> dict[str, Any]:
        """Return what the report says of it; under ``"test"`` what the test cases show."""
        try:
            by_name = self._statistics.by_name()
        except NotComputableError as error:
            return self._chosen.entry() | {"test": dict.fromkeys(MEASURED, not_computable(error))}
        shown = {
            name: estimate(compute, draws.column(index), self._units.get(name, 0))
            for index, (name, compute) in enumerate(by_name.items())
        }
        return self._chosen.entry() | {"test": shown}


def other_rules(rule: str) -> list[tuple[str, float | None]]:
    """Return the rules beside the chosen one, each with its target."""
    return [(name, None if name == "youden" else USUAL_TARGET) for name in RULES if name != rule]
