from __future__ import annotations

import pytest

from lungscan_monai.data.inputs import image_records
from lungscan_monai.errors import DataError


def test_images_are_listed_by_their_path_below_the_folder(tmp_path):
    for name in ("b.png", "a/2.dcm", "a/notes.txt", ".hidden/1.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    assert image_records(tmp_path) == [
        {"image": str(tmp_path / "a/2.dcm"), "case": "a/2.dcm"},
        {"image": str(tmp_path / "b.png"), "case": "b.png"},
    ]


def test_a_folder_without_images_is_refused(tmp_path):
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(DataError, match="none of its 1 files is an image"):
        image_records(tmp_path)
    with pytest.raises(DataError, match="no such folder"):
        image_records(tmp_path / "absent")
