import numpy as np
import pytest
from sklearn.neighbors import NearestNeighbors

from lungscan_monai.errors import NotComputableError, ShapeError
from lungscan_monai.metrics.familiarity import Familiarity, fit_familiarity


def features(n, seed, centre=0.0):
    return np.random.default_rng(seed).normal(size=(n, 12)) + np.linspace(2, 3, 12) + centre


def alone(n):
    return np.arange(n)


def test_the_distance_is_that_of_the_tenth_neighbour_on_the_unit_sphere():
    fitted = fit_familiarity(features(300, 0), alone(300), 0.99)
    references = fitted.references.astype(float)
    references /= np.linalg.norm(references, axis=1, keepdims=True)
    new = features(40, 1)
    neighbours = NearestNeighbors(n_neighbors=10).fit(references)
    expected = neighbours.kneighbors(new / np.linalg.norm(new, axis=1, keepdims=True))[0][:, -1]
    np.testing.assert_allclose(fitted.distances(new), expected, atol=2e-3)
    np.testing.assert_allclose(fitted.distances(7 * new), fitted.distances(new), atol=1e-5)


def test_like_cases_pass_as_often_as_stated_and_others_do_not():
    fitted = fit_familiarity(features(2000, 0), alone(2000), 0.98)
    assert len(fitted.references) == 500
    assert np.mean(fitted.distances(features(4000, 1)) > fitted.limit) == pytest.approx(0.02, abs=0.012)
    assert np.mean(fitted.distances(features(200, 2) * np.linspace(-2, 2, 12)) > fitted.limit) > 0.95


def test_other_images_of_a_patient_are_no_neighbours():
    once = features(200, 0)
    eleven = np.repeat(once, 11, axis=0) + np.random.default_rng(1).normal(scale=1e-3, size=(2200, 12))
    by_patient = fit_familiarity(eleven, np.repeat(np.arange(200), 11), 0.9)
    by_case = fit_familiarity(eleven, alone(2200), 0.9)
    assert by_patient.limit > by_case.limit


def test_too_few_cases_or_patients_say_how_many_are_needed():
    with pytest.raises(NotComputableError, match="199 cases are too few for a quantile of 0.995, it needs 200"):
        fit_familiarity(features(199, 0), alone(199), 0.995)
    assert fit_familiarity(features(200, 0), alone(200), 0.995).n == 200
    with pytest.raises(NotComputableError, match="too few patients"):
        fit_familiarity(features(200, 0), np.zeros(200, dtype=int), 0.9)
    with pytest.raises(NotComputableError, match="between 0 and 1"):
        fit_familiarity(features(200, 0), alone(200), 99.5)


def test_what_does_not_fit_is_refused():
    fitted = fit_familiarity(features(100, 0), alone(100), 0.9)
    with pytest.raises(ShapeError, match=r"expected \(n_cases, 12\)"):
        fitted.distances(np.zeros((2, 11)))
    with pytest.raises(ShapeError, match="must agree"):
        fit_familiarity(features(100, 0), alone(99), 0.9)
    with pytest.raises(ShapeError, match="at least 10 rows"):
        Familiarity(np.zeros((9, 3), np.float16), 0.1, 0.9, 100)
    with pytest.raises(NotComputableError, match="limit is nan"):
        Familiarity(np.zeros((10, 3), np.float16), float("nan"), 0.9, 100)
