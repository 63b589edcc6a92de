"""A bundle with a small model that answers differently for different pictures, and a folder of all kinds of files."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import (
    BasicTextSRStorage,
    CTImageStorage,
    DigitalXRayImageStorageForPresentation,
    ExplicitVRLittleEndian,
    MediaStorageDirectoryStorage,
)

from lungscan_monai.checkpoints import CheckpointStore
from lungscan_monai.networks import TimmClassifier
from lungscan_monai.task import load_task

BUNDLES = Path(__file__).resolve().parents[1] / "monai_bundles"


def small_bundle(folder: Path, name: str = "pneumonia_cxr_classification", size: int = 64) -> Path:
    """Return a copy of a bundle with a model."""
    root = folder / name
    shutil.copytree(BUNDLES / name, root, ignore=shutil.ignore_patterns("*.pt"))
    torch.manual_seed(0)
    task = load_task(root)
    network = TimmClassifier("test_efficientnet", task.num_outputs, weights="none", image_size=(size, size))
    with torch.no_grad():
        network.head[-1].weight.mul_(300)
    CheckpointStore(root / "models", task).save_model(network, epoch=1)
    return root


def write_png(path: Path, seed: int, shape: tuple[int, int] = (40, 50)) -> Path:
    """Write a noisy grey picture."""
    noise = np.random.default_rng(seed).normal(30 + 20 * (seed % 9), 8 + seed % 5, shape)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(noise.clip(0, 255).astype(np.uint8)).save(path)
    return path


def write_object(path: Path, sop_class: str, **attributes) -> Path:
    """Write a DICOM object without pixels."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = sop_class
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = f"2.25.99{len(path.name)}"
    for keyword, value in attributes.items():
        setattr(dataset, keyword, value)
    path.parent.mkdir(parents=True, exist_ok=True)
    dataset.save_as(path, enforce_file_format=True)
    return path


def write_image(path: Path, make_dicom: Callable[..., Dataset], seed: int, modality: str = "DX", **attributes) -> Path:
    """Write a DICOM image with UIDs of its own."""
    stored = np.random.default_rng(seed).integers(0, 4096, (36, 30)).astype(np.uint16)
    sop_class = CTImageStorage if modality == "CT" else DigitalXRayImageStorageForPresentation
    uids = {
        "StudyInstanceUID": f"2.25.7{seed}",
        "SeriesInstanceUID": f"2.25.8{seed}",
        "SOPInstanceUID": f"2.25.9{seed}",
    }
    dataset = make_dicom(stored, bits=12, Modality=modality, SOPClassUID=sop_class, **{**uids, **attributes})
    dataset.file_meta.MediaStorageSOPClassUID = sop_class
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    path.parent.mkdir(parents=True, exist_ok=True)
    dataset.save_as(path, enforce_file_format=True)
    return path


def mixed_folder(folder: Path, make_dicom: Callable[..., Dataset]) -> dict[str, str]:
    """Fill a folder with files of all kinds.

    Returns:
        What must become of each: ``"assessed"``, the code of why it is not assessable, skipped or rejected.
    """
    good = write_image(folder / "a" / "good", make_dicom, 11, PatientName="Doe^Jane", PatientID="P-17")
    write_image(folder / "a" / "inverted.dcm", make_dicom, 12, PhotometricInterpretation="MONOCHROME1")
    write_image(folder / "b" / "slice.dcm", make_dicom, 13, modality="CT")
    write_png(folder / "b" / "picture.png", 1)
    write_png(folder / "=1+1.png", 2)
    (folder / "b" / "copy.dcm").write_bytes(good.read_bytes())
    (folder / "b" / "short.dcm").write_bytes(good.read_bytes()[:-200])
    (folder / "b" / "text.dcm").write_text("not an image", encoding="utf-8")
    (folder / "b" / "notes.txt").write_text("not an image", encoding="utf-8")
    (folder / "b" / "strange").write_bytes(b"\x01\x02\x03" * 50)
    write_object(folder / "report.dcm", BasicTextSRStorage, Modality="SR")
    write_object(folder / "DICOMDIR", MediaStorageDirectoryStorage)
    (folder / ".hidden").mkdir()
    write_png(folder / ".hidden" / "picture.png", 3)
    (folder / ".DS_Store").write_bytes(b"\0\0\0\1Bud1")
    return {
        "a/good": "assessed",
        "a/inverted.dcm": "assessed",
        "b/copy.dcm": "assessed",
        "b/picture.png": "assessed",
        "=1+1.png": "assessed",
        "b/slice.dcm": "modality",
        "b/notes.txt": "other-file",
        "report.dcm": "not-an-image",
        "DICOMDIR": "not-an-image",
        ".hidden/picture.png": "hidden",
        ".DS_Store": "hidden",
        "b/short.dcm": "truncated",
        "b/text.dcm": "not-dicom",
        "b/strange": "unknown-format",
    }
