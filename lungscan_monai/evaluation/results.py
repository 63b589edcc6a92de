"""What the report says of the test section: every number of every label, from one bootstrap that all share."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from lungscan_monai.errors import NotComputableError
from lungscan_monai.evaluation.abstaining import selective_classes, selective_label
from lungscan_monai.evaluation.averages import AVERAGED, averages
from lungscan_monai.evaluation.calibrating import CalibrationEffect
from lungscan_monai.evaluation.curve_points import curve_points
from lungscan_monai.evaluation.decision_curves import DecisionCurve
from lungscan_monai.evaluation.estimates import (
    MIN_PATIENTS,
    calibration_error,
    computed,
    estimate,
    not_computable,
    rounded,
)
from lungscan_monai.evaluation.label_sets import sets_of_classes, sets_of_finding
from lungscan_monai.evaluation.predictions import Predictions, Target
from lungscan_monai.evaluation.settings import ReportSettings
from lungscan_monai.evaluation.statistics import (
    BAND,
    BOTH_CLASSES,
    LABEL_STATISTICS,
    ClassStatistics,
    LabelStatistics,
    PooledStatistics,
)
from lungscan_monai.evaluation.subgroups import MeasuredSubgroup, Subgroup
from lungscan_monai.evaluation.thresholds import ChosenThreshold, MeasuredThreshold
from lungscan_monai.metrics.calibration import calibration_error_if_calibrated
from lungscan_monai.metrics.delong import delong_interval
from lungscan_monai.metrics.draws import Draws, draws_of_all
from lungscan_monai.metrics.intervals import Bootstrap, patient_clusters


class SectionResults:
    """The test section with all its statistics on every resample, drawn once.

    Args:
        test: Predictions of the test section.
        fitting: Predictions of the section that prediction sets are fitted on, None where there is none.
        thresholds: For each target of `test` the threshold that decides, then those shown beside it.
        settings: Of the report.
        subgroups: Groups of the test cases.

    Raises:
        NotComputableError: If fewer than one resample is asked for.
    """

    def __init__(
        self,
        test: Predictions,
        fitting: Predictions | None,
        thresholds: Sequence[Sequence[ChosenThreshold]],
        settings: ReportSettings,
        subgroups: Sequence[Subgroup],
    ) -> None:
        self._test, self._fitting = test, fitting
        self._thresholds, self._settings, self._subgroups = thresholds, settings, subgroups
        self._targets = list(test.targets())
        self._clusters = patient_clusters(test.patients)
        self._labels = [self._statistics(index) for index in range(len(self._targets))]
        self._parts = {**self._parts_of_labels(), **self._parts_of_all()}
        bootstrap = Bootstrap(self._clusters, settings.n_resamples, settings.seed)
        drawn = draws_of_all([part.columns for part in self._parts.values()], bootstrap, settings.interval)
        self._draws: dict[Hashable, Draws] = dict(zip(self._parts, drawn, strict=True))

    def labels(self) -> list[dict[str, Any]]:
        """Return what the report says of each label."""
        return [self._label(index) for index in range(len(self._targets))]

    def overall(self, labels: list[dict[str, Any]]) -> dict[str, Any]:
        """Return the means over the labels and, for more than two exclusive classes, their common numbers.

        Args:
            labels: What :meth:`labels` returned.

        Returns:
            `macro`, `micro` and `weighted` means (one label has a macro mean only), then `classes`, `calibration`,
            `selective` and `prediction_sets` of exclusive classes together; None where there is no such thing.
        """
        if len(labels) == 1:
            macro = {name: labels[0]["metrics"][name] | {"labels_left_out": []} for name in AVERAGED}
            means = {"macro": macro, "micro": None, "weighted": None}
        else:
            names = [label["label"] for label in labels]
            drawn = [self._draws["metrics", index] for index in range(len(labels))]
            smaller = [self._units(index, None)["smaller class"] for index in range(len(labels))]
            means = averages(names, drawn, self._draws["pooled"], smaller)
        nothing = dict.fromkeys(("classes", "calibration", "selective", "prediction_sets"))
        return {**means, **(self._classes() if self._test.kind == "multiclass" else nothing)}

    def subgroups(self) -> list[dict[str, Any]]:
        """Return the facts of the datalist, each with its groups and what was measured in them."""
        facts: dict[str, list[dict[str, Any]]] = {}
        for number, group in enumerate(self._subgroups):
            measured = [self._entry(("subgroup", number, index)) for index in range(len(self._targets))]
            counts = {"cases": int(group.members.sum()), "patients": self._patients(group.members)}
            facts.setdefault(group.fact, []).append({"value": group.value, **counts, "labels": measured})
        return [{"fact": fact, "groups": groups} for fact, groups in facts.items()]

    def _statistics(self, index: int) -> LabelStatistics:
        target = self._targets[index]
        if self._test.kind == "multiclass":
            called = self._test.probabilities.argmax(axis=1) == index
        else:
            called = target.y_score >= self._thresholds[index][0].threshold
        return LabelStatistics(target.y_true, target.y_score, called)

    def _raw(self, index: int) -> np.ndarray | None:
        raw = self._test.raw_probabilities
        return None if raw is None else raw[:, 1 if self._test.kind == "binary" else index]

    def _parts_of_labels(self) -> dict[Hashable, Any]:
        parts: dict[Hashable, Any] = {}
        fitting = [None] * len(self._targets) if self._fitting is None else list(self._fitting.targets())
        for index, (target, statistics) in enumerate(zip(self._targets, self._labels, strict=True)):
            units = self._units(index, self._thresholds[index][0].threshold)
            parts["metrics", index] = statistics
            for number, chosen in enumerate(self._thresholds[index]):
                parts["point", index, number] = MeasuredThreshold(chosen, target, units)
            parts["decision_curve", index] = DecisionCurve(target)
            if self._raw(index) is not None:
                effect = CalibrationEffect(target.y_true, self._raw(index), target.y_score, self._settings.seed)
                parts["calibration", index] = effect
            if self._test.kind != "multiclass":
                threshold = self._thresholds[index][0].threshold
                parts["selective", index] = selective_label(target, statistics.called, threshold, self._clusters)
            if self._test.kind == "multilabel":
                parts["sets", index] = sets_of_finding(fitting[index], target, self._settings.coverage, self._clusters)
            for number, group in enumerate(self._subgroups):
                part = MeasuredSubgroup(group, target.label, statistics, self._test.patients)
                parts["subgroup", number, index] = part
        return parts

    def _parts_of_all(self) -> dict[Hashable, Any]:
        test, parts = self._test, {}
        if len(self._targets) > 1:
            y_true = np.column_stack([target.y_true for target in self._targets])
            parts["pooled"] = PooledStatistics(y_true, test.probabilities)
        if test.kind == "multilabel":
            return parts
        parts["sets"] = sets_of_classes(self._fitting, test, self._settings.coverage, self._clusters)
        if test.kind == "multiclass":
            classes = parts["classes"] = ClassStatistics(test.y_true, test.probabilities)
            parts["selective"] = selective_classes(test.y_true, test.probabilities, self._clusters)
            if test.raw_probabilities is not None:
                raw = test.raw_probabilities.max(axis=1)
                right, calibrated = classes.top_class
                parts["calibration"] = CalibrationEffect(right, raw, calibrated, self._settings.seed)
        return parts

    def _entry(self, key: Hashable) -> dict[str, Any]:
        return self._parts[key].entry(self._draws[key])

    def _label(self, index: int) -> dict[str, Any]:
        target, statistics = self._targets[index], self._labels[index]
        assessed = ~np.isnan(target.y_true)
        band = self._draws["metrics", index].resampled[:, BAND]
        if self._units(index, None)["smaller class"] < MIN_PATIENTS:
            band = band[:0]
        points = [self._entry(("point", index, number)) for number in range(len(self._thresholds[index]))]
        return {
            "label": target.label,
            "cases": int(assessed.sum()),
            "positive": int((target.y_true == 1).sum()),
            "negative": int((target.y_true == 0).sum()),
            "not_assessed": int((~assessed).sum()),
            "patients": self._patients(assessed),
            "prevalence": rounded(target.y_true[assessed].mean()) if assessed.any() else None,
            "table": statistics.outcome_counts(),
            "metrics": self._metrics(index),
            "delong": computed(lambda: _delong(target)),
            "calibration": self._entry(("calibration", index)) if ("calibration", index) in self._parts else None,
            "operating_point": points[0],
            "other_operating_points": points[1:],
            "curves": {
                **curve_points(target, band, self._raw(index)),
                "decision": self._entry(("decision_curve", index)),
            },
            **self._deciding(index),
        }

    def _deciding(self, index: int) -> dict[str, Any]:
        """Return selective prediction and prediction sets where they are the label's own."""
        if self._test.kind == "multiclass":
            return {"selective": None, "prediction_sets": None}
        sets = ("sets", index) if self._test.kind == "multilabel" else "sets"
        return {"selective": self._entry(("selective", index)), "prediction_sets": self._entry(sets)}

    def _classes(self) -> dict[str, Any]:
        """Return the common numbers of more than two exclusive classes."""
        statistics, draws = self._parts["classes"], self._draws["classes"]
        together: dict[str, Any] = {}
        for index, (name, compute) in enumerate(statistics.by_name().items()):
            if name == "ece_top_class":
                together[name] = self._calibration_error(compute, draws.column(index), statistics.top_class[1])
            else:
                n_units = self._n_patients if name == "accuracy" else 0
                together[name] = estimate(compute, draws.column(index), n_units)
        effect = None
        if "calibration" in self._parts:
            effect = {when: {"ece_top_class": of["ece"]} for when, of in self._entry("calibration").items()}
        deciding = {"selective": self._entry("selective"), "prediction_sets": self._entry("sets")}
        return {"classes": together, "calibration": effect, **deciding}

    def _metrics(self, index: int) -> dict[str, Any]:
        statistics, draws = self._labels[index], self._draws["metrics", index]
        try:
            by_name = statistics.by_name()
        except NotComputableError as error:
            return dict.fromkeys(LABEL_STATISTICS, not_computable(error))
        units = self._units(index, None)
        metrics = {}
        for number, (name, compute) in enumerate(by_name.items()):
            if name == "ece":
                known = statistics.y_score[~np.isnan(statistics.y_true)]
                metrics[name] = self._calibration_error(compute, draws.column(number), known)
            else:
                smaller = units["smaller class"] if name in BOTH_CLASSES else None
                metrics[name] = estimate(compute, draws.column(number), units.get(name, 0), smaller)
        return metrics

    def _calibration_error(self, compute: Callable[[], float], draws: Draws, probability: np.ndarray) -> dict[str, Any]:
        seed = self._settings.seed
        return calibration_error(compute, draws, lambda: calibration_error_if_calibrated(probability, seed=seed))

    @cached_property
    def _n_patients(self) -> int:
        return int(self._clusters.max()) + 1

    def _patients(self, chosen: np.ndarray) -> int:
        return int(np.unique(self._clusters[chosen]).size)

    def _units(self, index: int, threshold: float | None) -> Mapping[str, int]:
        """Count the patients behind each proportion: those with a case in its denominator.

        A ROC AUC of 1 says that every pair of a positive and a negative case is in order; it counts pairs that share
        no patient.
        """
        target = self._targets[index]
        positive, negative = target.y_true == 1, target.y_true == 0
        called = self._labels[index].called if threshold is None else target.y_score >= threshold
        assessed = positive | negative
        units = {
            "sensitivity": self._patients(positive),
            "specificity": self._patients(negative),
            "ppv": self._patients(called & assessed),
            "npv": self._patients(~called & assessed),
            "accuracy": self._patients(assessed),
        }
        smaller = min(units["sensitivity"], units["specificity"])
        return units | {"smaller class": smaller, "roc_auc": min(smaller, units["accuracy"] // 2)}


def _delong(target: Target) -> dict[str, Any]:
    found = delong_interval(target.y_true, target.y_score)
    numbers = {name: rounded(getattr(found, name)) for name in ("value", "low", "high", "standard_error")}
    return numbers | {"assumes": "cases are independent of each other"}
