from __future__ import annotations

from pathlib import Path

import pytest

from lungscan_monai.data.folders import read_folder
from lungscan_monai.errors import ConfigError, DatalistError


@pytest.fixture
def plant(tmp_path):
    """A maker of files below one folder, which it returns."""

    def make(*names: str) -> Path:
        for name in names:
            path = tmp_path / "set" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"x")
        return tmp_path / "set"

    return make


def images(cases) -> list[tuple[str, int]]:
    return [(case.image, case.label) for case in cases]


def test_class_folders_without_sections_are_left_to_split(plant):
    listing = read_folder(plant("Tumor/1.png", "Normal/2.jpg", "Cyst/deep/er/3.JPEG"))
    assert listing.labels == ("Normal", "Cyst", "Tumor")
    assert listing.kind == "multiclass"
    assert images(listing.unsplit) == [("Cyst/deep/er/3.JPEG", 1), ("Normal/2.jpg", 0), ("Tumor/1.png", 2)]
    assert not listing.given


def test_section_folders_are_known_by_all_their_names_in_any_case(plant):
    listing = read_folder(plant("TRAIN/a/1.png", "Training/b/2.png", "Valid/a/3.png", "testing/b/4.png"))
    assert {name: images(cases) for name, cases in listing.given.items()} == {
        "training": [("TRAIN/a/1.png", 0), ("Training/b/2.png", 1)],
        "validation": [("Valid/a/3.png", 0)],
        "test": [("testing/b/4.png", 1)],
    }
    assert listing.kind == "binary"


def test_folders_around_the_whole_are_passed_over(plant):
    listing = read_folder(plant("zip/chest_xray/train/A/1.png", "zip/chest_xray/train/B/2.png"))
    assert list(listing.given) == ["training"]
    assert images(listing.given["training"])[0] == ("zip/chest_xray/train/A/1.png", 0)
    assert images(read_folder(plant("zip/chest_xray/train/A/1.png").parent / "set" / "zip").given["training"]) == [
        ("chest_xray/train/A/1.png", 0),
        ("chest_xray/train/B/2.png", 1),
    ]


def test_what_is_not_used_is_listed(plant):
    root = plant(
        *("train/A/1.png", "train/B/2.png", "train/loose.png", "extra/A/3.png", "train/A/.hidden.png"),
        *("train/A/notes.txt", "manifest.csv", "__MACOSX/train/A/._1.png"),
    )
    listing = read_folder(root)
    assert len(listing.given["training"]) == 2
    assert set(listing.skipped) == {
        *("train/loose.png", "extra/A/3.png", "train/A/.hidden.png"),
        *("train/A/notes.txt", "manifest.csv", "__MACOSX/train/A/._1.png"),
    }


def test_given_labels_set_order_and_spelling(plant):
    listing = read_folder(plant("NORMAL/1.png", "PNEUMONIA/2.png"), labels=["Pneumonia", "Normal"])
    assert listing.labels == ("Pneumonia", "Normal")
    assert images(listing.unsplit) == [("NORMAL/1.png", 1), ("PNEUMONIA/2.png", 0)]


def test_one_class_spelled_in_two_ways_is_one_class(plant):
    listing = read_folder(plant("train/NORMAL/1.png", "train/B/2.png", "test/normal/3.png", "test/b/4.png"))
    assert listing.labels == ("NORMAL", "B")
    assert images(listing.given["test"]) == [("test/b/4.png", 1), ("test/normal/3.png", 0)]


def test_folders_that_are_none_of_the_labels_are_named_all(plant):
    with pytest.raises(DatalistError) as caught:
        read_folder(plant("Normal/1.png", "Cyts/2.png", "Stome/3.png"), labels=["Normal", "Cyst"])
    assert caught.value.defects == (
        "folder Cyts is none of the labels Normal, Cyst; rename it, or move it away",
        "folder Stome is none of the labels Normal, Cyst; rename it, or move it away",
        "label Cyst has no folder with images; the class folders are Cyts, Normal, Stome",
    )


def test_patients_are_read_from_the_file_names(plant):
    root = plant("A/person7_virus_1.jpeg", "B/person9_bacteria_2.jpeg", "B/other.jpeg")
    listing = read_folder(root, patient_regex="kermany")
    assert [case.patient for case in listing.unsplit] == ["person7", None, "person9"]
    with pytest.raises(DatalistError, match="matches no file name, for instance A/person7"):
        read_folder(root, patient_regex=r"^(\d+)_")
    with pytest.raises(ConfigError):
        read_folder(root, patient_regex="person")


@pytest.mark.parametrize(
    ("names", "sentence"), [((), "found none"), (("A/1.png",), "found none"), (("1.png",), "found none")]
)
def test_a_folder_without_classes_is_refused(plant, tmp_path, names, sentence):
    (tmp_path / "set").mkdir(exist_ok=True)
    plant(*names)
    with pytest.raises(DatalistError, match=f"expected one folder for each class, {sentence}"):
        read_folder(tmp_path / "set")


def test_a_class_folder_itself_is_no_data_set(plant):
    with pytest.raises(DatalistError, match="expected one folder for each of A, B, found none.*the folder around them"):
        read_folder(plant("1.png", "2.png"), labels=["A", "B"])


def test_several_findings_do_not_fit_class_folders(plant):
    with pytest.raises(ConfigError, match="exactly one class for each case; give a table"):
        read_folder(plant("A/1.png", "B/2.png"), labels=["Mass", "Nodule"], kind="multilabel")


def test_an_absent_folder_is_refused(tmp_path):
    with pytest.raises(DatalistError, match="no such folder"):
        read_folder(tmp_path / "nowhere")


def test_the_kermany_pneumonia_images_are_read_as_they_lie(real_data):
    listing = read_folder(real_data / "pneumonia_224", patient_regex="kermany")
    assert {name: len(cases) for name, cases in listing.given.items()} == {
        "training": 2283,
        "validation": 402,
        "test": 564,
    }
    assert all(case.patient for cases in listing.given.values() for case in cases)


KIDNEY = ("Cyst", "Normal", "Stone", "Tumor")


def test_class_folders_are_found_by_their_labels_wherever_they_lie(plant):
    wrapped = [f"CT-KIDNEY/CT-KIDNEY/{label}/{label}- (1).jpg" for label in KIDNEY]
    root = plant(*wrapped, "CT-KIDNEY/kidneyData.csv", "figures/overview.png")
    listing = read_folder(root, labels=KIDNEY)
    assert images(listing.unsplit) == [(name, index) for index, name in enumerate(wrapped)]
    assert listing.skipped == ("CT-KIDNEY/kidneyData.csv", "figures/overview.png")


def test_class_folders_may_lie_in_different_places(plant):
    listing = read_folder(
        plant("part1/zip/Cyst/1.png", "part2/Normal/2.png", "part2/Tumor/3.png"), labels=KIDNEY[::3] + ("Normal",)
    )
    assert images(listing.unsplit) == [("part1/zip/Cyst/1.png", 0), ("part2/Normal/2.png", 2), ("part2/Tumor/3.png", 1)]


def test_a_folder_around_all_that_is_called_like_a_label_is_no_class(plant):
    root = plant("pneumonia/train/NORMAL/1.png", "pneumonia/train/PNEUMONIA/2.png", "pneumonia/test/NORMAL/3.png")
    listing = read_folder(root, labels=["Normal", "Pneumonia"])
    assert {name: images(cases) for name, cases in listing.given.items()} == {
        "training": [("pneumonia/train/NORMAL/1.png", 0), ("pneumonia/train/PNEUMONIA/2.png", 1)],
        "test": [("pneumonia/test/NORMAL/3.png", 0)],
    }


def test_the_misspelt_folders_of_the_lung_cancer_slices_are_the_labels(plant):
    root = "The IQ-OTHNCCD lung cancer dataset/The IQ-OTHNCCD lung cancer dataset"
    planted = plant(
        *(f"{root}/Bengin cases/Bengin case ({number}).jpg" for number in (1, 2)),
        f"{root}/Malignant cases/Malignant case (1).jpg",
        f"{root}/Normal cases/Normal case (1).jpg",
        f"{root}/Test cases/000019 (1).jpg",
        f"{root}/IQ-OTH_NCCD lung cancer dataset.txt",
    )
    listing = read_folder(planted, labels=["Normal", "Benign", "Malignant"])
    assert sorted(case.label for case in listing.unsplit) == [0, 1, 1, 2]
    assert listing.labels == ("Normal", "Benign", "Malignant")
    assert [name.rpartition("/")[2] for name in listing.skipped] == [
        "IQ-OTH_NCCD lung cancer dataset.txt",
        "000019 (1).jpg",
    ]


def test_sections_above_known_class_folders_are_kept_and_what_has_none_is_left_out(plant):
    root = plant("Training/Cyst/1.png", "Training/Tumor/2.png", "Testing/Cyst/3.png", "sample/Tumor/4.png")
    listing = read_folder(root, labels=["Cyst", "Tumor"])
    assert {name: len(cases) for name, cases in listing.given.items()} == {"training": 2, "test": 1}
    assert listing.skipped == ("sample/Tumor/4.png",)


def test_a_copy_of_the_whole_inside_the_whole_is_left_out(plant):
    root = plant(
        *("chest_xray/train/NORMAL/1.png", "chest_xray/train/PNEUMONIA/2.png", "chest_xray/test/NORMAL/3.png"),
        *("chest_xray/chest_xray/train/NORMAL/1.png", "chest_xray/chest_xray/test/NORMAL/3.png"),
    )
    listing = read_folder(root, labels=["Normal", "Pneumonia"])
    assert {name: len(cases) for name, cases in listing.given.items()} == {"training": 2, "test": 1}
    assert listing.skipped == ("chest_xray/chest_xray/test/NORMAL/3.png", "chest_xray/chest_xray/train/NORMAL/1.png")


def test_files_of_one_name_in_different_parts_are_different_images(plant):
    listing = read_folder(plant("part1/A/1.png", "part2/A/1.png", "part2/B/1.png"), labels=["A", "B"])
    assert len(listing.unsplit) == 3


def test_a_label_that_comes_from_elsewhere_needs_no_folder(plant):
    root = plant("Normal/1.png")
    listing = read_folder(root, labels=["Normal", "Unknown"], labels_elsewhere=["Unknown"])
    assert (listing.kind, len(listing.unsplit)) == ("binary", 1)


def test_patients_may_be_folders(plant):
    root = plant("A/p01/1.png", "A/p02/1.png", "B/p03/1.png")
    listing = read_folder(root, patient_regex=r"/(p\d+)/")
    assert [case.patient for case in listing.unsplit] == ["p01", "p02", "p03"]
