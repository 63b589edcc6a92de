from __future__ import annotations

import numpy as np
import pytest

from lungscan_monai.inference.series import Slice, answer_for_series

AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)


def slices(places: list[float], scores: list[float], orientation=AXIAL) -> list[Slice]:
    return [
        Slice((0.0, 0.0, place), orientation, np.array([1 - p, p])) for place, p in zip(places, scores, strict=True)
    ]


def test_a_series_has_the_mean_of_its_slices_whatever_their_order():
    found = answer_for_series(slices([5, 0, 10], [0.2, 0.1, 0.6]))
    assert found.probabilities == pytest.approx([0.7, 0.3])
    assert (found.slices, found.places, found.duplicates, found.gaps, found.spacing) == (3, 3, 0, 0, 5.0)
    assert found.geometry == "complete"


def test_slices_at_one_place_count_once():
    found = answer_for_series(slices([0, 5, 5.005, 10], [0.2, 0.4, 0.8, 0.0]))
    assert found.probabilities[1] == pytest.approx((0.2 + 0.6 + 0.0) / 3)
    assert (found.slices, found.places, found.duplicates) == (4, 3, 1)


def test_a_step_of_more_than_one_and_a_half_is_a_gap():
    found = answer_for_series(slices([0, 5, 10, 17, 30, 35], [0.5] * 6))
    assert (found.gaps, found.spacing) == (1, 5.0)


def test_places_are_taken_along_the_normal_of_tilted_slices():
    cosine, sine = np.cos(0.3), np.sin(0.3)
    tilted = (1.0, 0.0, 0.0, 0.0, cosine, sine)
    normal = np.array([0, -sine, cosine])
    members = [
        Slice(tuple(3.0 * k * normal + 7.0 * np.array([1, 0, 0])), tilted, np.array([0.5, 0.5])) for k in (2, 0, 1)
    ]
    assert answer_for_series(members).spacing == pytest.approx(3.0)


def test_without_places_each_slice_counts_once_and_the_answer_says_so():
    members = [*slices([0, 5], [0.2, 0.4]), Slice(None, None, np.array([0.1, 0.9]))]
    found = answer_for_series(members)
    assert found.probabilities[1] == pytest.approx(0.5)
    assert (found.geometry, found.spacing, found.gaps) == ("missing", None, 0)


def test_slices_that_are_not_parallel_are_told():
    members = [*slices([0], [0.2]), *slices([5], [0.4], orientation=(0.0, 1.0, 0.0, 0.0, 0.0, 1.0))]
    assert answer_for_series(members).geometry == "mixed"


def test_an_orientation_that_is_none_counts_as_missing():
    assert answer_for_series(slices([0, 5], [0.2, 0.4], orientation=(0.0,) * 6)).geometry == "missing"


def test_a_series_of_one_slice_has_its_answer():
    found = answer_for_series(slices([3], [0.25]))
    assert found.probabilities[1] == 0.25 and (found.spacing, found.gaps) == (None, 0)
