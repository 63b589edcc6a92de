import numpy as np
import pytest

from lungscan_monai.errors import NotComputableError
from lungscan_monai.metrics.draws import Draws, combined, draws_of_all
from lungscan_monai.metrics.intervals import Bootstrap, bca_interval, percentile_interval

VALUES = np.random.default_rng(0).exponential(size=(40, 2))


def means(weights):
    return weights @ VALUES / weights.sum(axis=1, keepdims=True)


def counts(weights):
    return weights.sum(axis=1, keepdims=True)


def test_all_statistics_see_the_same_resamples():
    both, count = draws_of_all([means, counts], Bootstrap(np.arange(40) // 2, 30))
    (alone,) = draws_of_all([means], Bootstrap(np.arange(40) // 2, 30))
    np.testing.assert_array_equal(both.resampled, alone.resampled)
    assert count.resampled.shape == (30, 1)
    np.testing.assert_allclose(both.point, VALUES.mean(axis=0))
    assert both.without_one is None


def test_an_interval_is_of_the_method_asked_for():
    bootstrap = Bootstrap(np.arange(40), 500)
    (plain,) = draws_of_all([means], bootstrap)
    (accelerated,) = draws_of_all([means], bootstrap, "bca")
    assert accelerated.without_one.shape == (40, 2)
    assert plain.interval(1) == percentile_interval(plain.point[1], plain.resampled[:, 1])
    expected = bca_interval(plain.point[1], plain.resampled[:, 1], accelerated.without_one[:, 1])
    assert accelerated.column(1).interval() == expected
    with pytest.raises(NotComputableError, match="expected one of percentile, bca"):
        draws_of_all([means], bootstrap, "wald")


def test_a_function_of_statistics_is_a_statistic():
    parts = draws_of_all([means, counts], Bootstrap(np.arange(40), 20), "bca")
    total = combined(parts, lambda tables: tables[0][:, 0] * tables[1][:, 0])
    assert total.point[0] == pytest.approx(VALUES[:, 0].sum())
    assert total.resampled.shape == (20, 1)
    assert total.without_one.shape == (40, 1)
    assert combined([Draws(np.zeros(2), np.zeros((5, 2)))], lambda tables: tables[0]).without_one is None
