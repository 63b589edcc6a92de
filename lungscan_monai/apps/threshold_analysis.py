"""What another threshold would give: a walk along the ROC curve of the validation cases."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lungscan_monai.errors import DataError, NotComputableError
from lungscan_monai.evaluation.predictions import Predictions, Target, load_predictions
from lungscan_monai.metrics.cases import assessed
from lungscan_monai.metrics.curves import RocCurve, roc_curve
from lungscan_monai.metrics.intervals import Interval, wilson_interval

VALIDATION = "validation"


@dataclass(frozen=True)
class AtThreshold:
    """What a threshold gives; a case is positive if its probability is at least the threshold.

    Args:
        threshold: In [0, 1].
        sensitivity: With a Wilson interval over the cases.
        specificity: The same.
        ppv: Positive predictive value at the prevalence asked for, in [0, 1]; None if no case would be called positive.
        npv: Negative predictive value there; None if no case would be called negative.
    """

    threshold: float
    sensitivity: Interval
    specificity: Interval
    ppv: float | None
    npv: float | None


class ThresholdAnalysis:
    """One label's validation cases, and what thresholds give on them.

    Args:
        target: Reference labels and probabilities.

    Raises:
        NotComputableError: If only one class is among the assessed cases.
    """

    def __init__(self, target: Target) -> None:
        self.label = target.label
        self.curve: RocCurve = roc_curve(target.y_true, target.y_score)
        is_positive, scores, _ = assessed(target.y_true, target.y_score)
        self._positive, self._negative = scores[is_positive], scores[~is_positive]

    @property
    def cases(self) -> tuple[int, int]:
        """Numbers of positive and negative cases."""
        return self._positive.size, self._negative.size

    def at(self, threshold: float, prevalence: float) -> AtThreshold:
        """Return what a threshold gives.

        Predictive values by Bayes' theorem: PPV = se p / (se p + (1 - sp) (1 - p)), NPV likewise.

        Args:
            threshold: In [0, 1].
            prevalence: Share of positive cases among those that the model would meet, in [0, 1].

        Raises:
            NotComputableError: If the prevalence is outside [0, 1].
        """
        if not 0 <= prevalence <= 1:
            raise NotComputableError(f"prevalence is {prevalence}, expected a share in [0, 1]")
        found, rejected = int((self._positive >= threshold).sum()), int((self._negative < threshold).sum())
        sensitivity = wilson_interval(found, self._positive.size)
        specificity = wilson_interval(rejected, self._negative.size)
        se, sp = sensitivity.value, specificity.value
        return AtThreshold(
            threshold,
            sensitivity,
            specificity,
            _share(se * prevalence, (1 - sp) * (1 - prevalence)),
            _share(sp * (1 - prevalence), (1 - se) * prevalence),
        )


def threshold_analyses(evaluation: Path) -> dict[str, ThresholdAnalysis]:
    """Return the analysis of each label that has validation cases of both classes; empty where there are none.

    Args:
        evaluation: Folder of an evaluation.
    """
    try:
        predictions: Predictions = load_predictions(evaluation)
        targets = list(predictions.section(VALIDATION).targets()) if VALIDATION in predictions.section_names else []
    except DataError:
        return {}
    analyses = {}
    for target in targets:
        known = target.y_true[np.isfinite(target.y_true)]
        if np.unique(known).size == 2:
            analyses[target.label] = ThresholdAnalysis(target)
    return analyses


def _share(one: float, other: float) -> float | None:
    return one / (one + other) if one + other > 0 else None
