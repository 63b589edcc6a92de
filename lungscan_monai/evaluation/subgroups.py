"""Groups of the test cases by what the datalist says of them: sex, age band, view, source, or anything else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from lungscan_monai.errors import DataError, NotComputableError
from lungscan_monai.evaluation.estimates import estimate, not_computable
from lungscan_monai.evaluation.statistics import LabelStatistics
from lungscan_monai.metrics.curves import Ranking, rank
from lungscan_monai.metrics.draws import Draws
from lungscan_monai.metrics.intervals import patient_clusters
from lungscan_monai.metrics.scores import area_under_roc, confusion_at, roc_auc, sensitivity, specificity

AGE = "age"
"""The fact that is cut into bands of years."""

AGE_BANDS = (0, 18, 40, 60, 80)
"""First years of the age bands."""

MAX_VALUES = 12
"""A fact with more values than this names cases rather than groups, unless it is asked for."""

UNKNOWN = "not recorded"
"""Name of the group of cases without the fact."""

MEASURED = ("roc_auc", "sensitivity", "specificity")


@dataclass(frozen=True, eq=False)
class Subgroup:
    """Some of the test cases.

    Args:
        fact: Name of the fact, for instance ``"sex"``.
        value: Its value, as text.
        members: Whether each test case belongs to it, shape ``(n_cases,)``.
    """

    fact: str
    value: str
    members: np.ndarray


def find_subgroups(facts: Sequence[Mapping[str, Any]], wanted: Sequence[str] | None = None) -> list[Subgroup]:
    """Return the groups that the facts of the cases make.

    Args:
        facts: Of each test case, by name.
        wanted: Names of facts; None takes every one with 2 to `MAX_VALUES` values (ages are cut into bands first).

    Raises:
        DataError: If no test case has a fact that is wanted.
    """
    names = list(dict.fromkeys(name for of_case in facts for name in of_case))
    missing = sorted(set(wanted or ()) - set(names))
    if missing:
        raise DataError(f"no test case has the fact {', '.join(missing)}; there are: {', '.join(names) or 'none'}")
    groups = []
    for name in names if wanted is None else wanted:
        values = [_as_group(name, of_case.get(name)) for of_case in facts]
        known = {value for value in values if value != UNKNOWN}
        if wanted is None and not 2 <= len(known) <= MAX_VALUES:
            continue
        present = sorted(known, key=_order) + [UNKNOWN] * (UNKNOWN in values)
        groups += [Subgroup(name, value, np.array([found == value for found in values])) for value in present]
    return groups


def _as_group(name: str, value: Any) -> str:
    if value is None or value == "" or isinstance(value, (list, dict)) or value != value:
        return UNKNOWN
    if name == AGE and isinstance(value, (int, float)) and not isinstance(value, bool):
        band = int(np.searchsorted(AGE_BANDS, value, side="right")) - 1
        if band < 0:
            return UNKNOWN
        last = band + 1 == len(AGE_BANDS)
        return f"{AGE_BANDS[band]} and over" if last else f"{AGE_BANDS[band]} to {AGE_BANDS[band + 1] - 1}"
    return str(value)


def _order(value: str) -> tuple[float, str]:
    first = value.split()[0] if value.split() else value
    return (float(first), value) if first.replace(".", "", 1).isdecimal() else (np.inf, value)


class MeasuredSubgroup:
    """ROC AUC, sensitivity and specificity of one label within one group.

    Args:
        group: The group.
        label: Name of the label.
        statistics: The label on all test cases.
        patients: Patient of each test case, None where unknown.
    """

    def __init__(
        self, group: Subgroup, label: str, statistics: LabelStatistics, patients: Sequence[str | None]
    ) -> None:
        self._label = label
        self._members = np.flatnonzero(group.members)
        self._y_true = statistics.y_true[self._members]
        self._y_score = statistics.y_score[self._members]
        self._called = statistics.called[self._members]
        self._patients = patient_clusters([patients[index] for index in self._members])

    @cached_property
    def _ranking(self) -> Ranking:
        return rank(self._y_true, self._y_score).condensed()

    def columns(self, weights: np.ndarray) -> np.ndarray:
        """Return `MEASURED` for weights ``(n_some, n_cases)``."""
        if np.isnan(self._y_true).all():
            return np.full((len(weights), len(MEASURED)), np.nan)
        weights = weights[:, self._members]
        counts = self._ranking.counts(weights)
        table = confusion_at(self._y_true, self._called, 1, weights)
        return np.column_stack([area_under_roc(counts), sensitivity(table), specificity(table)])

    def entry(self, draws: Draws) -> dict[str, Any]:
        """Return what the report says of the label in this group."""
        counts = {
            "label": self._label,
            "positive": int((self._y_true == 1).sum()),
            "negative": int((self._y_true == 0).sum()),
        }
        try:
            table = confusion_at(self._y_true, self._called, 1)
        except NotComputableError as error:
            return counts | dict.fromkeys(MEASURED, not_computable(error))
        compute = (
            lambda: roc_auc(self._y_true, self._y_score),
            lambda: sensitivity(table),
            lambda: specificity(table),
        )
        positive, negative = (self._n_patients(self._y_true == value) for value in (1, 0))
        parts = zip(MEASURED, compute, (0, positive, negative), (min(positive, negative), None, None), strict=True)
        return counts | {
            name: estimate(number, draws.column(index), n, smaller)
            for index, (name, number, n, smaller) in enumerate(parts)
        }

    def _n_patients(self, chosen: np.ndarray) -> int:
        return int(np.unique(self._patients[chosen]).size)
