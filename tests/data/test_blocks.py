from __future__ import annotations

import csv

import numpy as np
import pytest
from PIL import Image

from lungscan_monai.data.blocks import in_blocks, likeness
from lungscan_monai.data.datalist import Case
from lungscan_monai.data.listing import Listing
from lungscan_monai.data.splits import split_cases
from lungscan_monai.errors import ConfigError, DatalistError


@pytest.fixture
def scans(tmp_path):
    """A maker of slices, numbered on from scan to scan; those of a scan are alike, those of two are not."""
    rng = np.random.default_rng(0)

    def make(*lengths: int, label: int = 0, name: str = "Bengin case ({}).png") -> tuple[Case, ...]:
        cases = []
        for length in lengths:
            scan = rng.uniform(0, 255, (32, 32))
            for _ in range(length):
                file = name.format(len(cases) + 1)
                pixels = np.clip(scan + rng.normal(0, 10, scan.shape), 0, 255).astype(np.uint8)
                Image.fromarray(pixels).save(tmp_path / file)
                cases.append(Case(file, label))
        return tuple(cases)

    return make


@pytest.fixture
def listing(tmp_path):
    def make(*cases: Case, **given: tuple[Case, ...]) -> Listing:
        return Listing("ct", "multiclass", ("Normal", "Benign"), tmp_path, given=given, unsplit=cases)

    return make


def numbers(cases) -> str:
    return "".join(case.patient[-1] for case in cases)


def test_a_block_begins_where_neighbours_are_unlike_by_number_not_by_letter(scans, listing):
    found = in_blocks(listing(*scans(3, 7, 2))).unsplit
    assert [case.image[-7:-5] for case in found][8:] == ["(9", "10", "11", "12"]
    assert numbers(found) == "111222222233"


def test_so_many_blocks_as_asked_for_are_cut_at_the_least_alike(scans, listing):
    assert numbers(in_blocks(listing(*scans(4, 4)), 2).unsplit) == "11112222"
    assert numbers(in_blocks(listing(*scans(4, 4)), 1).unsplit) == "11111111"
    assert len(set(numbers(in_blocks(listing(*scans(4, 4)), 5).unsplit))) == 5


def test_each_class_has_its_own_blocks(scans, listing):
    found = in_blocks(listing(*scans(2, 2), *scans(3, label=1, name="n{}.png")))
    assert [case.patient for case in found.unsplit] == (
        ["Normal block 1"] * 2 + ["Normal block 2"] * 2 + ["Benign block 1"] * 3
    )
    assert found.facts == {"patients": "blocks of consecutive slices"}
    assert found.notes == ("3 blocks of consecutive slices stand for patients",)


def test_a_split_by_blocks_has_no_slices_of_one_scan_on_two_sides(scans, listing):
    lengths = (9, 12, 5, 8, 11, 7, 10, 6, 9, 8)
    cases = in_blocks(listing(*scans(*lengths))).unsplit
    section = {case.image: name for name, members in split_cases(cases).sections.items() for case in members}
    order = [section[f"Bengin case ({number}).png"] for number in range(1, sum(lengths) + 1)]
    starts = np.cumsum((0, *lengths))
    assert all(len(set(order[start:end])) == 1 for start, end in zip(starts, starts[1:], strict=False))
    assert len(set(order)) == 3


def test_likeness_is_the_correlation_of_the_small_pictures(tmp_path):
    rng = np.random.default_rng(1)
    pictures = rng.integers(0, 256, (3, 32, 32), dtype=np.uint8)
    pictures[2] = 255 - pictures[1]
    files = [tmp_path / f"{number}.png" for number in range(4)]
    for file, pixels in zip(files, [*pictures, np.full((32, 32), 7, np.uint8)], strict=True):
        Image.fromarray(pixels).save(file)
    expected = [np.corrcoef(pictures[0].ravel(), pictures[1].ravel())[0, 1], -1, 0]
    np.testing.assert_allclose(likeness(files), expected, atol=1e-5)


def test_sections_that_came_with_the_data_have_their_own_blocks(scans, listing):
    found = in_blocks(listing(training=scans(2, 2), test=scans(2, 2, name="t{}.png"))).given
    assert [case.patient for case in found["training"]][::3] == ["training Normal block 1", "training Normal block 2"]
    assert [case.patient for case in found["test"]][::3] == ["test Normal block 1", "test Normal block 2"]


def test_known_patients_stay(scans, listing):
    found = in_blocks(listing(*scans(2), Case("x9.png", 0, "p9")), 1).unsplit
    assert [case.patient for case in found] == ["Normal block 1", "Normal block 1", "p9"]


def test_more_blocks_than_slices_leave_each_alone(scans, listing):
    assert len({case.patient for case in in_blocks(listing(*scans(3)), 50).unsplit}) == 3


def test_names_without_numbers_cannot_be_neighbours(scans, listing):
    with pytest.raises(DatalistError, match=r"1 have no number, for instance a/left\.png"):
        in_blocks(listing(*scans(3), Case("a/left.png", 0)))


def test_what_is_no_picture_cannot_be_compared(listing, tmp_path):
    (tmp_path / "1.dcm").write_bytes(b"x")
    with pytest.raises(DatalistError, match=r"1\.dcm.*\n.*cannot be read as a picture"):
        in_blocks(listing(Case("1.dcm", 0)))


def test_blocks_that_make_no_sense_are_refused(scans, listing, tmp_path):
    with pytest.raises(ConfigError, match="blocks is 0"):
        in_blocks(listing(*scans(3)), 0)
    with pytest.raises(ConfigError, match="every image has one"):
        in_blocks(listing(Case("1.png", 0, "p")), 2)
    with pytest.raises(DatalistError, match="multi-label"):
        in_blocks(Listing("x", "multilabel", ("A",), tmp_path, unsplit=(Case("1.png", (1,)),)), 2)


def test_most_series_of_the_kidney_slices_stay_whole(real_data):
    with (real_data / "kidney_ct" / "manifest.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    labels = ("Cyst", "Normal", "Stone", "Tumor")
    series = {row["path"]: row["series"] for row in rows}
    cases = tuple(Case(row["path"], labels.index(row["label"])) for row in rows)
    found = in_blocks(Listing("kidney", "multiclass", labels, real_data / "kidney_ct", unsplit=cases)).unsplit
    blocks_of: dict[str, set[str]] = {}
    for case in found:
        blocks_of.setdefault(series[case.image], set()).add(case.patient)
    assert len({case.patient for case in found}) > 30
    assert sum(len(blocks) > 1 for blocks in blocks_of.values()) <= 3, "three series come back later in the numbers"
