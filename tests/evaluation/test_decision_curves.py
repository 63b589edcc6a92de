import numpy as np
import pytest
from evaluation.examples import binary, multilabel

from lungscan_monai.evaluation.decision_curves import THRESHOLD_PROBABILITIES, DecisionCurve
from lungscan_monai.metrics.draws import draws_of_all
from lungscan_monai.metrics.intervals import Bootstrap


def entry_of(part, n_cases=150):
    (draws,) = draws_of_all([part.columns], Bootstrap(np.arange(n_cases), 200))
    return part.entry(draws)


def test_a_decision_curve_has_a_band_and_its_two_rivals():
    (target,) = binary().targets()
    found = entry_of(DecisionCurve(target))
    assert found["thresholds"] == THRESHOLD_PROBABILITIES.tolist()
    low, value, high = (np.array(found[name]) for name in ("low", "net_benefit", "high"))
    assert (low <= value + 1e-6).all() and (value <= high + 1e-6).all()
    prevalence = target.y_true.mean()
    assert found["treat_all"][24] == pytest.approx(prevalence - (1 - prevalence), abs=1e-6)  # at 0.5


def test_a_finding_that_nobody_assessed_has_no_curve():
    fibrosis = list(multilabel().targets())[3]
    assert "because no case is assessed" in entry_of(DecisionCurve(fibrosis))["not_computable"]
