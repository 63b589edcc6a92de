import numpy as np
import pytest

from lungscan_monai.errors import NotComputableError
from lungscan_monai.metrics.conformal import prediction_sets, smallest_by_class, smallest_probability


def simulated(n, seed):
    rng = np.random.default_rng(seed)
    probabilities = rng.dirichlet([1, 1, 1], n)
    y_true = np.array([rng.choice(3, p=row**2 / (row**2).sum()) for row in probabilities])
    return y_true, probabilities


def test_the_limit_is_the_conformal_quantile_of_the_scores():
    y_true, probabilities = simulated(99, 0)
    scores = 1 - probabilities[np.arange(99), y_true]
    expected = np.quantile(scores, np.ceil(100 * 0.9) / 99, method="inverted_cdf")
    assert 1 - smallest_probability(y_true, probabilities, 0.9) == pytest.approx(expected)


def test_sets_hold_the_reference_label_as_often_as_stated_on_average_over_fits():
    found = []
    for seed in range(300):
        y_true, probabilities = simulated(150, seed)
        smallest = smallest_probability(y_true[:50], probabilities[:50], 0.9)
        sets = prediction_sets(probabilities[50:], smallest)
        found.append(sets[np.arange(100), y_true[50:]].mean())
    assert np.mean(found) == pytest.approx(np.ceil(51 * 0.9) / 51, abs=0.01)  # between 0.9 and 0.9 + 1/51


def test_too_few_cases_for_a_coverage_say_how_many_it_needs():
    y_true, probabilities = simulated(18, 0)
    with pytest.raises(NotComputableError, match="18 cases are too few for a coverage of 0.95, it needs 19"):
        smallest_probability(y_true, probabilities, 0.95)
    y_true, probabilities = simulated(19, 0)
    assert smallest_probability(y_true, probabilities, 0.95) == probabilities[np.arange(19), y_true].min()
    with pytest.raises(NotComputableError, match="between 0 and 1"):
        smallest_probability(y_true, probabilities, 90)


def test_limits_of_their_own_give_each_class_the_coverage_stated():
    found = []
    for seed in range(200):
        y_true, probabilities = simulated(400, seed)
        y_true = np.where(np.arange(400) % 8 == 0, 2, y_true % 2)  # a rare class that the model does not know
        sets = prediction_sets(probabilities[200:], smallest_by_class(y_true[:200], probabilities[:200], 0.9))
        covered = sets[np.arange(200), y_true[200:]]
        found.append([covered[y_true[200:] == index].mean() for index in range(3)])
    np.testing.assert_array_less(0.9 - 0.01, np.mean(found, axis=0))
    np.testing.assert_array_less(np.mean(found, axis=0), 0.9 + 1 / 25 + 0.01)
    with pytest.raises(NotComputableError, match="cases are too few for a coverage of 0.9, it needs 9"):
        smallest_by_class(np.array([0] * 20 + [1] * 8), np.full((28, 2), 0.5), 0.9)
