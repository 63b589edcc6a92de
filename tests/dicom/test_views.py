"""Views and body parts are believed where the Standard's words, or codes of CID 4010, say them."""

from __future__ import annotations

import pytest
from pydicom.sr.codedict import codes

from lungscan_monai.dicom.views import VIEWS, is_elsewhere, view_of


@pytest.mark.parametrize(("words", "view"), [("PA", "PA"), ("ap ", "AP"), ("LL", "LL"), ("LAT", "LATERAL"), ("", None)])
def test_words_of_the_standard_are_views(words, view):
    assert view_of(words) == view


@pytest.mark.parametrize("words", ["PORTABLE", "AP SUPINE", "W 33 TORAX"])
def test_other_words_say_nothing(words):
    assert view_of(words) is None


@pytest.mark.parametrize(
    ("meaning", "view"),
    [
        ("antero-posterior", "AP"),
        ("postero-anterior", "PA"),
        ("lateral", "LATERAL"),
        ("left lateral", "LL"),
        ("right lateral", "RL"),
        ("left anterior oblique", "OBLIQUE"),
        ("frontal", None),
    ],
)
def test_codes_are_those_of_the_standard(meaning, view):
    group = codes.cid4010
    code = next(one for one in (getattr(group, name) for name in group.dir()) if one.meaning == meaning)
    assert view_of("", [code.value]) == view
    assert view is None or view in VIEWS


def test_a_word_goes_before_a_code():
    assert view_of("PA", ["399067008"]) == "PA"


@pytest.mark.parametrize(("part", "elsewhere"), [("HAND", True), ("Skull", True), ("CHEST", False), ("PELVIS", False)])
def test_only_the_head_and_limbs_are_elsewhere(part, elsewhere):
    assert is_elsewhere(part) is elsewhere
