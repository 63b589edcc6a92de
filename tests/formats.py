"""One picture in every format that it can come in, for whoever must answer alike for all of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import nibabel
import numpy as np
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import (
    ComputedRadiographyImageStorage,
    CTImageStorage,
    DigitalXRayImageStorageForPresentation,
    ExplicitVRLittleEndian,
    generate_uid,
)

SOP_CLASSES = {
    "CR": ComputedRadiographyImageStorage,
    "DX": DigitalXRayImageStorageForPresentation,
    "CT": CTImageStorage,
}
FULL_SCALE = (127.5, 255.0)
"""Centre and width of the window that shows 8-bit values as they are."""


def patches(seed: int, shape: tuple[int, int] = (72, 60)) -> np.ndarray:
    """Return a grey picture, uint8, that has black and white in it and no symmetry."""
    random = np.random.default_rng(seed)
    coarse = Image.fromarray(random.integers(0, 256, (6, 5), dtype=np.uint8))
    picture = np.asarray(coarse.resize(shape[::-1], Image.Resampling.BICUBIC)).copy()
    picture[:8, :8], picture[-8:, -8:] = 0, 255
    return picture


def write_formats(
    folder: Path, picture: np.ndarray, modalities: Sequence[str], window: Sequence[float] | None = None
) -> dict[str, Path]:
    """Write one picture in every format, each under a name of its own.

    Args:
        folder: Is made.
        picture: Shades, uint8, shape ``(H, W)``; what JPEG makes of them is what all files show.
        modalities: DICOM modalities to write, each in both polarities.
        window: Centre and width of the bundle's own window; physical values are such that it shows the same shades.

    Returns:
        The files by format: ``"png"``, ``"jpeg"``, ``"nifti"``, and for each modality ``"CR"`` and ``"CR inverted"``.
    """
    folder.mkdir(parents=True, exist_ok=True)
    files = {"jpeg": folder / "as_jpeg.jpg", "png": folder / "as_png.png", "nifti": folder / "as_nifti.nii.gz"}
    Image.fromarray(picture).save(files["jpeg"], quality=95)
    shades = np.asarray(Image.open(files["jpeg"]))
    Image.fromarray(shades).save(files["png"])
    slope, intercept = _units(window)
    values = (shades * slope + intercept).astype(np.float32).T[:, :, None]
    nibabel.save(nibabel.Nifti1Image(values, np.eye(4)), files["nifti"])
    for modality in modalities:
        for name, inverted in ((modality, False), (f"{modality} inverted", True)):
            files[name] = folder / f"as_{name.replace(' ', '_')}.dcm"
            dicom_of(shades, modality, inverted, window).save_as(files[name], enforce_file_format=True)
    return files


def dicom_of(
    shades: np.ndarray, modality: str, inverted: bool = False, window: Sequence[float] | None = None, **attributes
) -> Dataset:
    """Return a DICOM object that shows shades ``(H, W)``, uint8, in one of the two polarities."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = SOP_CLASSES[modality]
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = generate_uid(), generate_uid()
    dataset.Modality = modality
    dataset.PatientID, dataset.PatientName = "P-1", "Example^Ada"
    dataset.Rows, dataset.Columns = shades.shape
    dataset.SamplesPerPixel, dataset.PixelRepresentation = 1, 0
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 8, 8, 7
    dataset.PhotometricInterpretation = "MONOCHROME1" if inverted else "MONOCHROME2"
    slope, intercept = _units(window)
    dataset.RescaleSlope, dataset.RescaleIntercept = f"{slope:.14g}", f"{intercept:g}"
    dataset.WindowCenter, dataset.WindowWidth = window or FULL_SCALE
    dataset.VOILUTFunction = "LINEAR_EXACT"
    for keyword, value in attributes.items():
        setattr(dataset, keyword, value)
    dataset.PixelData = (255 - shades if inverted else shades).tobytes()
    return dataset


def _units(window: Sequence[float] | None) -> tuple[float, float]:
    """Return slope and intercept that take shades to physical values."""
    center, width = window or FULL_SCALE
    return width / 255, center - width / 2
