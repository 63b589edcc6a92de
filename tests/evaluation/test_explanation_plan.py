"""Which heatmaps are made and measured."""

import pytest

from lungscan_monai.errors import ConfigError, SaliencyError
from lungscan_monai.evaluation.explanation_plan import ExplanationSettings, evenly, planned

GALLERY = [(3, 1), (5, 1)]
LEADING = [(index, index % 2) for index in range(20)]
LESIONS = [(index, 1) for index in range(0, 20, 2)]


def test_all_cases_are_explained_and_the_costly_measures_take_some():
    plan = planned(ExplanationSettings("all", checks=4), GALLERY, LEADING, LESIONS)
    assert plan.spread == tuple(LEADING)
    assert plan.lesions == tuple(LESIONS)
    assert [index for index, _ in plan.checked] == [0, 6, 13, 19]
    assert plan.pairs[:2] == tuple(GALLERY)
    assert len(plan.pairs) == len(set(plan.pairs)) == len({*GALLERY, *LEADING, *LESIONS})


def test_a_few_cases_come_with_the_gallery_and_some_findings_of_known_place():
    plan = planned(ExplanationSettings(3, checks=2), GALLERY, LEADING, LESIONS)
    assert [index for index, _ in plan.spread] == [0, 10, 19]
    assert plan.lesions == ((0, 1), (18, 1))
    assert set(plan.checked) <= set(plan.spread)
    assert plan.gallery == tuple(GALLERY)


def test_without_checks_nothing_is_measured():
    plan = planned(ExplanationSettings("all", checks=0), GALLERY, LEADING, LESIONS)
    assert (plan.lesions, plan.checked) == ((), ())
    assert plan.spread == tuple(LEADING)


def test_items_are_taken_evenly():
    assert evenly("abcdefg", 3) == ["a", "d", "g"]
    assert evenly("abc", 9) == ["a", "b", "c"]
    assert evenly("abc", 0) == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"cases": "some"}, "explain is 'some'"),
        ({"cases": -1}, "explain is -1"),
        ({"cases": True}, "explain is True"),
        ({"checks": -1}, "explanation_checks is -1"),
        ({"errors": 2.5}, "errors_shown is 2.5"),
    ],
)
def test_what_is_no_number_of_cases_is_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        ExplanationSettings(**options)


def test_an_unknown_method_is_refused_before_anything_runs():
    with pytest.raises(SaliencyError, match="choose one of gradcam"):
        ExplanationSettings(method="guess")
