from __future__ import annotations

import pytest

from lungscan_monai.data.label_cells import FindingCells, NameCells


@pytest.mark.parametrize(
    ("cell", "label"), [("Normal", 0), ("TUMOUR", 1), ("1", 1), ("No Finding", 0), ("tumor cases", 1)]
)
def test_one_name_or_index_is_one_class(cell, label):
    cells = NameCells(["Normal", "Tumor"], multilabel=False)
    assert cells.problem(cell) is None
    assert cells.label(cell) == label


@pytest.mark.parametrize(
    ("cell", "label"), [("Mass|Edema", (1, 1)), ("edema", (1, 0)), ("No Finding", (0, 0)), ("1", (0, 1))]
)
def test_several_names_are_several_findings(cell, label):
    assert NameCells(["Edema", "Mass"], multilabel=True).label(cell) == label


def test_columns_of_findings_hold_one_zero_or_nothing():
    cells = FindingCells(["Edema", "Mass", "Nodule", "Hernia"])
    assert cells.problem(["1", "0.0", "", "-1.0"]) is None
    assert cells.label(["1", "0.0", "", "-1.0"]) == (1, 0, None, None)
    assert cells.problem(["yes", "0", "2", ""]) == (
        "Edema is 'yes', Nodule is '2'; expected 1, 0, and nothing or -1 for not assessed"
    )
