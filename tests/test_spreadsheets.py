"""Cells that a spreadsheet would run as formulas."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lungscan_monai.spreadsheets import bare_cell, guarded_cell


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "'=1"])
def test_what_a_spreadsheet_would_run_is_preceded_by_an_apostrophe(text):
    assert guarded_cell(text) == f"'{text}"


@pytest.mark.parametrize("text", ["", "a=1", "chest-1.png", "0.5", "/images/a.png"])
def test_other_texts_stay_as_they_are(text):
    assert guarded_cell(text) == text


@given(st.text())
def test_a_guarded_text_comes_back(text):
    assert bare_cell(guarded_cell(text)) == text
