import numpy as np
import pytest

from lungscan_monai.errors import NotComputableError
from lungscan_monai.metrics.selective import require_coverage, risk_coverage


def by_loops(right, confidence):
    """Return the mean over all cases of the share of errors among the cases at least as sure."""
    risks = [np.mean(~right[confidence >= own]) for own in confidence]
    return float(np.mean(risks))


@pytest.fixture(params=["distinct", "tied"])
def answers(request):
    rng = np.random.default_rng(2)
    confidence = rng.random(200)
    right = rng.random(200) < 0.5 + 0.5 * confidence
    return right, np.round(confidence, 1) if request.param == "tied" else confidence


def scores(right, confidence, weights=None, coverages=(1.0,)):
    curve = risk_coverage(np.ones(right.size), right, confidence)
    weights = np.ones((1, right.size)) if weights is None else weights
    return curve.scores(weights, np.array(coverages))


def test_the_area_is_the_mean_risk_over_the_cases(answers):
    assert scores(*answers)[0, 0] == pytest.approx(by_loops(*answers))


def test_weights_are_repetitions(answers):
    right, confidence = answers
    weights = np.random.default_rng(3).integers(0, 3, (2, 200))
    expected = [by_loops(np.repeat(right, row), np.repeat(confidence, row)) for row in weights]
    np.testing.assert_allclose(scores(right, confidence, weights)[:, 0], expected)
    assert np.isnan(scores(right, confidence, np.zeros((1, 200)))).all()


def test_a_curve_by_hand():
    right, confidence = np.array([True, False, True, True]), np.array([0.9, 0.6, 0.8, 0.5])
    coverage, risk = risk_coverage(np.ones(4), right, confidence).curve()
    assert coverage.tolist() == [0.25, 0.5, 0.75, 1.0]
    assert risk.tolist() == pytest.approx([0, 0, 1 / 3, 1 / 4])
    found = scores(right, confidence, coverages=(1.0, 0.75, 0.7, 0.5))[0]
    assert found.tolist() == pytest.approx([(0 + 0 + 1 / 3 + 1 / 4) / 4, 1 / 4, 1 / 3, 1 / 3, 0])


def test_equally_sure_cases_are_answered_together():
    coverage, risk = risk_coverage(np.ones(3), np.array([True, False, True]), np.array([0.7, 0.7, 0.7])).curve()
    assert (coverage.tolist(), risk.tolist()) == ([1.0], [pytest.approx(1 / 3)])


def test_cases_not_assessed_do_not_count():
    y_true = np.array([1.0, np.nan, 0.0])
    coverage, risk = risk_coverage(y_true, np.array([1, 1, 1]), np.array([0.9, 0.8, 0.7])).curve()
    assert (coverage.tolist(), risk.tolist()) == ([0.5, 1.0], [0.0, 0.5])
    with pytest.raises(NotComputableError, match="no case is assessed"):
        risk_coverage(np.array([np.nan]), np.array([1]), np.array([0.5]))


def test_a_coverage_is_a_share():
    for wrong in (0, 1, 95):
        with pytest.raises(NotComputableError, match="between 0 and 1"):
            require_coverage(wrong)
