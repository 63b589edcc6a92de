"""Which part of which file an image reference means."""

from pathlib import Path

import pytest

from lungscan_monai.data.references import split_reference, without_fragment


@pytest.mark.parametrize(
    ("reference", "path", "index"),
    [
        ("a/b.nii.gz#slice=12", "a/b.nii.gz", 12),
        ("loop.dcm#frame=0", "loop.dcm", 0),
        ("a/b#1.png", "a/b#1.png", None),
        ("odd#slice=x.png", "odd#slice=x.png", None),
        ("a.nii#slice=-1", "a.nii#slice=-1", None),
        ("#slice=1", "#slice=1", None),
        ("a.png", "a.png", None),
    ],
)
def test_a_reference_is_split_into_file_and_index(reference, path, index):
    assert split_reference(reference) == (Path(path), index)
    assert without_fragment(reference) == path


def test_the_path_is_kept_letter_by_letter():
    assert without_fragment("./a//b.dcm#frame=1") == "./a//b.dcm"
