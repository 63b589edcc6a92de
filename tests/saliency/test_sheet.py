"""The contact sheet."""

import cv2
import numpy as np
import pytest

from lungscan_monai.errors import SaliencyError
from lungscan_monai.saliency.sheet import ExplainedCase, contact_sheet


def cases(count):
    return [ExplainedCase(np.full((30 + i, 40), 0.5), np.ones((4, 4)), "Pneumonia", 0.9) for i in range(count)]


@pytest.mark.parametrize(("count", "columns", "rows"), [(1, 1, 1), (4, 3, 2)])
def test_cases_stand_in_rows_of_three(tmp_path, count, columns, rows):
    contact_sheet(tmp_path / "sheet.png", cases(count))
    height, width, _ = cv2.imread(str(tmp_path / "sheet.png")).shape
    assert (height, width) == (375 * rows, 660 * columns)


@pytest.mark.parametrize("count", [0, 13])
def test_a_sheet_has_one_to_twelve_cases(tmp_path, count):
    with pytest.raises(SaliencyError, match=f"got {count}"):
        contact_sheet(tmp_path / "sheet.png", cases(count))
    assert not list(tmp_path.iterdir())
