import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.special import expit, log_softmax, logit, softmax
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss

from lungscan_monai.metrics.calibration import expected_calibration_error
from lungscan_monai.metrics.scaling import Calibration
from lungscan_monai.metrics.scaling_fits import fit_platt, fit_temperature


def overconfident(n=400, seed=0):
    """Return labels, true probabilities, and those of a model that is too sure and off to one side."""
    rng = np.random.default_rng(seed)
    odds = rng.normal(size=n) * 1.5
    return (rng.random(n) < expit(odds)).astype(float), expit(odds), expit(2.5 * odds + 1)


def classes(n=3000, seed=1, sharpness=3.0):
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(n, 3)) * 1.5
    y_true = np.array([rng.choice(3, p=row) for row in softmax(logits, axis=1)])
    return y_true, softmax(sharpness * logits, axis=1)


def test_slope_and_intercept_are_those_of_a_logistic_regression_on_platts_targets():
    y_true, _, given = overconfident()
    positive, negative = y_true.sum(), (1 - y_true).sum()
    shares = np.where(y_true == 1, (positive + 1) / (positive + 2), 1 / (negative + 2))
    twice = np.concatenate([logit(given)] * 2)[:, None]
    target = np.repeat([1, 0], len(given))
    expected = LogisticRegression(C=np.inf, tol=1e-10).fit(twice, target, np.concatenate([shares, 1 - shares]))
    found = fit_platt("Mass", y_true, given)
    assert (found.slope, found.intercept) == (
        pytest.approx(expected.coef_[0, 0], abs=1e-4),
        pytest.approx(expected.intercept_[0], abs=1e-4),
    )
    assert (found.label, found.n, found.reason) == ("Mass", 400, None)


def test_scaling_undoes_what_made_the_probabilities_wrong():
    y_true, true, given = overconfident(20_000)
    found = fit_platt("Mass", y_true, given)
    assert (found.slope, found.intercept) == (pytest.approx(1 / 2.5, abs=0.03), pytest.approx(-1 / 2.5, abs=0.05))
    calibrated = Calibration("multilabel", "validation", (found,)).apply(given[:, None])[:, 0]
    np.testing.assert_allclose(calibrated, true, atol=0.02)
    assert expected_calibration_error(y_true, calibrated) < 0.02 < expected_calibration_error(y_true, given)


def test_the_temperature_has_the_highest_likelihood():
    y_true, given = classes()
    found = fit_temperature(y_true, given, ("a", "b", "c"))

    def loss(temperature):
        return log_loss(y_true, softmax(np.log(given) / temperature, axis=1), labels=[0, 1, 2])

    expected = minimize_scalar(loss, bounds=(0.1, 20), method="bounded", options={"xatol": 1e-7}).x
    assert 1 / found.slope == pytest.approx(expected, abs=1e-3)
    assert found.slope == pytest.approx(1 / 3, abs=0.04)
    assert loss(1 / found.slope) <= loss(1) - 0.1


def test_calibrated_probabilities_of_exclusive_classes_sum_to_1_and_keep_their_order():
    y_true, given = classes()
    calibration = Calibration("multiclass", "validation", (fit_temperature(y_true, given, "abc"),))
    found = calibration.apply(given)
    np.testing.assert_allclose(found.sum(axis=1), 1)
    np.testing.assert_array_equal(found.argmax(axis=1), given.argmax(axis=1))
    np.testing.assert_allclose(np.log(found), log_softmax(calibration.scalings[0].slope * np.log(given), axis=1))


def test_a_binary_calibration_gives_both_columns():
    y_true, _, given = overconfident()
    calibration = Calibration("binary", "validation", (fit_platt("Pneumonia", y_true, given),))
    found = calibration.apply(np.column_stack([1 - given, given]))
    np.testing.assert_allclose(found.sum(axis=1), 1)
    np.testing.assert_array_equal(np.argsort(found[:, 1], kind="stable"), np.argsort(given, kind="stable"))


@pytest.mark.parametrize(
    ("y_true", "reason"),
    [
        (np.arange(49) % 2, "49 cases are too few to fit a calibration, it needs 50"),
        (np.arange(100) < 4, "5 cases of each class, there are 4 of positive"),
        (np.full(100, np.nan), "no case is assessed"),
    ],
)
def test_too_few_cases_change_nothing_and_say_why(y_true, reason):
    found = fit_platt("Mass", y_true.astype(float), np.linspace(0.01, 0.99, len(y_true)))
    assert reason in found.reason
    assert (found.slope, found.intercept) == (1, 0)
    calibration = Calibration("multilabel", "validation", (found,))
    assert calibration.changes_nothing
    np.testing.assert_array_equal(calibration.apply(np.array([[0.123]])), [[0.123]])


def test_a_class_that_is_too_small_is_named():
    y_true = np.arange(200) % 2
    found = fit_temperature(np.append(y_true, [2, 2]), np.full((202, 3), 1 / 3), ("Normal", "Benign", "Malignant"))
    assert "there are 2 of Malignant" in found.reason


def test_cases_told_apart_perfectly_keep_a_finite_scaling_and_no_temperature():
    y_true = (np.arange(100) % 2).astype(float)
    found = fit_platt("Mass", y_true, np.where(y_true == 1, 0.7, 0.2))
    assert found.reason is None and 1 < found.slope < 20
    of_classes = fit_temperature(y_true.astype(int), np.column_stack([1 - y_true, y_true]) * 0.6 + 0.2, "ab")
    assert "no maximum" in of_classes.reason


def test_a_score_that_ranks_the_wrong_way_is_not_turned_round():
    y_true, _, given = overconfident()
    assert "slope is -" in fit_platt("Mass", 1 - y_true, given).reason
