from __future__ import annotations

from pathlib import Path

import pytest

from lungscan_monai.data.blocks import in_blocks
from lungscan_monai.data.datalist import SECTIONS, Case
from lungscan_monai.data.listing import Listing
from lungscan_monai.data.splits import split_cases
from lungscan_monai.errors import ConfigError, DatalistError


def slices(count: int = 12, label: int = 0, name: str = "Bengin case ({}).jpg") -> tuple[Case, ...]:
    return tuple(Case(name.format(number), label) for number in range(1, count + 1))


def listing(*cases: Case, **given: tuple[Case, ...]) -> Listing:
    return Listing("ct", "multiclass", ("Normal", "Benign"), Path(), given=given, unsplit=cases)


def test_blocks_hold_consecutive_numbers_not_consecutive_letters():
    found = in_blocks(listing(*slices()), 3).unsplit
    assert [case.patient[-1] for case in found] == list("111122223333")


def test_each_class_has_its_own_blocks():
    found = in_blocks(listing(*slices(4), *slices(6, 1, "Normal ({}).jpg")), 2)
    assert [case.patient for case in found.unsplit] == (
        ["Normal block 1"] * 2 + ["Normal block 2"] * 2 + ["Benign block 1"] * 3 + ["Benign block 2"] * 3
    )
    assert found.facts == {"patients": "2 blocks of consecutive file numbers in each class"}
    assert found.notes == ("4 blocks of consecutive numbers stand for patients",)


def test_a_split_by_blocks_has_few_neighbours_on_two_sides():
    cases = in_blocks(listing(*slices(300)), 10).unsplit
    section = {case.image: name for name, members in split_cases(cases).sections.items() for case in members}
    order = [section[case.image] for case in slices(300)]
    borders = sum(one != other for one, other in zip(order, order[1:], strict=False))
    assert set(order) == set(SECTIONS)
    assert borders <= 9


def test_sections_that_came_with_the_data_have_their_own_blocks():
    found = in_blocks(listing(training=slices(4), test=slices(4, name="t{}.png")), 2).given
    assert [case.patient for case in found["training"]][::3] == ["training Normal block 1", "training Normal block 2"]
    assert [case.patient for case in found["test"]][::3] == ["test Normal block 1", "test Normal block 2"]


def test_known_patients_stay():
    found = in_blocks(listing(*slices(2), Case("x9.png", 0, "p9")), 1).unsplit
    assert [case.patient for case in found] == ["Normal block 1", "Normal block 1", "p9"]


def test_more_blocks_than_slices_leave_each_alone():
    assert len({case.patient for case in in_blocks(listing(*slices(3)), 50).unsplit}) == 3


def test_names_without_numbers_cannot_be_neighbours():
    with pytest.raises(DatalistError, match=r"1 have no number, for instance a/left\.png"):
        in_blocks(listing(*slices(3), Case("a/left.png", 0)), 2)


def test_blocks_that_make_no_sense_are_refused():
    with pytest.raises(ConfigError, match="blocks is 0"):
        in_blocks(listing(*slices(3)), 0)
    with pytest.raises(ConfigError, match="every image has one"):
        in_blocks(listing(Case("1.png", 0, "p")), 2)
    with pytest.raises(DatalistError, match="multi-label"):
        in_blocks(Listing("x", "multilabel", ("A",), Path(), unsplit=(Case("1.png", (1,)),)), 2)
