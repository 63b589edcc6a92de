import numpy as np
import pytest
import sklearn.metrics
from evaluation.examples import multiclass, multilabel
from scipy.special import expit

from lungscan_monai.errors import NotComputableError
from lungscan_monai.evaluation.statistics import (
    BAND,
    CELLS,
    LABEL_STATISTICS,
    ClassStatistics,
    LabelStatistics,
    PooledStatistics,
    TableStatistics,
)
from lungscan_monai.metrics.draws import INTERVAL_METHODS, draws_of_all
from lungscan_monai.metrics.intervals import Bootstrap

LABELS = list(multilabel().targets())


def of_label(index):
    return LabelStatistics(LABELS[index].y_true, LABELS[index].y_score, LABELS[index].y_score >= 0.4)


def of_classes():
    return ClassStatistics(multiclass().y_true, multiclass().probabilities)


def test_columns_with_every_case_once_are_the_statistics_themselves():
    ones = np.ones((1, 150))
    values = [compute() for compute in of_label(0).by_name().values()]
    assert tuple(of_label(0).by_name()) == LABEL_STATISTICS
    np.testing.assert_allclose(of_label(0).columns(ones)[0, : len(values)], values)
    np.testing.assert_allclose(of_classes().columns(ones)[0], [f() for f in of_classes().by_name().values()])


def test_the_cells_are_the_table_of_the_label():
    weights = np.random.default_rng(0).integers(0, 3, (2, 150)).astype(float)
    cells = of_label(0).columns(weights)[:, CELLS]
    np.testing.assert_array_equal(cells.reshape(2, 2, 2), of_label(0).table(weights))
    counts = of_label(0).outcome_counts()
    assert of_label(0).columns(np.ones((1, 150)))[0, CELLS].tolist() == [counts[n] for n in ("tn", "fp", "fn", "tp")]


def test_a_label_that_nobody_assessed_has_nothing_but_marks():
    columns = of_label(3).columns(np.ones((2, 150)))
    assert columns.shape == (2, BAND.stop)
    assert np.isnan(columns[:, : len(LABEL_STATISTICS)]).all()
    assert (columns[:, CELLS] == 0).all()
    assert of_label(3).outcome_counts() == {"tn": 0, "fp": 0, "fn": 0, "tp": 0}
    with pytest.raises(NotComputableError, match="no case is assessed"):
        of_label(3).by_name()


def test_pooled_labels_are_scored_as_one():
    y_true, score = multilabel().y_true, multilabel().probabilities
    weights = np.random.default_rng(1).integers(0, 3, 150)
    known = ~np.isnan(y_true)
    repeated = np.repeat(weights[:, None], 4, axis=1)[known]
    expected = [
        scorer(y_true[known], score[known], sample_weight=repeated)
        for scorer in (sklearn.metrics.roc_auc_score, sklearn.metrics.average_precision_score)
    ]
    found = PooledStatistics(y_true, score).columns(weights[None].astype(float))[0]
    np.testing.assert_allclose(found, expected)
    assert np.isnan(PooledStatistics(np.full((5, 2), np.nan), np.zeros((5, 2))).columns(np.ones((1, 5)))).all()


def test_a_table_at_a_threshold_has_the_scores_asked_for():
    statistics = TableStatistics(LABELS[0].y_true, LABELS[0].y_score >= 0.4, ("npv", "sensitivity"))
    every = of_label(0).by_name()
    assert {name: compute() for name, compute in statistics.by_name().items()} == {
        name: every[name]() for name in ("npv", "sensitivity")
    }
    assert statistics.columns(np.ones((3, 150))).shape == (3, 2)


N_PATIENTS, PER_PATIENT, SHIFT, SHARED = 120, 2, 1.3, 0.8
COVERED = ("roc_auc", "sensitivity", "specificity", "accuracy", "f1", "mcc", "brier")


def simulated_study(rng, n_patients=N_PATIENTS):
    """Labels, probabilities and patients; the images of a patient share most of their score."""
    labels = np.repeat(np.arange(n_patients) % 2, PER_PATIENT).astype(float)
    noise = np.sqrt(SHARED) * np.repeat(rng.normal(size=n_patients), PER_PATIENT)
    noise += np.sqrt(1 - SHARED) * rng.normal(size=labels.size)
    return labels, expit(SHIFT * (labels - 0.5) + noise), np.repeat(np.arange(n_patients), PER_PATIENT)


def coverage(method, n_studies=1000, n_resamples=400):
    """Share of simulated studies whose intervals hold the truth, by the name of the statistic."""
    labels, score, _ = simulated_study(np.random.default_rng(0), 400_000)
    truths = {name: compute() for name, compute in LabelStatistics(labels, score, score >= 0.5).by_name().items()}
    chosen = [LABEL_STATISTICS.index(name) for name in COVERED]
    hits = np.zeros(len(chosen))
    for study in range(n_studies):
        labels, score, clusters = simulated_study(np.random.default_rng([5, study]))
        statistics = LabelStatistics(labels, score, score >= 0.5)
        (draws,) = draws_of_all([statistics.columns], Bootstrap(clusters, n_resamples, study), method)
        found = [draws.interval(column) for column in chosen]
        hits += [i.low <= truths[name] <= i.high for i, name in zip(found, COVERED, strict=True)]
    return dict(zip(COVERED, hits / n_studies, strict=True))


@pytest.mark.slow
@pytest.mark.parametrize("method", INTERVAL_METHODS)
def test_95_percent_intervals_of_the_main_numbers_hold_the_truth_in_93_to_97_percent_of_studies(method):
    found = coverage(method)
    assert all(0.93 <= share <= 0.97 for share in found.values()), found
