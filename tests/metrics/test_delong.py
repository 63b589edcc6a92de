import numpy as np
import pytest
from scipy.stats import norm

from lungscan_monai.errors import NotComputableError
from lungscan_monai.metrics.delong import delong_difference, delong_interval, two_sided_p
from lungscan_monai.metrics.intervals import Bootstrap
from lungscan_monai.metrics.scores import roc_auc


def by_definition(y_true, *scores):
    """Return AUCs and their covariance from all pairs, as DeLong et al. (1988), equations 3 to 6, write them."""
    positive, negative = y_true == 1, y_true == 0
    pairs = []
    for score in scores:
        higher = score[positive][:, None] > score[negative][None]
        equal = score[positive][:, None] == score[negative][None]
        pairs.append(higher + 0.5 * equal)
    of_positives = np.cov([table.mean(axis=1) for table in pairs]).reshape(len(scores), -1)
    of_negatives = np.cov([table.mean(axis=0) for table in pairs]).reshape(len(scores), -1)
    return [table.mean() for table in pairs], of_positives / positive.sum() + of_negatives / negative.sum()


@pytest.fixture(params=["distinct", "tied"])
def cases(request):
    rng = np.random.default_rng(4)
    y_true = (np.arange(70) % 3 == 0).astype(float)
    common = rng.normal(size=70)
    first, second = (0.7 * common + rng.normal(size=70) + shift * y_true for shift in (0.8, 1.4))
    return (y_true, first, second) if request.param == "distinct" else (y_true, np.round(first), np.round(second))


def test_auc_and_standard_error_are_those_of_the_definition(cases):
    y_true, first, _ = cases
    (auc,), covariance = by_definition(y_true, first)
    found = delong_interval(y_true, first)
    assert found.value == pytest.approx(auc)
    assert found.standard_error == pytest.approx(np.sqrt(covariance[0, 0]))
    assert found.high - found.value == pytest.approx(norm.ppf(0.975) * found.standard_error)


def test_the_paired_test_is_that_of_the_definition(cases):
    (auc_first, auc_second), covariance = by_definition(*cases)
    error = np.sqrt(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1])
    found = delong_difference(*cases)
    assert found.value == pytest.approx(auc_second - auc_first)
    assert found.standard_error == pytest.approx(error)
    assert two_sided_p(found) == pytest.approx(2 * norm.sf(abs(auc_second - auc_first) / error))
    assert delong_difference(cases[0], cases[2], cases[1]).value == pytest.approx(-found.value)


def test_interval_and_p_value_are_those_of_another_tool():
    rng = np.random.default_rng(4)
    y_true = (np.arange(70) % 3 == 0).astype(float)
    common = rng.normal(size=70)
    first, second = (0.7 * common + rng.normal(size=70) + shift * y_true for shift in (0.8, 1.4))
    found = delong_interval(y_true, first)  # expected: Delong_test of MLstatkit 0.1.91
    assert (found.low, found.high) == pytest.approx((0.6729162432219452, 0.910417090111388))
    assert two_sided_p(delong_difference(y_true, first, second)) == pytest.approx(0.6295157701125713)


def test_a_variance_by_hand():
    y_true, y_score = np.array([1, 1, 0, 0]), np.array([0.8, 0.4, 0.6, 0.2])
    # above the negatives: 0.8 both, 0.4 one of two; below the positives: 0.6 one of two, 0.2 both
    variance = np.var([1.0, 0.5], ddof=1) / 2 + np.var([0.5, 1.0], ddof=1) / 2
    found = delong_interval(y_true, y_score)
    assert (found.value, found.standard_error) == (pytest.approx(0.75), pytest.approx(np.sqrt(variance)))
    assert found.high == 1.0


def test_cases_not_assessed_do_not_count(cases):
    y_true, first, second = cases
    gaps = y_true.copy()
    gaps[:9] = np.nan
    assert delong_difference(gaps, first, second) == delong_difference(y_true[9:], first[9:], second[9:])


def test_the_standard_error_agrees_with_the_bootstrap_of_independent_cases():
    rng = np.random.default_rng(8)
    y_true = (np.arange(300) % 2).astype(float)
    y_score = rng.normal(size=300) + y_true

    def auc(weights):
        return np.array([roc_auc(np.repeat(y_true, row), np.repeat(y_score, row)) for row in weights.astype(int)])

    spread = np.std(Bootstrap(np.arange(300), 800).draws(auc))
    assert delong_interval(y_true, y_score).standard_error == pytest.approx(spread, rel=0.1)


def test_what_has_no_variance_says_why():
    with pytest.raises(NotComputableError, match="variance is 0"):
        delong_interval(np.array([0, 0, 1, 1]), np.array([0.1, 0.2, 0.8, 0.9]))
    with pytest.raises(NotComputableError, match="1 positive and 3 negative cases; a variance needs 2"):
        delong_interval(np.array([0, 0, 0, 1]), np.array([0.1, 0.2, 0.8, 0.9]))
    y_true, y_score = np.array([0, 1, 0, 1]), np.array([0.1, 0.2, 0.8, 0.9])
    with pytest.raises(NotComputableError, match="variance is 0"):
        delong_difference(y_true, y_score, y_score**2)


@pytest.mark.slow
def test_95_percent_intervals_hold_the_truth_in_93_to_97_percent_of_studies():
    truth, hits = norm.cdf(1 / np.sqrt(2)), 0
    for study in range(2000):
        rng = np.random.default_rng([3, study])
        y_true = (np.arange(200) % 2).astype(float)
        found = delong_interval(y_true, rng.normal(size=200) + y_true)
        hits += found.low <= truth <= found.high
    assert 0.93 <= hits / 2000 <= 0.97
