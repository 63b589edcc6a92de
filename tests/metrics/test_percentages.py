"""No share is told as 0 or 100 % that is neither."""

from __future__ import annotations

import pytest

from lungscan_monai.metrics.percentages import told_percentage


@pytest.mark.parametrize(
    ("share", "told"),
    [
        (0.0, ("", 0.0)),
        (1e-12, ("<", 0.1)),
        (0.0004, ("<", 0.1)),
        (0.0012, ("", 0.1)),
        (0.5, ("", 50.0)),
        (0.9994, ("", 99.9)),
        (0.9996, (">", 99.9)),
        (1.0, ("", 100.0)),
    ],
)
def test_only_what_is_certain_is_told_as_certain(share, told):
    sign, value = told_percentage(share)
    assert (sign, value) == (told[0], pytest.approx(told[1]))


def test_the_decimals_asked_for_set_the_least_that_is_told():
    assert told_percentage(0.001, 0) == ("<", 1.0)
    assert told_percentage(0.999, 0) == (">", 99.0)
