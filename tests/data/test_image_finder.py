from __future__ import annotations

import pytest

from lungscan_monai.data.image_finder import ImageFinder


@pytest.fixture
def finder(tmp_path):
    for name in ("a.png", "images_001/images/b.png", "images_002/c.jpg", "d.png", "x/d.jpg", "x/e.png", "y/e.tif"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "v.nii.gz").write_bytes(b"")
    return ImageFinder(tmp_path)


@pytest.mark.parametrize(
    ("reference", "found"),
    [
        ("a.png", ("a.png",)),
        ("x/e.png", ("x/e.png",)),
        ("b.png", ("images_001/images/b.png",)),
        ("c.png", ("images_002/c.jpg",)),
        ("d.png", ("d.png",)),
        ("d.jpg", ("x/d.jpg",)),
        ("e.jpg", ("x/e.png", "y/e.tif")),
        ("e.tif", ("y/e.tif",)),
        ("v.nii.gz#slice=3", ("v.nii.gz#slice=3",)),
        ("z/a.png", ()),
        ("z.png", ()),
        ("", ()),
    ],
)
def test_files_are_found_where_they_lie(finder, reference, found):
    assert finder.find(reference) == found
