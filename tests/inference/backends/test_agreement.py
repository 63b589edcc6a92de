"""What counts as the same answers."""

from __future__ import annotations

import numpy as np
import pytest

from lungscan_monai.inference.backends.agreement import compare


def test_the_largest_difference_of_probabilities_and_changed_decisions_are_counted(judge):
    expected, found = np.array([[0.0], [2.0], [-0.004]]), np.array([[0.0], [2.004], [0.004]])
    agreement = compare(expected, found, judge, "bfloat16")
    assert agreement.largest_difference == pytest.approx(0.002, abs=1e-5)  # the slope of the sigmoid at 0 is 1/4
    assert (agreement.changed_decisions, agreement.samples, agreement.holds) == (1, 3, False)
    assert "probabilities differ by up to 0.002" in str(agreement) and "1 of 3 decisions change" in str(agreement)


@pytest.mark.parametrize(
    ("precision", "shift", "holds"),
    [("float32", 0.0005, True), ("float32", 0.01, False), ("bfloat16", 0.01, True), ("bfloat16", 0.1, False)],
)
def test_the_tolerance_is_that_of_the_precision(judge, precision, shift, holds):
    assert compare(np.array([[0.2]]), np.array([[0.2 + shift]]), judge, precision).holds is holds


def test_a_sure_network_is_compared_by_its_logits(judge):
    agreement = compare(np.array([[-40.0], [20.0]]), np.array([[-30.0], [20.0]]), judge, "float32")
    assert agreement.largest_difference < 1e-9 and agreement.changed_decisions == 0
    assert agreement.logit_difference == 0.25 and not agreement.holds
    assert "logits by 0.25 of their size (accepted: 0.001)" in str(agreement)
    assert compare(np.array([[-40.0]]), np.array([[-40.02]]), judge, "float32").holds


def test_what_is_not_a_number_does_not_agree(judge):
    agreement = compare(np.array([[0.2]]), np.array([[np.nan]]), judge, "bfloat16")
    assert agreement.largest_difference == float("inf") and not agreement.holds
