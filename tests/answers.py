"""Answers about DICOM files, made by hand: results need no network."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import (
    ComputedRadiographyImageStorage,
    CTImageStorage,
    DigitalXRayImageStorageForPresentation,
    ExplicitVRLittleEndian,
)

from lungscan_monai.inference.answering import Prediction, Reject
from lungscan_monai.inference.series import SeriesAnswer
from lungscan_monai.inference.studies import Analysed, Heatmap, ModelIdentity
from lungscan_monai.metrics.operating_points import OperatingPoint
from lungscan_monai.task import LabelCode
from lungscan_monai.transforms.images import read_image

IDENTITY = ModelIdentity(
    name="pneumonia_cxr_classification",
    title="Pneumonia on a frontal chest X-ray: yes or no",
    version="0.1.0",
    sha256="7c" * 32,
    kind="binary",
    label_names=("Normal", "Pneumonia"),
    calibrated=True,
    operating_points={"Pneumonia": OperatingPoint(0.45, "youden", 0.9, 0.8, "validation", 50)},
    intended_use="Research and teaching.",
    backend="torch",
    label_codes=(LabelCode("SCT", "17621005", "Normal"), LabelCode("SCT", "233604007", "Pneumonia")),
    fitted="e1" * 32,
)


def spot(shape: tuple[int, int] = (7, 9)) -> np.ndarray:
    """Return a map whose upper left part is salient."""
    saliency = np.zeros(shape, np.float32)
    saliency[: shape[0] // 2, : shape[1] // 2] = 1
    return saliency


def answered(path: Path, explained: bool = True) -> Analysed:
    """Return an answer about a radiograph."""
    answer = Prediction(str(path), {"Normal": 0.127, "Pneumonia": 0.873}, "Pneumonia", 0.45)
    heatmaps = (Heatmap(path, "Pneumonia", "gradcam", spot(), read_image(path)[0]),) if explained else ()
    return Analysed((path,), answer, heatmaps)


def answered_series(paths: list[Path]) -> Analysed:
    """Return an answer about slices, the second of which speaks for it most."""
    rows = np.array([0.127, 0.873])
    answer = Prediction("2.25.55", {"Normal": 0.127, "Pneumonia": 0.873}, "Pneumonia", 0.45)
    heatmap = Heatmap(paths[1], "Pneumonia", "gradcam", spot(), read_image(paths[1])[0])
    series = SeriesAnswer(rows, len(paths), len(paths), 0, 0, 5.0, "complete")
    return Analysed(tuple(paths), answer, (heatmap,), series)


def refused(path: Path) -> Analysed:
    """Return a refusal of a radiograph."""
    reason = "not assessable: a localizer, and no slice of the examination"
    return Analysed((path,), Reject(str(path), "localizer", reason))


MARKER = 6
"""Rows and columns of the bright mark in the upper left corner of every image."""

_SOP_CLASSES = {
    "DX": DigitalXRayImageStorageForPresentation,
    "CR": ComputedRadiographyImageStorage,
    "CT": CTImageStorage,
}


def write_source(path: Path, modality: str = "DX", bits: int = 12, number: int = 1, **attributes) -> Path:
    """Write a dark image, 40 rows and 30 columns, with a bright mark; attributes that are None are left out."""
    shades = np.full((40, 30), 0.1)
    shades[:MARKER, :MARKER] = 0.9
    if attributes.get("PhotometricInterpretation") == "MONOCHROME1":
        shades = 1 - shades
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = _SOP_CLASSES[modality]
    dataset.file_meta.MediaStorageSOPInstanceUID = f"2.25.10{number}"
    known = {
        "SOPClassUID": _SOP_CLASSES[modality],
        "SOPInstanceUID": f"2.25.10{number}",
        "StudyInstanceUID": "2.25.11",
        "SeriesInstanceUID": "2.25.12",
        "PatientName": "Doe^Jane",
        "PatientID": "P-17",
        "PatientBirthDate": "19610203",
        "PatientSex": "F",
        "StudyDate": "20240506",
        "StudyTime": "070809",
        "AccessionNumber": "A-4",
        "StudyID": "S-3",
        "ReferringPhysicianName": "Roe^Richard",
        "Manufacturer": "Maker",
        "Modality": modality,
        "InstanceNumber": number,
        "BodyPartExamined": "CHEST",
        "PhotometricInterpretation": "MONOCHROME2",
        "WindowCenter": 2 ** (bits - 1),
        "WindowWidth": 2**bits,
        **(_placed(number) if modality == "CT" else {"PatientOrientation": ["L", "F"]}),
        **attributes,
    }
    for keyword, value in known.items():
        if value is not None:
            setattr(dataset, keyword, value)
    dataset.Rows, dataset.Columns, dataset.SamplesPerPixel, dataset.PixelRepresentation = 40, 30, 1, 0
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, bits, bits - 1
    dataset.PixelData = np.rint(shades * (2**bits - 1)).astype("<u2").tobytes()
    path.parent.mkdir(parents=True, exist_ok=True)
    dataset.save_as(path, enforce_file_format=True)
    return path


def _placed(number: int) -> dict:
    return {
        "FrameOfReferenceUID": "2.25.13",
        "PositionReferenceIndicator": "",
        "ImagePositionPatient": [0, 0, 5.0 * number],
        "ImageOrientationPatient": [1, 0, 0, 0, 1, 0],
        "PixelSpacing": [0.7, 0.7],
        "SliceThickness": 5.0,
        "RescaleSlope": 1,
        "RescaleIntercept": 0,
    }


def write_slices(folder: Path, count: int = 3, **attributes) -> list[Path]:
    """Write a series of CT slices."""
    return [write_source(folder / f"{number}.dcm", "CT", number=number, **attributes) for number in range(1, count + 1)]
