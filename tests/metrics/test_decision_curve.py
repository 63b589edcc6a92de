import numpy as np
import pytest
import sklearn.metrics

from lungscan_monai.errors import NotComputableError
from lungscan_monai.metrics.decision_curve import net_benefit

THRESHOLDS = np.array([0.1, 0.2, 0.5, 0.8])


@pytest.fixture
def cases():
    rng = np.random.default_rng(0)
    probability = rng.random(300)
    return (rng.random(300) < probability).astype(float), probability


def by_definition(y_true, probability, threshold):
    """Return true positives / n - false positives / n * odds, as Vickers and Elkin (2006) write it."""
    _, fp, _, tp = sklearn.metrics.confusion_matrix(y_true, probability >= threshold).ravel()
    return tp / len(y_true) - fp / len(y_true) * threshold / (1 - threshold)


def test_net_benefit_is_that_of_the_definition(cases):
    expected = [by_definition(*cases, threshold) for threshold in THRESHOLDS]
    np.testing.assert_allclose(net_benefit(*cases, THRESHOLDS), expected)


def test_weights_are_repetitions(cases):
    y_true, probability = cases
    weights = np.random.default_rng(1).integers(0, 3, (2, 300))
    expected = [net_benefit(np.repeat(y_true, row), np.repeat(probability, row), THRESHOLDS) for row in weights]
    np.testing.assert_allclose(net_benefit(y_true, probability, THRESHOLDS, weights), expected)
    assert np.isnan(net_benefit(y_true, probability, THRESHOLDS, np.zeros((1, 300)))).all()


def test_treating_all_is_worth_the_prevalence_less_the_false_alarms(cases):
    y_true, _ = cases
    prevalence = y_true.mean()
    expected = prevalence - (1 - prevalence) * THRESHOLDS / (1 - THRESHOLDS)
    np.testing.assert_allclose(net_benefit(y_true, np.ones(300), THRESHOLDS), expected)


def test_what_makes_no_sense_is_refused(cases):
    with pytest.raises(NotComputableError, match="between 0 and 1"):
        net_benefit(*cases, np.array([0.0]))
    with pytest.raises(NotComputableError, match="no case is assessed"):
        net_benefit(np.array([np.nan]), np.array([0.5]), THRESHOLDS)
