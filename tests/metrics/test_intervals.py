import numpy as np
import pytest
import scipy.stats
from scipy.stats import norm

from lungscan_monai.errors import NotComputableError, ShapeError
from lungscan_monai.metrics.curves import rank
from lungscan_monai.metrics.intervals import (
    Bootstrap,
    bca_interval,
    patient_clusters,
    percentile_interval,
    reverse_percentile_interval,
    wilson_interval,
)
from lungscan_monai.metrics.scores import area_under_roc, roc_auc


def mean_of(values):
    return lambda weights: weights @ values / weights.sum(axis=1)


def test_patients_are_numbered_and_unknown_ones_stand_for_themselves():
    assert patient_clusters(["b", None, "a", "b", None]).tolist() == [0, 1, 2, 0, 3]


def test_a_resample_draws_as_many_patients_as_there_are_and_all_cases_of_each():
    clusters = np.array([0, 0, 0, 1, 2, 2])
    weights = np.concatenate(list(Bootstrap(clusters, 200).weights()))
    assert weights.shape == (200, 6)
    assert (weights[:, 0] == weights[:, 1]).all()
    assert (weights[:, 4] == weights[:, 5]).all()
    assert (weights[:, [0, 3, 4]].sum(axis=1) == 3).all()


def test_every_patient_is_drawn_once_on_average():
    weights = np.concatenate(list(Bootstrap(np.arange(20), 5000).weights()))
    np.testing.assert_allclose(weights.mean(axis=0), 1, atol=0.07)
    np.testing.assert_allclose(weights.var(axis=0), 1 - 1 / 20, atol=0.12)


def test_equal_seeds_give_equal_resamples_and_others_do_not():
    first, again, other = (np.concatenate(list(Bootstrap(np.arange(9), 50, seed).weights())) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_many_resamples_given_in_parts_are_all_there():
    bootstrap = Bootstrap(np.arange(3000), 500)
    parts = [weights.shape for weights in bootstrap.weights()]
    assert len(parts) > 1
    assert bootstrap.draws(lambda weights: weights.sum(axis=1)).tolist() == [3000.0] * 500


def test_interval_of_a_mean_equals_that_of_scipy():
    values = np.random.default_rng(0).normal(size=80)
    draws = Bootstrap(np.arange(80), 8000).draws(mean_of(values))
    ours = percentile_interval(values.mean(), draws)
    theirs = scipy.stats.bootstrap((values,), np.mean, n_resamples=8000, method="percentile", rng=1).confidence_interval
    assert (ours.low, ours.high) == pytest.approx(theirs, abs=0.02)
    basic = scipy.stats.bootstrap((values,), np.mean, n_resamples=8000, method="basic", rng=1).confidence_interval
    reverse = reverse_percentile_interval(values.mean(), draws)
    assert (reverse.low, reverse.high) == pytest.approx(basic, abs=0.02)


def test_the_bca_interval_of_a_skewed_mean_equals_that_of_scipy():
    values = np.random.default_rng(5).lognormal(size=60)
    bootstrap = Bootstrap(np.arange(60), 9999)
    ours = bca_interval(values.mean(), bootstrap.draws(mean_of(values)), bootstrap.jackknife(mean_of(values)))
    theirs = scipy.stats.bootstrap((values,), np.mean, n_resamples=9999, method="BCa", rng=1).confidence_interval
    percentile = percentile_interval(values.mean(), bootstrap.draws(mean_of(values)))
    assert (ours.low, ours.high) == pytest.approx(theirs, abs=0.05)
    assert ours.high > percentile.high + 0.05


def test_the_bca_interval_of_an_auc_equals_that_of_scipy():
    rng = np.random.default_rng(6)
    labels = np.arange(90) % 2
    scores = rng.normal(size=90) + 1.5 * labels

    def auc(indices, axis=-1):
        chosen = np.atleast_2d(indices.astype(int))
        found = [roc_auc(labels[row], scores[row]) for row in chosen]
        return np.array(found) if indices.ndim > 1 else found[0]

    ranking, bootstrap = rank(labels, scores).condensed(), Bootstrap(np.arange(90), 4000)
    counted = [sample(lambda w: area_under_roc(ranking.counts(w))) for sample in (bootstrap.draws, bootstrap.jackknife)]
    ours = bca_interval(roc_auc(labels, scores), *counted)
    settings = {"n_resamples": 4000, "method": "BCa", "vectorized": True, "axis": -1, "rng": 2}
    theirs = scipy.stats.bootstrap((np.arange(90),), auc, **settings).confidence_interval
    assert (ours.low, ours.high) == pytest.approx(theirs, abs=0.01)


def test_the_jackknife_leaves_out_one_patient_with_all_cases():
    clusters = np.array([0, 1, 0, 2])
    samples = np.concatenate(list(Bootstrap(clusters).without_one()))
    assert samples.tolist() == [[0, 1, 0, 1], [1, 0, 1, 1], [1, 1, 1, 0]]


def test_resamples_on_one_side_of_the_value_give_no_bca_interval():
    with pytest.raises(NotComputableError, match="one side"):
        bca_interval(0.9, np.linspace(0.1, 0.5, 50), np.linspace(0.1, 0.2, 10))


def test_interval_of_a_proportion_agrees_with_wilson():
    outcomes = (np.arange(400) < 320).astype(float)
    ours = percentile_interval(0.8, Bootstrap(np.arange(400), 4000).draws(mean_of(outcomes)))
    wilson = wilson_interval(320, 400)
    assert (ours.low, ours.high) == pytest.approx((wilson.low, wilson.high), abs=0.005)


@pytest.mark.parametrize(("successes", "n"), [(0, 10), (7, 10), (10, 10), (1, 1), (320, 400)])
def test_wilson_interval_equals_that_of_scipy(successes, n):
    theirs = scipy.stats.binomtest(successes, n).proportion_ci(method="wilson")
    ours = wilson_interval(successes, n)
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high))
    assert ours.low <= ours.value <= ours.high


def test_two_images_of_each_patient_do_not_make_the_interval_narrower():
    values = np.random.default_rng(3).normal(size=100)
    once = percentile_interval(0, Bootstrap(np.arange(100), 2000).draws(mean_of(values)))
    twice = percentile_interval(0, Bootstrap(np.repeat(np.arange(100), 2), 2000).draws(mean_of(np.repeat(values, 2))))
    assert (once.low, once.high) == pytest.approx((twice.low, twice.high))


def test_resamples_that_define_nothing_are_counted():
    assert percentile_interval(0.5, np.array([np.nan, 0.4, 0.5, 0.6])).n_left_out == 1


def test_too_few_resamples_or_no_spread_give_no_interval():
    with pytest.raises(NotComputableError, match="3 of 4 resamples do not define"):
        percentile_interval(0.5, np.array([np.nan, np.nan, np.nan, 0.6]))
    with pytest.raises(NotComputableError, match="same value"):
        percentile_interval(1.0, np.ones(10))


def test_what_cannot_be_resampled_is_refused():
    with pytest.raises(ShapeError, match="numbers from 0"):
        Bootstrap(np.array([], dtype=int))
    with pytest.raises(NotComputableError, match="at least 1"):
        Bootstrap(np.arange(3), 0)
    with pytest.raises(NotComputableError, match="do not define a proportion"):
        wilson_interval(1, 0)


def auc_coverage(patients_of_case, n_studies=1000, n_resamples=400):
    """Share of simulated studies whose interval holds the true AUC; cases of a patient share most of their score."""
    n_patients, per_patient = 160, 3
    truth = norm.cdf(1.2 / np.sqrt(2))
    labels = np.repeat(np.arange(n_patients) % 2, per_patient)
    clusters = patients_of_case(np.repeat(np.arange(n_patients), per_patient))
    hits = 0
    for study in range(n_studies):
        rng = np.random.default_rng([11, study])
        of_patient, of_case = rng.normal(size=n_patients), rng.normal(size=labels.size)
        scores = 1.2 * labels + np.sqrt(0.8) * np.repeat(of_patient, per_patient) + np.sqrt(0.2) * of_case
        ranking = rank(labels, scores).condensed()
        draws = Bootstrap(clusters, n_resamples, study).draws(
            lambda w, ranking=ranking: area_under_roc(ranking.counts(w))
        )
        interval = percentile_interval(roc_auc(labels, scores), draws)
        hits += interval.low <= truth <= interval.high
    return hits / n_studies


@pytest.mark.slow
def test_95_percent_intervals_over_patients_hold_the_truth_in_93_to_97_percent_of_studies():
    assert 0.93 <= auc_coverage(lambda patients: patients) <= 0.97


@pytest.mark.slow
def test_intervals_over_cases_would_be_too_narrow():
    assert auc_coverage(lambda patients: np.arange(patients.size), n_studies=300) < 0.90
