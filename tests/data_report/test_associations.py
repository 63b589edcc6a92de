from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import chi2_contingency
from scipy.stats.contingency import association as scipy_association

from lungscan_monai.data_report.associations import association


def test_a_fact_that_determines_the_label_has_the_value_1():
    found = association(np.diag([40, 30, 20]))
    assert (found.cramers_v, found.guessed) == (1.0, 1.0)
    assert found.commonest == pytest.approx(40 / 90)
    assert found.strong


def test_a_fact_without_a_link_has_the_value_0():
    found = association(np.outer([30, 70], [20, 30]))
    assert found.cramers_v == 0.0
    assert found.guessed == found.commonest == pytest.approx(0.6)
    assert not found.strong


def test_with_many_cases_it_is_the_uncorrected_value_of_scipy():
    table = np.array([[400_000, 100_000, 50_000], [20_000, 300_000, 90_000]])
    assert association(table).cramers_v == pytest.approx(scipy_association(table, method="cramer"), abs=1e-4)


def test_the_p_value_is_that_of_scipys_chi_squared_test():
    table = np.array([[30, 12, 5], [9, 21, 14]])
    assert association(table).p_value == pytest.approx(chi2_contingency(table, correction=False).pvalue)


def test_the_correction_is_bergsmas():
    # By hand: chi2 = 20/3, phi2 = 1/9 - 1/59, both sides 2 - 1/59.
    table = np.array([[20, 10], [10, 20]])
    assert association(table).cramers_v == pytest.approx(np.sqrt((1 / 9 - 1 / 59) / (1 - 1 / 59)))


def test_guessing_takes_the_commonest_label_of_each_value():
    found = association(np.array([[8, 2], [1, 4], [3, 3]]))
    assert found.guessed == pytest.approx((8 + 4 + 3) / 21)
    assert found.commonest == pytest.approx(12 / 21)


@pytest.mark.parametrize("table", [[[3, 4]], [[3], [4]], [[3, 0], [4, 0]], [[0, 0], [1, 1]], np.zeros((2, 2))])
def test_one_value_or_one_label_predicts_nothing(table):
    assert association(np.array(table)) is None


def test_chance_alone_hardly_ever_warns():
    random = np.random.default_rng(0)
    tables = (np.histogram2d(random.integers(9, size=40), random.integers(2, size=40), (9, 2))[0] for _ in range(500))
    assert sum(association(table).strong for table in tables) <= 3


def test_a_strong_link_of_three_cases_is_no_warning():
    assert not association(np.array([[2, 0], [0, 1]])).strong
