"""The label that a case leads with."""

import numpy as np
import pytest

from lungscan_monai.metrics.decisions import leading_labels


def test_a_binary_case_is_positive_from_the_threshold_on():
    positive = np.array([0.0, 0.2, 0.3, 0.5, 1.0])
    rows = np.column_stack([1 - positive, positive])
    assert leading_labels(rows, "binary", 0.3).tolist() == [0, 0, 1, 1, 1]
    assert leading_labels(rows, "binary").tolist() == [0, 0, 0, 1, 1]


def test_a_threshold_that_was_a_probability_of_a_network_is_reached_by_it():
    row = np.array([[0.9, 0.1]], dtype=np.float32)
    assert leading_labels(row, "binary", float(row[0, 1])).tolist() == [1]


@pytest.mark.parametrize("kind", ["multiclass", "multilabel"])
def test_elsewhere_the_most_probable_label_leads_whatever_the_threshold(kind):
    assert leading_labels(np.array([[0.2, 0.5, 0.3], [0.05, 0.01, 0.02]]), kind, 0.9).tolist() == [1, 0]
