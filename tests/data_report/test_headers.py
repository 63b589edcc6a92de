from __future__ import annotations

import nibabel
import numpy as np
import pytest
import SimpleITK
from PIL import Image

from lungscan_monai.data_report.headers import FileFacts, file_facts


@pytest.mark.parametrize(
    ("name", "pixels", "expected"),
    [
        ("a.png", np.zeros((4, 5), np.uint8), FileFacts("PNG", 8)),
        ("a.jpg", np.zeros((4, 5, 3), np.uint8), FileFacts("JPEG", 8)),
        ("b.png", np.zeros((4, 5), np.uint16), FileFacts("PNG", 16)),
        ("c.png", np.zeros((4, 5), bool), FileFacts("PNG", 1)),
        ("a.tif", np.zeros((4, 5), np.float32), FileFacts("TIFF", 32)),
    ],
)
def test_a_picture_file_is_known_by_its_content(tmp_path, name, pixels, expected):
    Image.fromarray(pixels).save(tmp_path / name)
    renamed = (tmp_path / name).rename(tmp_path / "renamed.bin")
    assert file_facts(renamed) == expected


def test_dicom_tells_its_stored_bits(write_dicom):
    path = write_dicom("a.dcm", np.zeros((4, 5), np.uint16), bits=12)
    assert file_facts(path) == file_facts(f"{path}#frame=0") == FileFacts("DICOM", 12)


@pytest.mark.parametrize("kind", [nibabel.Nifti1Image, nibabel.Nifti2Image])
@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
@pytest.mark.parametrize(("dtype", "bits"), [(np.int16, 16), (np.float64, 64)])
def test_nifti_tells_its_bits(tmp_path, kind, name, dtype, bits):
    nibabel.save(kind(np.zeros((3, 4, 5), dtype), np.eye(4)), tmp_path / name)
    assert file_facts(f"{tmp_path / name}#slice=1") == FileFacts("NIfTI", bits)


def test_nifti_of_the_other_byte_order_tells_its_bits(tmp_path):
    header = nibabel.Nifti1Header(endianness=">")
    header.set_data_dtype(np.uint8)
    nibabel.save(nibabel.Nifti1Image(np.zeros((3, 4, 5), np.uint8), np.eye(4), header), tmp_path / "a.nii")
    assert file_facts(tmp_path / "a.nii") == FileFacts("NIfTI", 8)


def test_other_formats_are_named_by_their_suffix(tmp_path):
    SimpleITK.WriteImage(SimpleITK.GetImageFromArray(np.zeros((3, 4, 5), np.int16)), tmp_path / "a.mha")
    assert file_facts(tmp_path / "a.mha") == FileFacts("MHA", None)
