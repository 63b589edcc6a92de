from __future__ import annotations

from pathlib import Path

import pytest

from lungscan_monai.data.datalist import Case
from lungscan_monai.data.listing import Listing
from lungscan_monai.data.merging import with_folders
from lungscan_monai.errors import ConfigError, DatalistError


@pytest.fixture
def films(tmp_path) -> Path:
    return tmp_path / "data" / "films"


@pytest.fixture
def plant(tmp_path):
    def make(folder: str, count: int) -> Path:
        root = tmp_path / "data" / folder
        (root / "deep").mkdir(parents=True)
        for number in range(count):
            (root / "deep" / f"p{number // 2}_{number}.png").write_bytes(b"x")
        (root / "notes.txt").write_text("x")
        return root

    return make


def listing(films: Path, **given) -> Listing:
    cases = (Case("a.png", 0, "p1", facts={"mask": "m/a.png"}), Case("b.png", 1, id="bee"))
    return Listing("films", "binary", ("Normal", "Pneumonia"), films, unsplit=() if given else cases, given=given)


def test_all_pictures_of_a_folder_get_its_label_and_know_where_they_are_from(films, plant, tmp_path):
    merged = with_folders(listing(films), [("Unknown", plant("strangers", 3))])
    assert merged.labels == ("Normal", "Pneumonia", "Unknown")
    assert merged.kind == "multiclass"
    assert merged.base_dir == tmp_path / "data"
    assert [(case.image, case.label, case.facts["source"]) for case in merged.unsplit] == [
        ("films/a.png", 0, "films"),
        ("films/b.png", 1, "films"),
        ("strangers/deep/p0_0.png", 2, "strangers"),
        ("strangers/deep/p0_1.png", 2, "strangers"),
        ("strangers/deep/p1_2.png", 2, "strangers"),
    ]
    assert merged.unsplit[0].facts["mask"] == "films/m/a.png"
    assert [case.id for case in merged.unsplit[:2]] == ["films/a.png", "bee"]
    assert merged.unsplit[0].patient == "p1"
    assert merged.facts == {"sources": ["films", "strangers"]}


def test_a_known_label_keeps_its_place_and_several_folders_may_share_one(films, plant):
    folders = [("NORMAL", plant("one", 2)), ("Normal cases", plant("two", 1))]
    merged = with_folders(listing(films), folders)
    assert (merged.labels, merged.kind) == (("Normal", "Pneumonia"), "binary")
    assert [case.label for case in merged.unsplit] == [0, 1, 0, 0, 0]


def test_patients_are_found_in_the_added_names_too(films, plant):
    merged = with_folders(listing(films), [("Unknown", plant("more", 4))], patient_regex=r"^(p\d+)_")
    assert [case.patient for case in merged.unsplit[2:]] == ["p0", "p0", "p1", "p1"]


def test_sections_that_came_with_the_data_get_their_shares(films, plant):
    given = {
        "training": tuple(Case(f"t{number}.png", number % 2) for number in range(30)),
        "test": tuple(Case(f"s{number}.png", number % 2) for number in range(10)),
    }
    merged = with_folders(listing(films, **given), [("Unknown", plant("strangers", 20))])
    added = {name: sum(case.label == 2 for case in cases) for name, cases in merged.given.items()}
    assert added == {"training": 15, "test": 5}
    assert not merged.unsplit


def test_a_folder_that_adds_nothing_is_refused(films, tmp_path):
    with pytest.raises(DatalistError, match="no such folder to add"):
        with_folders(listing(films), [("Unknown", tmp_path / "absent")])
    (tmp_path / "empty").mkdir()
    with pytest.raises(DatalistError, match="holds no image"):
        with_folders(listing(films), [("Unknown", tmp_path / "empty")])


def test_one_label_does_not_fit_several_findings(films, plant):
    several = Listing("x", "multilabel", ("Mass",), films, unsplit=(Case("a.png", (1,)),))
    with pytest.raises(ConfigError, match="does not fit a multi-label data set"):
        with_folders(several, [("Mass", plant("more", 1))])
