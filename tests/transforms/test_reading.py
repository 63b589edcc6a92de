from __future__ import annotations

import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import pytest
import SimpleITK
import torch
from monai.data import DataLoader, Dataset, MetaTensor, set_track_meta
from monai.transforms import Compose, EnsureChannelFirstd, LoadImage, LoadImaged, Resized
from PIL import Image

from lungscan_monai.errors import ConfigError, ReadError
from lungscan_monai.transforms.reading import MedicalImageReader, read_image

ROWS, COLUMNS = 48, 64


def picture() -> np.ndarray:
    """An uneven picture of uint8 that reaches 0 and 255: bright top left corner, dark bottom, one white bar."""
    rows, columns = np.mgrid[0:ROWS, 0:COLUMNS]
    values = 200 - 3 * rows - columns
    values[30:34, 40:60] = 255
    values[-1, -1] = 0
    return np.clip(values, 0, 255).astype(np.uint8)


@pytest.fixture
def same_picture(tmp_path: Path, write_dicom: Callable[..., Path]) -> dict[str, Path]:
    """One picture in every format."""
    values = picture()
    Image.fromarray(values).save(tmp_path / "a.png")
    Image.fromarray(values.astype(np.uint16) * 257).save(tmp_path / "sixteen.png")
    Image.fromarray(values).save(tmp_path / "a.tif")
    nibabel.save(nibabel.Nifti1Image(values.T[..., None], np.eye(4)), tmp_path / "a.nii.gz")
    SimpleITK.WriteImage(SimpleITK.GetImageFromArray(values), str(tmp_path / "a.mha"))
    window = {"WindowCenter": 128, "WindowWidth": 256}
    return {
        "png": tmp_path / "a.png",
        "16-bit png": tmp_path / "sixteen.png",
        "tiff": tmp_path / "a.tif",
        "nifti": tmp_path / "a.nii.gz",
        "mha": tmp_path / "a.mha",
        "monochrome2": write_dicom("two.dcm", values, **window),
        "monochrome1": write_dicom("one.dcm", 255 - values, PhotometricInterpretation="MONOCHROME1", **window),
        "no window": write_dicom("none.dcm", values),
        "no suffix": write_dicom("IM000001", values),
        "modality lut": write_dicom("hu.dcm", values, RescaleSlope=3, RescaleIntercept=-1024),
    }


def test_one_picture_is_the_same_array_in_every_format(same_picture: dict[str, Path]) -> None:
    expected = (picture() / 255).astype(np.float32)[None]
    for name, path in same_picture.items():
        image = read_image(path)
        assert (image.shape, image.dtype) == ((1, ROWS, COLUMNS), np.float32), name
        np.testing.assert_allclose(image, expected, atol=1e-7, err_msg=name)


def test_jpeg_is_the_same_picture_within_its_loss(tmp_path: Path) -> None:
    Image.fromarray(picture()).save(tmp_path / "a.jpg", quality=95)
    assert np.abs(read_image(tmp_path / "a.jpg")[0] - picture() / 255).mean() < 0.01


def test_colour_comes_channels_first(tmp_path: Path, write_dicom: Callable[..., Path]) -> None:
    colours = np.random.default_rng(0).integers(0, 256, (5, 7, 3)).astype(np.uint8)
    Image.fromarray(colours).save(tmp_path / "a.png")
    expected = (colours / 255).astype(np.float32).transpose(2, 0, 1)
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), expected)
    np.testing.assert_array_equal(read_image(write_dicom("a.dcm", colours)), expected)


def test_window_in_hounsfield_units_means_the_same_for_dicom_nifti_and_mha(
    tmp_path: Path, write_dicom: Callable[..., Path]
) -> None:
    hounsfield = np.random.default_rng(0).integers(-1000, 1500, (6, 7)).astype(np.int16)
    attributes = {"RescaleSlope": 1, "RescaleIntercept": -1024, "WindowCenter": 500, "WindowWidth": 10}
    nibabel.save(nibabel.Nifti1Image(hounsfield.T, np.eye(4)), tmp_path / "a.nii")
    SimpleITK.WriteImage(SimpleITK.GetImageFromArray(hounsfield), str(tmp_path / "a.mha"))
    paths = [write_dicom("a.dcm", hounsfield + 1024, **attributes), tmp_path / "a.nii", tmp_path / "a.mha"]
    expected = np.clip((hounsfield + 160) / 400, 0, 1)[None]
    for path in paths:
        np.testing.assert_allclose(read_image(path, window=(40, 400)), expected, atol=1e-6)


def test_window_leaves_display_ready_pictures_alone(tmp_path: Path) -> None:
    Image.fromarray(picture()).save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_image(tmp_path / "a.png", window=(40, 400)), read_image(tmp_path / "a.png"))


def test_fragment_chooses_the_slice_or_frame(tmp_path: Path, write_dicom: Callable[..., Path]) -> None:
    values = np.random.default_rng(0).integers(0, 1000, (5, 6, 7)).astype(np.uint16)
    dicom = write_dicom("a.dcm", values, frames=5)
    nibabel.save(nibabel.Nifti1Image(values.transpose(2, 1, 0), np.diag([-1.0, -1.0, 1.0, 1.0])), tmp_path / "a.nii")
    for path, name in ((dicom, "frame"), (tmp_path / "a.nii", "slice")):
        low, high = values[3].min(), values[3].max()
        image = read_image(f"{path}#{name}=3")
        np.testing.assert_allclose(image[0], (values[3] - float(low)) / (high - low), atol=1e-6)
        np.testing.assert_array_equal(read_image(path), read_image(f"{path}#{name}=2"))


# --- errors -----------------------------------------------------------------------------------------------------


def test_missing_file_is_named_without_its_folder(tmp_path: Path) -> None:
    with pytest.raises(ReadError, match=r"^gone\.png: there is no such file \[missing-file\]$"):
        read_image(tmp_path / "gone.png")


def test_unknown_format_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no image")
    with pytest.raises(ReadError, match="no known format"):
        read_image(tmp_path / "notes.txt")


@pytest.mark.parametrize("window", [(40,), (40, 0), (40, -1), "wide", (1, 2, 3), (float("nan"), 4), 7])
def test_impossible_window_is_refused(window: object) -> None:
    with pytest.raises(ConfigError, match="expected a center and a width above 0"):
        MedicalImageReader(window=window)
    with pytest.raises(ConfigError):
        read_image("any.dcm", window=window)


# --- in MONAI ---------------------------------------------------------------------------------------------------


def test_load_imaged_gives_the_picture_and_its_file_name(same_picture: dict[str, Path]) -> None:
    load = LoadImaged(keys="image", reader=MedicalImageReader())
    for path in same_picture.values():
        image = load({"image": str(path)})["image"]
        assert isinstance(image, MetaTensor)
        assert tuple(image.shape) == (1, ROWS, COLUMNS)
        assert image.meta["filename_or_obj"] == str(path)
        assert image.meta["original_channel_dim"] == 0
        assert tuple(image.meta["spatial_shape"]) == (ROWS, COLUMNS)
        np.testing.assert_array_equal(image.affine.numpy(), np.eye(4))
        np.testing.assert_array_equal(image.numpy(), read_image(path))


def test_load_imaged_with_separate_meta_data(same_picture: dict[str, Path]) -> None:
    load = LoadImaged(keys="image", reader=MedicalImageReader(), image_only=False)
    result = load({"image": same_picture["monochrome1"]})
    np.testing.assert_array_equal(result["image"].numpy(), read_image(same_picture["png"]))
    assert result["image_meta_dict"]["filename_or_obj"] == str(same_picture["monochrome1"])


def test_reader_is_found_by_its_dotted_name_and_takes_the_window(write_dicom: Callable[..., Path]) -> None:
    path = write_dicom("a.dcm", np.array([[-160, 40, 240]], np.int16))
    load = LoadImage(reader="lungscan_monai.transforms.reading.MedicalImageReader", window=[40, 400])
    np.testing.assert_array_equal(load(path).numpy(), np.float32([[[0, 0.5, 1]]]))


def test_track_meta_off_gives_a_plain_tensor(same_picture: dict[str, Path]) -> None:
    set_track_meta(False)
    try:
        image = LoadImage(reader=MedicalImageReader())(same_picture["png"])
    finally:
        set_track_meta(True)
    assert type(image) is torch.Tensor
    assert tuple(image.shape) == (1, ROWS, COLUMNS)


@pytest.mark.parametrize("image_only", [True, False])
@pytest.mark.parametrize("ensure", [True, False])
def test_chain_to_a_resized_picture_keeps_it_upright(
    same_picture: dict[str, Path], image_only: bool, ensure: bool
) -> None:
    chain = Compose(
        [
            LoadImaged("image", MedicalImageReader(), image_only=image_only, ensure_channel_first=ensure),
            EnsureChannelFirstd("image"),
            Resized("image", (ROWS // 2, COLUMNS // 2), mode="area"),
        ]
    )
    expected = (picture() / 255).reshape(ROWS // 2, 2, COLUMNS // 2, 2).mean(axis=(1, 3))
    for name, path in same_picture.items():
        image = chain({"image": str(path)})["image"]
        np.testing.assert_allclose(image[0].numpy(), expected, atol=1e-5, err_msg=name)


def test_fragment_survives_load_imaged(write_dicom: Callable[..., Path]) -> None:
    path = write_dicom("a.dcm", np.arange(24, dtype=np.uint16).reshape(2, 3, 4), frames=2)
    reference = f"{path}#frame=0"
    image = LoadImaged("image", MedicalImageReader())({"image": reference})["image"]
    assert image.meta["filename_or_obj"] == reference
    np.testing.assert_array_equal(image.numpy(), read_image(reference))


def test_damaged_file_is_not_handed_to_monais_own_readers(tmp_path: Path) -> None:
    (tmp_path / "a.dcm").write_bytes(b"no image")
    with pytest.raises(ReadError, match=r"a\.dcm"):
        LoadImaged("image", MedicalImageReader())({"image": str(tmp_path / "a.dcm")})


def test_several_files_for_one_case_are_refused(same_picture: dict[str, Path]) -> None:
    with pytest.raises(ReadError, match="one file was expected, not 2"):
        LoadImage(MedicalImageReader())([same_picture["png"], same_picture["tiff"]])


def test_batches_of_mixed_formats_are_loaded_by_workers(same_picture: dict[str, Path]) -> None:
    cases = [{"image": str(path)} for path in same_picture.values()]
    loader = DataLoader(Dataset(cases, LoadImaged("image", MedicalImageReader())), batch_size=len(cases), num_workers=1)
    batch = next(iter(loader))["image"]
    assert tuple(batch.shape) == (len(cases), 1, ROWS, COLUMNS)
    np.testing.assert_allclose(batch.numpy(), np.tile(picture() / 255, (len(cases), 1, 1, 1)), atol=1e-6)


def test_reader_is_picklable() -> None:
    reader = pickle.loads(pickle.dumps(MedicalImageReader(window=(40, 400))))
    assert reader.verify_suffix("anything")


def test_pixels_need_no_torch() -> None:
    code = "import sys, lungscan_monai.dicom.pixels; sys.exit('torch' in sys.modules or 'monai' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[2], check=False).returncode == 0


# --- real files -------------------------------------------------------------------------------------------------


def test_every_real_dicom_and_nifti_file_is_read(real_data: Path) -> None:
    paths = [*sorted((real_data / "dicom").rglob("*.dcm")), *sorted((real_data / "nifti").glob("*.nii.gz"))]
    assert len(paths) > 10
    for path in paths:
        image = read_image(path)
        assert image.ndim == 3, path.name
        assert image.shape[0] in (1, 3), path.name
        assert 0 <= image.min() < image.max() <= 1, path.name


def test_real_ct_lies_on_its_back(real_data: Path) -> None:
    image = read_image(real_data / "nifti" / "ct_body.nii.gz#slice=80", window=(40, 400))[0]
    body = np.flatnonzero((image > 0.4).sum(axis=1) > 10)
    bone = np.flatnonzero((image > 0.99).any(axis=1))
    assert np.median(bone) > (body[0] + body[-1]) / 2  # the spine is in the lower half
