"""PatientOrientation from direction cosines, by the examples of PS3.3 and by hand."""

from __future__ import annotations

import pytest
from pydicom import Dataset

from lungscan_monai.results.orientation import patient_orientation


@pytest.mark.parametrize(
    ("cosines", "expected"),
    [
        ([1, 0, 0, 0, 1, 0], ["L", "P"]),
        ([1, 0, 0, 0, 0, -1], ["L", "F"]),
        ([0, 1, 0, 0, 0, -1], ["P", "F"]),
        ([-1, 0, 0, 0, -1, 0], ["R", "A"]),
        ([0.97, 0.24, 0, -0.24, 0.97, 0], ["LP", "PR"]),
        (None, []),
        ([1, 0, 0], []),
    ],
)
def test_letters_name_the_axes_that_a_direction_points_along(cosines, expected):
    header = Dataset()
    if cosines is not None:
        header.ImageOrientationPatient = cosines
    assert patient_orientation(header) == expected


def test_what_is_stated_counts_more():
    header = Dataset()
    header.PatientOrientation, header.ImageOrientationPatient = ["R", "F"], [1, 0, 0, 0, 1, 0]
    assert patient_orientation(header) == ["R", "F"]
