from __future__ import annotations

import pytest

from lungscan_monai.data.datalist import Case
from lungscan_monai.data_report.facts import age_band, aspect_band, given_facts, image_facts
from lungscan_monai.errors import ReadError


def cases(**columns):
    return [
        Case(f"{i}.png", 0, facts=dict(zip(columns, row, strict=True)))
        for i, row in enumerate(zip(*columns.values(), strict=True))
    ]


@pytest.mark.parametrize(
    ("age", "band"),
    [
        (61, "60–69"),
        ("61", "60–69"),
        ("061Y", "60–69"),
        ("018M", "0–9"),
        ("300D", "0–9"),
        ("011W", "0–9"),
        (9.9, "0–9"),
        (90, "90 or more"),
        (120, "90 or more"),
        (414, "over 120"),
        (None, "not known"),
        ("", "not known"),
        ("old", "not known"),
        (-3, "not known"),
    ],
)
def test_an_age_has_its_decade(age, band):
    assert age_band(age) == band


@pytest.mark.parametrize(("ratio", "start"), [(0.5, "tall"), (0.9, "0.80"), (1, "square"), (1.3, "1.25"), (3, "wide")])
def test_an_aspect_ratio_has_its_band(ratio, start):
    assert aspect_band(ratio).startswith(start)


def test_known_facts_come_first_and_their_values_the_commonest_first():
    facts, left_out = given_facts(cases(ward=["A", "B", "A"], sex=["M", "F", "F"], age=[70, 8, None]))
    assert [fact.name for fact in facts] == ["sex", "age", "ward"]
    assert [fact.order for fact in facts] == [("F", "M"), ("0–9", "70–79", "not known"), ("A", "B")]
    assert facts[0].values == ("M", "F", "F")
    assert left_out == []


def test_a_mask_is_no_fact_and_a_fact_without_a_value_is_none():
    assert given_facts(cases(mask=["m.png", "n.png"], sex=["", None])) == ([], [])


def test_what_may_be_an_identifier_is_left_out_but_a_known_fact_is_not():
    names = [f"x{i}" for i in range(30)]
    facts, left_out = given_facts(cases(hospital_number=names, source=names, findings=[[1]] * 30))
    assert left_out == ["hospital_number", "findings"]
    assert [fact.name for fact in facts] == ["source"]
    assert len(facts[0].order) == 12 and facts[0].order[-1] == "other"
    assert facts[0].values.count("other") == 19


def test_an_unreadable_image_has_unknown_image_facts():
    facts = image_facts([ReadError("a.png", "damaged", "is damaged")])
    assert {fact.values for fact in facts} == {("not known",)}
    assert all(fact.of_image for fact in facts)
