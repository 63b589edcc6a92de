import numpy as np
import pytest
from evaluation.examples import multiclass, multilabel

from lungscan_monai.errors import NotComputableError
from lungscan_monai.evaluation.statistics import (
    BAND_RATES,
    LABEL_STATISTICS,
    ClassStatistics,
    LabelStatistics,
    draws_of_all,
)
from lungscan_monai.metrics.intervals import Bootstrap

LABELS = list(multilabel().targets())


def of_label(index):
    return LabelStatistics(LABELS[index].y_true, LABELS[index].y_score, 0.4)


def of_classes():
    return ClassStatistics(multiclass().y_true, multiclass().probabilities)


def test_columns_with_every_case_once_are_the_statistics_themselves():
    ones = np.ones((1, 150))
    values = [compute() for compute in of_label(0).by_name().values()]
    assert tuple(of_label(0).by_name()) == LABEL_STATISTICS
    np.testing.assert_allclose(of_label(0).columns(ones)[0, : len(values)], values)
    np.testing.assert_allclose(of_classes().columns(ones)[0], [f() for f in of_classes().by_name().values()])


def test_a_label_that_nobody_assessed_has_nothing_but_marks():
    assert np.isnan(of_label(3).columns(np.ones((2, 150)))).all()
    assert of_label(3).columns(np.ones((2, 150))).shape == (2, len(LABEL_STATISTICS) + BAND_RATES.size)
    assert of_label(3).outcome_counts() == {"tn": 0, "fp": 0, "fn": 0, "tp": 0}
    with pytest.raises(NotComputableError, match="no case is assessed"):
        of_label(3).by_name()


def test_all_statistics_see_the_same_resamples():
    together = draws_of_all([of_label(0), of_label(3), of_classes()], Bootstrap(np.arange(150), 30))
    alone = Bootstrap(np.arange(150), 30).draws(of_classes().columns)
    np.testing.assert_array_equal(together[2], alone)
    assert together[1].shape == (30, len(LABEL_STATISTICS) + BAND_RATES.size)
