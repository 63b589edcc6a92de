from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest

from lungscan_monai.evaluation.page_charts import Plot, whisker

ENDS = [(0.0, "0"), (1.0, "1")]
PLOT = Plot("across", "up", ENDS, ENDS)


def points(mark):
    return [tuple(map(float, pair.split())) for pair in re.findall(r"[\d.]+ [\d.]+", re.search('d="([^"]+)"', mark)[1])]


def test_zero_lies_left_and_below_one():
    assert points(PLOT.line((0, 1), (0, 1))) == [(62, 270), (322, 10)]


def test_what_lies_beyond_the_frame_is_not_drawn():
    assert points(PLOT.line((0, 0.5, 1), (0.5, -2, 0.5))) == [(62, 140), (322, 140)]
    assert PLOT.line((0, 0.5, 1), (0.5, -2, 0.5)).count("M") == 2
    assert points(PLOT.band((0, 1), (-1, -1), (2, 2))) == [(62, 10), (322, 10), (322, 270), (62, 270)]


def test_a_stepped_line_changes_before_it_goes_on():
    assert points(PLOT.steps((0, 1), (1, 0))) == [(62, 10), (62, 270), (322, 270)]


def test_a_band_without_points_is_nothing():
    assert PLOT.band([], [], []) == ""


def test_a_chart_is_well_formed_and_says_what_it_shows():
    chart = PLOT.drawn('ROC of "A" <b>', PLOT.line((0, 1), (0, 1)), PLOT.dots([0.5], [0.5], second=True))
    root = ElementTree.fromstring(chart)
    assert root.get("aria-label") == 'ROC of "A" <b>'
    assert {text.text for text in root.iter("text")} == {"0", "1", "across", "up"}


@pytest.mark.parametrize(("value", "low", "high"), [(0.5, 0.25, 0.75), (0.5, None, None)])
def test_a_whisker_shows_the_value_and_the_interval_if_there_is_one(value, low, high):
    drawn = whisker(value, low, high)
    ElementTree.fromstring(drawn)
    assert 'cx="48.0"' in drawn
    assert ('class="curve"' in drawn) == (low is not None)
