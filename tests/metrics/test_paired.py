import numpy as np
import pytest
from scipy.stats import binomtest, false_discovery_control

from lungscan_monai.errors import NotComputableError, ShapeError
from lungscan_monai.metrics.paired import holm, mcnemar


def test_only_cases_that_the_models_answer_differently_count():
    first = np.array([True] * 30 + [False] * 12 + [True] * 4 + [False] * 5)
    second = np.array([True] * 30 + [True] * 12 + [False] * 4 + [False] * 5)
    found = mcnemar(first, second)
    assert (found.only_first, found.only_second) == (4, 12)
    # the exact test by hand: 2 * sum over k <= 4 of C(16, k) / 2**16
    assert found.p == pytest.approx(2 * (1 + 16 + 120 + 560 + 1820) / 2**16)
    assert found.p == mcnemar(second, first).p


def test_models_that_agree_in_every_case_cannot_be_told_apart():
    right = np.array([True, False])
    with pytest.raises(NotComputableError, match="the same cases rightly"):
        mcnemar(right, right)
    with pytest.raises(ShapeError):
        mcnemar(right, right[:1])


def test_corrected_p_values_by_hand():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.9, 0.5]) == [1.0, 1.0]
    assert holm([0.2]) == [0.2]
    assert holm([]) == []


def test_a_correction_never_makes_a_p_value_smaller_than_that_of_benjamini_and_hochberg():
    p_values = np.random.default_rng(0).random(20)
    assert (np.array(holm(p_values)) >= false_discovery_control(p_values) - 1e-12).all()
    assert binomtest(4, 16).pvalue == pytest.approx(mcnemar(np.arange(16) < 4, np.arange(16) >= 4).p)
