from __future__ import annotations

from pathlib import Path

from lungscan_monai.inference.folders import FolderOnDisk


def test_the_output_is_not_looked_at_by_whichever_way_it_can_be_reached(tmp_path: Path) -> None:
    root, left_out, elsewhere = tmp_path / "in", tmp_path / "in" / "b" / "out", tmp_path / "elsewhere"
    for folder in (root / "a", left_out / "c", root / "b" / "outer", elsewhere):
        folder.mkdir(parents=True)
    for file in (root / "1", root / "a" / "2", left_out / "3", left_out / "c" / "4", elsewhere / "6"):
        file.touch()
    (root / "b" / "outer" / "5").touch()
    (root / "to_a_file_of_it").symlink_to(left_out / "3")
    (root / "to_it").symlink_to(left_out)
    (root / "elsewhere").symlink_to(elsewhere)
    (root / "to_a_file_elsewhere").symlink_to(elsewhere / "6")
    found = {str(file) for file in FolderOnDisk(root, left_out).files()}
    assert found == {"1", "a/2", "b/outer/5", "elsewhere/6", "to_a_file_elsewhere"}


def test_nor_is_what_the_output_links_to(tmp_path: Path) -> None:
    root, left_out, elsewhere = tmp_path / "in", tmp_path / "in" / "out", tmp_path / "elsewhere"
    left_out.mkdir(parents=True)
    elsewhere.mkdir()
    (elsewhere / "1").touch()
    (left_out / "link").symlink_to(elsewhere)
    assert not list(FolderOnDisk(root, left_out).files())
