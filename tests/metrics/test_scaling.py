import dataclasses
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.special import expit, logit, softmax

from lungscan_monai.errors import NotComputableError, ShapeError
from lungscan_monai.metrics.scaling import Calibration, Scaling, log_odds

GIVEN = np.random.default_rng(0).dirichlet([1, 1, 1], size=50)


def test_one_finding_is_scaled_by_slope_and_intercept():
    found = Calibration("multilabel", "v", (Scaling("a", 0.5, 0.2), Scaling("b", reason="too few"))).apply(GIVEN[:, :2])
    np.testing.assert_allclose(found[:, 0], expit(0.5 * logit(GIVEN[:, 0]) + 0.2))
    np.testing.assert_array_equal(found[:, 1], GIVEN[:, 1])


def test_exclusive_classes_share_a_temperature():
    found = Calibration("multiclass", "v", (Scaling(None, 0.5),)).apply(GIVEN)
    np.testing.assert_allclose(found, softmax(np.log(GIVEN) / 2, axis=1))


def test_who_applies_a_scaling_imports_nothing_that_fits_one():
    program = "import lungscan_monai.fitted, sys; sys.exit('scipy.optimize' in sys.modules)"
    assert (
        subprocess.run([sys.executable, "-c", program], cwd=Path(__file__).resolve().parents[2], check=False).returncode
        == 0
    )


def test_log_odds_of_certainty_are_finite():
    np.testing.assert_allclose(log_odds(np.array([0.0, 0.5])), [np.log(1e-15), 0])


def test_probabilities_of_exactly_0_and_1_stay_finite():
    found = Calibration("binary", "v", (Scaling("P", 0.5, 0.1),)).apply(np.array([[1.0, 0.0], [0.0, 1.0]]))
    assert np.isfinite(found).all() and found.min() >= 0 and found.max() <= 1
    of_classes = Calibration("multiclass", "v", (Scaling(None, 0.5),)).apply(np.array([[1.0, 0.0, 0.0]]))
    assert np.isfinite(of_classes).all()


def test_scalings_are_checked_and_frozen():
    with pytest.raises(NotComputableError, match="expected a slope above 0"):
        Scaling("Mass", slope=-1.0)
    with pytest.raises(NotComputableError, match="expected a slope above 0"):
        Scaling("Mass", intercept=np.nan)
    with pytest.raises(ShapeError, match="has one scaling, found 2"):
        Calibration("binary", "validation", (Scaling("a"), Scaling("b")))
    with pytest.raises(ShapeError, match="expected \\(n_cases, 1\\)"):
        Calibration("multilabel", "validation", (Scaling("a"),)).apply(np.zeros((2, 3)))
    with pytest.raises(dataclasses.FrozenInstanceError):
        Scaling("Mass").slope = 2
