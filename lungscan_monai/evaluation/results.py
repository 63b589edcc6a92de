"""What the report says of the test section: every number of every label, from one bootstrap that all share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from lungscan_monai.errors import NotComputableError
from lungscan_monai.evaluation.curve_points import curve_points
from lungscan_monai.evaluation.estimates import calibration_error, estimate, not_computable, rounded, with_interval
from lungscan_monai.evaluation.predictions import Predictions
from lungscan_monai.evaluation.statistics import LABEL_STATISTICS, ClassStatistics, LabelStatistics, draws_of_all
from lungscan_monai.metrics.calibration import calibration_error_if_calibrated
from lungscan_monai.metrics.intervals import Bootstrap, patient_clusters, percentile_interval

MACRO_STATISTICS = tuple(name for name in LABEL_STATISTICS if name not in ("accuracy", "ece"))
"""Statistics whose mean over the labels is reported."""


class SectionResults:
    """The test section with all its statistics on every resample, drawn once.

    Args:
        test: Predictions of the test section.
        thresholds: One for each target of `test`.
        n_resamples: Number of bootstrap resamples.
        seed: Of the bootstrap.

    Raises:
        NotComputableError: If fewer than one resample is asked for.
    """

    def __init__(self, test: Predictions, thresholds: list[float], n_resamples: int, seed: int) -> None:
        self.targets = list(test.targets())
        self.clusters = patient_clusters(test.patients)
        self.seed = seed
        self.of_labels = [
            LabelStatistics(target.y_true, target.y_score, threshold)
            for target, threshold in zip(self.targets, thresholds, strict=True)
        ]
        self.of_classes = [ClassStatistics(test.y_true, test.probabilities)] if test.kind == "multiclass" else []
        self.draws = draws_of_all([*self.of_labels, *self.of_classes], Bootstrap(self.clusters, n_resamples, seed))

    def label(self, index: int) -> dict[str, Any]:
        """Return what the report says of one label."""
        target, statistics = self.targets[index], self.of_labels[index]
        assessed = ~np.isnan(target.y_true)
        return {
            "label": target.label,
            "cases": int(assessed.sum()),
            "positive": int((target.y_true == 1).sum()),
            "negative": int((target.y_true == 0).sum()),
            "not_assessed": int((~assessed).sum()),
            "patients": self._patients(assessed),
            "prevalence": rounded(target.y_true[assessed].mean()) if assessed.any() else None,
            "table": statistics.outcome_counts(),
            "metrics": self._label_metrics(index),
            "curves": curve_points(target, self.draws[index][:, len(LABEL_STATISTICS) :]),
        }

    def overall(self, labels: list[dict[str, Any]]) -> dict[str, Any]:
        """Return the means over the labels and, for more than two exclusive classes, their common numbers.

        Args:
            labels: What :meth:`label` returned for each label.
        """
        together: dict[str, Any] = {}
        for statistics, draws in zip(self.of_classes, self.draws[len(self.of_labels) :], strict=True):
            n_units = {"accuracy": int(self.clusters.max()) + 1}
            for column, (name, compute) in zip(draws.T, statistics.by_name().items(), strict=True):
                if name == "ece_top_class":
                    together[name] = self._calibration_error(compute, column, statistics.top_class[1])
                else:
                    together[name] = estimate(compute, column, n_units.get(name, 0))
        return {"macro": {name: self._macro(name, labels) for name in MACRO_STATISTICS}, **together}

    def _label_metrics(self, index: int) -> dict[str, Any]:
        statistics = self.of_labels[index]
        try:
            by_name = statistics.by_name()
        except NotComputableError as error:
            return dict.fromkeys(LABEL_STATISTICS, not_computable(error))
        units = self._units(statistics)
        metrics = {}
        for column, (name, compute) in zip(self.draws[index].T, by_name.items(), strict=False):
            if name == "ece":
                known = statistics.y_score[~np.isnan(statistics.y_true)]
                metrics[name] = self._calibration_error(compute, column, known)
            else:
                metrics[name] = estimate(compute, column, units.get(name, 0))
        return metrics

    def _calibration_error(
        self, compute: Callable[[], float], draws: np.ndarray, probability: np.ndarray
    ) -> dict[str, Any]:
        return calibration_error(compute, draws, lambda: calibration_error_if_calibrated(probability, seed=self.seed))

    def _macro(self, name: str, labels: list[dict[str, Any]]) -> dict[str, Any]:
        known = [index for index, label in enumerate(labels) if "value" in label["metrics"][name]]
        if not known:
            return not_computable(NotComputableError("no label defines it"))
        if len(labels) == 1:
            return labels[0]["metrics"][name] | {"labels_left_out": []}
        column = LABEL_STATISTICS.index(name)
        value = float(np.mean([labels[index]["metrics"][name]["value"] for index in known]))
        draws = np.mean([self.draws[index][:, column] for index in known], axis=0)
        left_out = [label["label"] for index, label in enumerate(labels) if index not in known]
        return with_interval(value, draws, percentile_interval) | {"labels_left_out": left_out}

    def _patients(self, chosen: np.ndarray) -> int:
        return int(np.unique(self.clusters[chosen]).size)

    def _units(self, statistics: LabelStatistics) -> dict[str, int]:
        """Count the patients behind each proportion: those with a case in its denominator.

        A ROC AUC of 1 says that every pair of a positive and a negative case is in order; it counts pairs that share
        no patient.
        """
        positive, negative = statistics.y_true == 1, statistics.y_true == 0
        called = statistics.y_score >= statistics.threshold
        assessed = positive | negative
        units = {
            "sensitivity": self._patients(positive),
            "specificity": self._patients(negative),
            "ppv": self._patients(called & assessed),
            "npv": self._patients(~called & assessed),
            "accuracy": self._patients(assessed),
        }
        return units | {"roc_auc": min(units["sensitivity"], units["specificity"], units["accuracy"] // 2)}
