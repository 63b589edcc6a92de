from __future__ import annotations

from itertools import permutations, product
from pathlib import Path

import nibabel
import numpy as np
import pytest
import SimpleITK

from lungscan_monai.dicom.windows import Window
from lungscan_monai.errors import ReadError
from lungscan_monai.transforms.volumes import read_itk_slice, read_nifti_slice

WINDOW = Window(500, 1000)  # maps 0 to 0 and 1000 to 1
#: A body whose value tells the place: columns (patient's right to left), rows (front to back), slices (feet to head).
LEFT, BACK, HEAD = np.meshgrid(np.arange(4), np.arange(5), np.arange(6), indexing="ij")
BODY = (LEFT + 10 * BACK + 100 * HEAD).astype(np.int16)  # index (left, back, head): the LPS order of DICOM and ITK


def as_seen(head: int) -> np.ndarray:
    """Rows from front to back, columns from the patient's right to left."""
    return (BODY[:, :, head].T / 1000).astype(np.float32)


def nifti(folder: Path, values: np.ndarray, affine: np.ndarray | None = None, name: str = "a.nii.gz") -> Path:
    nibabel.save(nibabel.Nifti1Image(values, np.eye(4) if affine is None else affine), folder / name)
    return folder / name


def itk(folder: Path, values: np.ndarray, name: str = "a.mha", vector: bool = False) -> Path:
    SimpleITK.WriteImage(SimpleITK.GetImageFromArray(values, isVector=vector), str(folder / name))
    return folder / name


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_nifti_slice_looks_the_same_however_the_axes_are_stored(tmp_path: Path, order: tuple[int, ...]) -> None:
    lps_to_ras = np.diag([-1.0, -1.0, 1.0, 1.0])
    for signs in product((1, -1), repeat=3):
        values, affine = BODY.transpose(order), np.zeros((4, 4))
        for stored_axis, body_axis in enumerate(order):
            affine[body_axis, stored_axis] = signs[stored_axis]
            if signs[stored_axis] < 0:
                values = np.flip(values, stored_axis)
                affine[body_axis, 3] = BODY.shape[body_axis] - 1
        affine[3, 3] = 1
        path = nifti(tmp_path, np.ascontiguousarray(values), lps_to_ras @ affine)
        np.testing.assert_allclose(read_nifti_slice(path, 1, WINDOW), as_seen(1), atol=1e-6)
        np.testing.assert_allclose(read_nifti_slice(path, None, WINDOW), as_seen(3), atol=1e-6)


@pytest.mark.parametrize("orientation", ["LPS", "RAS", "PIR", "SAL", "ILP"])
@pytest.mark.parametrize("name", ["a.mha", "a.nrrd", "a.nii"])
def test_itk_slice_looks_the_same_however_the_axes_are_stored(tmp_path: Path, orientation: str, name: str) -> None:
    body = SimpleITK.DICOMOrient(SimpleITK.GetImageFromArray(BODY.transpose(2, 1, 0)), orientation)
    SimpleITK.WriteImage(body, str(tmp_path / name))
    read = read_nifti_slice if name == "a.nii" else read_itk_slice
    np.testing.assert_allclose(read(tmp_path / name, 1, WINDOW), as_seen(1), atol=1e-6)
    np.testing.assert_allclose(read(tmp_path / name, None, WINDOW), as_seen(3), atol=1e-6)


@pytest.mark.parametrize("shape", [(4, 5), (4, 5, 1), (4, 5, 1, 1)])
def test_volume_of_one_slice_is_a_plain_picture(tmp_path: Path, shape: tuple[int, ...]) -> None:
    values = BODY[:, :, 2]
    for affine in (np.eye(4), np.diag([-1.0, -1.0, 1.0, 1.0])):
        path = nifti(tmp_path, values.reshape(shape), affine)
        np.testing.assert_allclose(read_nifti_slice(path, window=WINDOW), as_seen(2), atol=1e-6)


@pytest.mark.parametrize("values", [BODY[:, :, 2].T, BODY[:, :, 2].T[None]])
def test_itk_picture_keeps_its_rows(tmp_path: Path, values: np.ndarray) -> None:
    np.testing.assert_allclose(read_itk_slice(itk(tmp_path, values), window=WINDOW), as_seen(2), atol=1e-6)


def test_scale_factors_of_nifti_are_applied(tmp_path: Path) -> None:
    image = nibabel.Nifti1Image(BODY, np.diag([-1.0, -1.0, 1.0, 1.0]))
    image.header.set_slope_inter(2, -100)
    nibabel.save(image, tmp_path / "a.nii")
    stored = nibabel.load(tmp_path / "a.nii")
    assert stored.dataobj.slope == 2
    np.testing.assert_allclose(read_nifti_slice(tmp_path / "a.nii", 2, WINDOW), 2 * as_seen(2) - 0.1, atol=1e-6)


def test_without_a_window_the_values_of_the_slice_are_spread(tmp_path: Path) -> None:
    values = np.zeros((2, 2, 3), np.float32)
    values[..., 1] = [[-5, 0], [5, np.nan]]
    values[..., 2] = 1000
    shades = read_nifti_slice(nifti(tmp_path, values, np.diag([-1.0, -1.0, 1.0, 1.0])), 1)
    np.testing.assert_array_equal(shades, np.float32([[0, 1], [0.5, 0]]))


def test_values_that_are_not_finite_are_black_under_a_window(tmp_path: Path) -> None:
    path = nifti(tmp_path, np.float32([[np.nan, 500], [-np.inf, 2000]]))
    np.testing.assert_array_equal(read_nifti_slice(path, window=WINDOW), np.float32([[0, 0], [0.5, 1]]))


def test_colours_of_itk_formats_are_kept(tmp_path: Path) -> None:
    colours = np.random.default_rng(0).integers(0, 256, (4, 5, 3)).astype(np.uint8)
    shades = read_itk_slice(itk(tmp_path, colours, vector=True))
    np.testing.assert_array_equal(shades, (colours / 255).astype(np.float32))


def refusal(read, *arguments) -> ReadError:
    with pytest.raises(ReadError) as caught:
        read(*arguments)
    return caught.value


def test_missing_slice_is_named(tmp_path: Path) -> None:
    for read, path in ((read_nifti_slice, nifti(tmp_path, BODY)), (read_itk_slice, itk(tmp_path, BODY))):
        count = 6 if read is read_nifti_slice else 4
        error = refusal(read, path, 9)
        assert error.code == "no-such-slice"
        assert f"has slices 0 to {count - 1}" in error.reason


def test_time_series_are_refused(tmp_path: Path) -> None:
    assert refusal(read_nifti_slice, nifti(tmp_path, np.zeros((2, 3, 4, 5), np.int16))).code == "dimensions"


def test_complex_numbers_are_refused(tmp_path: Path) -> None:
    assert refusal(read_nifti_slice, nifti(tmp_path, np.zeros((2, 3, 4), np.complex64))).code == "dimensions"
    assert refusal(read_itk_slice, itk(tmp_path, np.zeros((3, 4, 2), np.float32), vector=True)).code == "dimensions"


def test_damaged_files_are_refused(tmp_path: Path) -> None:
    for read, path in (
        (read_nifti_slice, nifti(tmp_path, BODY)),
        (read_nifti_slice, nifti(tmp_path, BODY, name="b.nii")),
        (read_itk_slice, itk(tmp_path, BODY)),
        (read_itk_slice, itk(tmp_path, BODY, "a.nrrd")),
    ):
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        assert refusal(read, path).code == "damaged"


def test_unknown_format_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no image")
    assert refusal(read_itk_slice, tmp_path / "notes.txt").code == "unknown-format"
