import dataclasses

import numpy as np
import pytest
import sklearn.metrics
from hypothesis import given, settings
from hypothesis import strategies as st

from lungscan_monai.errors import NotComputableError
from lungscan_monai.metrics.operating_points import (
    RULES,
    OperatingPoint,
    fit_operating_point,
    sensitivity_at_specificity,
    specificity_at_sensitivity,
    youden_point,
)

TARGETS = {"youden": None, "target_sensitivity": 0.9, "target_specificity": 0.9}


def sample(seed, n=60):
    rng = np.random.default_rng(seed)
    y_true = np.append([0, 1], rng.integers(0, 2, n - 2)).astype(float)
    return y_true, np.round(rng.normal(size=n) + 1.5 * y_true, 1)


def rates(y_true, y_score, threshold):
    called = y_score >= threshold
    recall = sklearn.metrics.recall_score
    return recall(y_true, called), recall(y_true, called, pos_label=0)


@given(st.integers(0, 10_000), st.sampled_from(RULES))
@settings(deadline=None, max_examples=40)
def test_a_point_says_what_its_threshold_gives_and_no_threshold_is_better(seed, rule):
    y_true, y_score = sample(seed)
    try:
        point = fit_operating_point(y_true, y_score, rule, TARGETS[rule], "validation")
    except NotComputableError:
        assert rule == "target_specificity"
        assert all(rates(y_true, y_score, threshold)[1] < 0.9 for threshold in np.unique(y_score))
        return
    assert (point.sensitivity, point.specificity) == pytest.approx(rates(y_true, y_score, point.threshold))
    assert (point.rule, point.fitted_on, point.n) == (rule, "validation", 60)
    for threshold in np.unique(y_score):
        sensitivity, specificity = rates(y_true, y_score, threshold)
        if rule == "youden":
            assert sensitivity + specificity <= point.sensitivity + point.specificity + 1e-9
        elif rule == "target_sensitivity" and sensitivity >= 0.9:
            assert specificity <= point.specificity
        elif rule == "target_specificity" and specificity >= 0.9:
            assert sensitivity <= point.sensitivity


def test_points_by_hand():
    y_true, y_score = np.array([0, 0, 1, 1]), np.array([0.1, 0.4, 0.35, 0.8])
    below_35, below_80 = pytest.approx((0.1 + 0.35) / 2), pytest.approx((0.4 + 0.8) / 2)
    assert youden_point(y_true, y_score).threshold == below_35
    assert specificity_at_sensitivity(y_true, y_score, 0.5).threshold == below_80
    assert specificity_at_sensitivity(y_true, y_score, 1.0).threshold == below_35
    assert sensitivity_at_specificity(y_true, y_score, 1.0).threshold == below_80
    assert sensitivity_at_specificity(y_true, y_score, 0.5).threshold == below_35
    assert sensitivity_at_specificity(y_true, y_score, 0.0).threshold == below_35


@given(st.integers(0, 10_000), st.sampled_from(RULES))
@settings(deadline=None, max_examples=30)
def test_no_case_lies_on_a_threshold_so_that_the_last_bit_of_a_score_decides_nothing(seed, rule):
    y_true, y_score = sample(seed)
    try:
        point = fit_operating_point(y_true, y_score, rule, TARGETS[rule])
    except NotComputableError:
        return
    assert np.abs(y_score - point.threshold).min() > 1e-3


def test_where_the_lowest_score_is_needed_the_threshold_lies_below_it_and_not_below_0():
    y_true = np.array([1, 0, 1])
    assert specificity_at_sensitivity(y_true, np.array([0.5, 0.7, 0.9]), 1.0).threshold == pytest.approx(0.4)
    assert specificity_at_sensitivity(y_true, np.array([0.05, 0.7, 0.9]), 1.0).threshold == 0
    assert specificity_at_sensitivity(y_true, np.array([-3.0, 0, 1]), 1.0).threshold == pytest.approx(-4.5)
    assert youden_point(np.array([0, 1]), np.array([0.3, 0.3])).threshold == 0.3


def test_between_neighbouring_numbers_the_threshold_is_the_higher_one():
    higher = np.nextafter(0.5, 1)
    assert youden_point(np.array([0, 1]), np.array([0.5, higher])).threshold == higher


def test_cases_not_assessed_do_not_count():
    point = youden_point(np.array([0, 1, np.nan]), np.array([0.2, 0.7, 0.99]))
    assert (point.threshold, point.n) == (pytest.approx(0.45), 2)


@pytest.mark.parametrize("rule", RULES)
def test_one_class_has_no_operating_point(rule):
    with pytest.raises(NotComputableError, match="only one class"):
        fit_operating_point(np.ones(3), np.array([0.1, 0.2, 0.3]), rule, TARGETS[rule])


def test_a_specificity_that_only_calling_nobody_positive_reaches_is_refused():
    with pytest.raises(NotComputableError, match="only by calling no case positive"):
        sensitivity_at_specificity(np.array([0, 1]), np.array([0.9, 0.1]), 1.0)


@pytest.mark.parametrize(
    ("rule", "target", "message"),
    [
        ("best", None, "expected one of youden"),
        ("youden", 0.9, "rules only"),
        ("target_sensitivity", None, "rules only"),
        ("target_sensitivity", 90, r"expected a number in \[0, 1\]"),
    ],
)
def test_rules_that_make_no_sense_are_refused(rule, target, message):
    with pytest.raises(NotComputableError, match=message):
        fit_operating_point(*sample(0), rule, target)


def test_a_point_is_checked_and_frozen():
    with pytest.raises(NotComputableError, match="finite"):
        OperatingPoint(np.inf, "youden", 1.0, 0.0, "validation", 2)
    with pytest.raises(NotComputableError, match=r"\[0, 1\]"):
        OperatingPoint(0.5, "youden", 1.2, 0.0, "validation", 2)
    point = OperatingPoint(0.5, "youden", 1.0, 0.0, "validation", 2)
    with pytest.raises(dataclasses.FrozenInstanceError):
        point.threshold = 0.1
