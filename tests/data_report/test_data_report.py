from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from lungscan_monai.data.datalist import Case, Datalist
from lungscan_monai.data_report.report import NONE_OF_THESE, build_data_report


def noise(seed, size=(40, 48)):
    return np.random.default_rng(seed).integers(0, 255, size, dtype=np.uint8)


def texts(report):
    return [found["text"] for found in report["findings"]]


class Maker:
    """Writes pictures and collects their cases."""

    def __init__(self, folder):
        self.folder = folder
        self.sections = {"training": [], "validation": [], "test": []}

    def add(self, section, label, pixels, patient=None, **facts):
        name = f"{sum(map(len, self.sections.values())):03d}.png"
        Image.fromarray(pixels).save(self.folder / name)
        self.sections[section].append(Case(name, label, patient, facts=facts))
        return name

    def report(self, kind="binary", labels=("Normal", "Ill"), **options):
        datalist = Datalist("set", kind, labels, self.folder, self.sections, {"method": "given"})
        return build_data_report(datalist, **options)


@pytest.fixture
def maker(tmp_path):
    return Maker(tmp_path)


@pytest.fixture
def plain(maker):
    """Ten cases of each class in each section, each of its own patient."""
    for number, section in enumerate(("training", "validation", "test")):
        for index in range(20):
            seed = 100 * number + index
            maker.add(section, index % 2, noise(seed), f"p{seed}")
    return maker


def test_a_clean_set_has_no_finding(plain):
    report = plain.report()
    assert report["findings"] == []
    assert report["sections"]["test"] == {"cases": 20, "patients": 20, "unknown_patient": 0, "groups": [10, 10]}
    assert (report["identical"]["sets"], report["near"]["pairs"]) == (0, 0)
    assert report["sizes"][0]["width"] == {"low": 48.0, "median": 48.0, "high": 48.0}
    assert report["sizes"][1]["aspect"]["median"] == 1.2


def test_it_is_json_names_no_patient_and_is_the_same_each_time(plain):
    report = plain.report(seed=3)
    text = json.dumps(report, allow_nan=False)
    assert '"p1"' not in text and "p100" not in text
    assert json.dumps(plain.report(seed=3)) == text
    assert plain.report(seed=4)["samples"] != report["samples"]


def test_samples_are_readable_members_of_their_class(plain):
    plain.add("training", 0, noise(999))
    (plain.folder / "060.png").write_bytes(b"nothing")
    report = plain.report()
    by_id = {case.id: case.label for cases in plain.sections.values() for case in cases}
    assert [len(group) for group in report["samples"]] == [8, 8]
    for label, group in enumerate(report["samples"]):
        assert {by_id[name] for name in group} == {label}
        assert "060.png" not in group


def test_shades_are_the_mean_over_pictures_whatever_their_size(maker):
    maker.add("training", 0, np.zeros((100, 100), np.uint8))
    maker.add("training", 0, np.full((10, 10), 255, np.uint8))
    maker.add("training", 1, noise(1))
    normal, ill = maker.report()["shades"]["groups"]
    assert (normal["share"][0], normal["share"][-1], normal["mean"], normal["sd_of_means"]) == (0.5, 0.5, 0.5, 0.5)
    assert ill["mean"] == pytest.approx(noise(1).mean() / 255, abs=1e-4)


def test_a_patient_in_two_sections_is_counted(plain):
    plain.add("training", 0, noise(1001), "p200")
    report = plain.report()
    assert report["patients_across"] == 1
    assert texts(report) == ["1 patient in more than one section: results will look too good."]
    assert report["findings"][0]["tone"] == "warning"


def test_identical_pictures_are_found_over_sections_and_labels(plain):
    copy = plain.add("training", 1, noise(200))  # the first of test, which is Normal
    twin = plain.add("training", 1, noise(1))  # the second of training, which is Ill
    identical = plain.report()["identical"]
    assert {key: identical[key] for key in ("sets", "images", "across_sections", "different_labels")} == {
        "sets": 2,
        "images": 4,
        "across_sections": 1,
        "different_labels": 1,
    }
    assert identical["images_with_twin_in"]["test"] == {"training": 1, "validation": 0, "test": 0}
    assert identical["images_with_twin_in"]["training"] == {"training": 2, "validation": 0, "test": 1}
    assert [[image["case"] for image in found] for found in identical["listed"]] == [
        [copy, "040.png"],
        ["001.png", twin],
    ]
    found = texts(plain.report())
    assert found[0].startswith("1 set of identical pictures over two sections (1 test picture with a twin in training)")
    assert "different labels" in found[1]
    assert "inside one section" in found[2]


def test_a_brighter_copy_is_a_near_duplicate(plain):
    name = plain.add("validation", 0, (noise(200) * 0.5 + 60).astype(np.uint8), "p7777")
    near = plain.report()["near"]
    assert (near["pairs"], near["across_sections"], near["different_labels"], near["images"]) == (1, 1, 0, 2)
    (pair,) = near["listed"]
    assert [image["case"] for image in pair["images"]] == [name, "040.png"]
    assert pair["same_patient"] is False
    assert pair["bits_apart"] <= near["at_most_bits_apart"]


def test_blank_pictures_are_listed_and_are_no_copies(plain):
    for section in ("training", "test"):
        plain.add(section, 0, np.full((40, 48), 7, np.uint8))
    report = plain.report()
    assert len(report["blank"]) == 2
    assert (report["identical"]["sets"], report["near"]["pairs"]) == (0, 0)
    assert "2 pictures of one single value." in texts(report)


def test_unreadable_and_missing_images_are_listed_and_do_not_end_the_work(plain):
    (plain.folder / "003.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    (plain.folder / "004.png").unlink()
    report = plain.report()
    assert [(row["case"], row["code"]) for row in report["unreadable"]] == [
        ("003.png", "damaged"),
        ("004.png", "missing-file"),
    ]
    assert texts(report)[-1].startswith("2 of 60 images cannot be read")
    assert report["sections"]["training"]["cases"] == 20
    assert report["shades"]["all"]["images"] == 58


def test_a_set_without_a_readable_image_still_has_its_counts(maker):
    for label in (0, 1):
        maker.add("training", label, noise(label))
    for path in maker.folder.glob("*.png"):
        path.unlink()
    report = maker.report()
    assert len(report["unreadable"]) == 2
    assert report["shades"]["all"] is None and report["sizes"] == [None, None]


def test_a_fact_and_an_image_size_that_give_the_class_away_are_warned_of(maker):
    for index in range(60):
        label = index % 2
        facts = {"source": ("clinic", "website")[label], "sex": "MF"[index // 2 % 2], "age": 20 + index}
        maker.add("training", label, noise(index, ((40, 48), (40, 40))[label]), **facts)
    report = maker.report()
    facts = {fact["name"]: fact for fact in report["facts"]}
    assert facts["source"]["predicts"] == [
        {
            "label": None,
            "cramers_v": 1.0,
            "p_value": pytest.approx(9.5e-15, rel=0.01),  # SciPy: chi2.sf(60, 1)
            "guessed": 1.0,
            "commonest": 0.5,
            "strong": True,
        }
    ]
    assert facts["source"]["values"][0] == {
        "value": "clinic",
        "sections": {"training": 30, "validation": 0, "test": 0},
        "groups": [30, 0],
    }
    assert not facts["sex"]["predicts"][0]["strong"]
    warned = [text for text in texts(report) if text.startswith("Possible shortcut")]
    assert [text.split(" predicts")[0] for text in warned] == [
        "Possible shortcut: source",
        "Possible shortcut: image size",
        "Possible shortcut: aspect ratio",
    ]
    assert "the class guessed from it alone is right for 100% of the cases, the commonest answer for 50%" in warned[0]


def test_findings_are_counted_one_by_one_and_what_was_not_assessed_is_left_out(maker):
    for index in range(80):
        label = (index % 2, int(index < 40), None if index < 60 else 1)
        maker.add("training", label, noise(index), view=("AP", "PA")[index % 2])
    maker.add("training", (0, 0, 0), noise(1000), view="AP")
    report = maker.report("multilabel", ("Edema", "Mass", "Hernia"))
    assert report["groups"] == ["Edema", "Mass", "Hernia", NONE_OF_THESE]
    assert report["sections"]["training"]["groups"] == [40, 40, 20, 11]
    view = next(fact for fact in report["facts"] if fact["name"] == "view")
    assert {link["label"]: link["strong"] for link in view["predicts"]} == {
        "Edema": True,
        "Mass": False,
        "Hernia": False,
    }
    assert any("view predicts Edema (Cramér's V" in text for text in texts(report))


def test_gaps_are_named(maker):
    maker.add("training", 0, noise(1), "a")
    maker.add("training", 1, noise(2))
    maker.add("test", 1, noise(3), "b")
    assert texts(maker.report()) == [
        "The section validation is empty.",
        "No case in test of: Normal.",
        "1 of 3 cases are of an unknown patient: whether one of these is in two sections cannot be known.",
    ]


def test_real_slices_of_one_patient_lie_in_two_sections_of_the_given_split(real_data):
    """Seen by eye: same table, same ribs. The set has no patients, so only pictures can tell."""
    folder = real_data / "lung_ct"
    one, other = "val/Normal/normal_0264.jpg", "test/Normal/normal_0272.jpg"
    if not (folder / one).is_file():
        pytest.skip("no folder lung_ct")
    training = [Case("train/Normal/normal_0001.jpg", 0), Case("train/Malignant/malignant_0001.jpg", 1)]
    sections = {"training": training, "validation": [Case(one, 0)], "test": [Case(other, 0)]}
    report = build_data_report(Datalist("l", "binary", ("Normal", "Malignant"), folder, sections, {"method": "given"}))
    assert report["unreadable"] == []
    assert (report["near"]["pairs"], report["near"]["across_sections"]) == (1, 1)
