from __future__ import annotations

from pathlib import PurePosixPath

import pytest

from lungscan_monai.data.files import files_below, images_below, is_hidden, is_image, without_suffix


@pytest.mark.parametrize("name", ["a.png", "a.JPG", "a.jpeg", "a.dcm", "a.bmp", "a.tif", "a.tiff", "a.nii", "a.nii.gz"])
def test_images_are_known_by_their_suffix(tmp_path, name):
    (tmp_path / name).write_bytes(b"")
    assert is_image(tmp_path / name)


@pytest.mark.parametrize("name", ["IM0001", "1.2.840.113619.7"])
def test_dicom_needs_no_suffix(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(bytes(128) + b"DICM")
    assert is_image(path)
    path.write_bytes(b"something else")
    assert not is_image(path)


def test_other_suffixes_are_no_images(tmp_path):
    (tmp_path / "a.txt").write_bytes(bytes(128) + b"DICM")
    assert not is_image(tmp_path / "a.txt")


def test_files_come_in_the_order_of_names_with_the_folders_after_the_files(tmp_path):
    for name in ("b/2.txt", "a/1.png", "z.png", "a/c/0.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    assert [str(file) for file in files_below(tmp_path)] == ["z.png", "a/1.png", "a/c/0.png", "b/2.txt"]
    assert [str(file) for file in images_below(tmp_path)] == ["z.png", "a/1.png", "a/c/0.png"]


def test_links_to_folders_are_followed_but_not_in_circles(tmp_path):
    (tmp_path / "set" / "a").mkdir(parents=True)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "1.png").write_bytes(b"")
    (tmp_path / "set" / "link").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    (tmp_path / "set" / "a" / "back").symlink_to(tmp_path / "set", target_is_directory=True)
    assert [str(file) for file in files_below(tmp_path / "set")] == ["link/1.png"]


@pytest.mark.parametrize("name", [".x/1.png", "a/._1.png", "__MACOSX/1.png"])
def test_what_archives_and_desktops_leave_is_hidden(name):
    assert is_hidden(PurePosixPath(name))
    assert not is_hidden(PurePosixPath("a/1.png"))


@pytest.mark.parametrize(
    ("name", "bare"),
    [
        ("00000061_012.png", "00000061_012"),
        ("images/x.JPEG", "x"),
        ("ct.nii.gz", "ct"),
        ("1.2.840.113619", "1.2.840.113619"),
        ("notes.txt", "notes.txt"),
        ("a\\b.dcm", "b"),
    ],
)
def test_only_image_suffixes_are_cut_off(name, bare):
    assert without_suffix(name) == bare
