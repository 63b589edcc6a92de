"""Fixtures that tests of several folders share."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from orthanc import Orthanc, running_orthanc
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, CTImageStorage, ExplicitVRLittleEndian


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real images, if this machine has one."""
    folder = os.environ.get("LUNGSCAN_TEST_DATA")
    if not folder:
        pytest.skip("LUNGSCAN_TEST_DATA is not set: no folder of real images")
    return Path(folder)


@pytest.fixture
def make_dicom() -> Callable[..., Dataset]:
    """A maker of synthetic DICOM images: ``make_dicom(stored, bits=12, WindowCenter=40)``."""

    def make(stored: np.ndarray, bits: int | None = None, frames: int | None = None, **attributes) -> Dataset:
        colour = stored.ndim - (frames is not None) == 3
        allocated = stored.dtype.itemsize * 8
        dataset = Dataset()
        dataset.file_meta = FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = CTImageStorage
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = UID("2.25.20261")
        dataset.Rows, dataset.Columns = stored.shape[-3:-1] if colour else stored.shape[-2:]
        dataset.SamplesPerPixel = 3 if colour else 1
        dataset.PhotometricInterpretation = "RGB" if colour else "MONOCHROME2"
        if colour:
            dataset.PlanarConfiguration = 0
        if frames is not None:
            dataset.NumberOfFrames = frames
        dataset.BitsAllocated = allocated
        dataset.BitsStored = bits or allocated
        dataset.HighBit = dataset.BitsStored - 1
        dataset.PixelRepresentation = int(stored.dtype.kind == "i")
        for keyword, value in attributes.items():
            setattr(dataset, keyword, value)
        dataset.PixelData = stored.tobytes() + b"\0" * (stored.nbytes % 2)
        return dataset

    return make


@pytest.fixture
def write_dicom(tmp_path: Path, make_dicom: Callable[..., Dataset]) -> Callable[..., Path]:
    """As `make_dicom`, saved as a file whose name is given first; the path comes back."""

    def write(name: str, stored: np.ndarray, **attributes) -> Path:
        path = tmp_path / name
        make_dicom(stored, **attributes).save_as(path, enforce_file_format=True)
        return path

    return write


@pytest.fixture(scope="session")
def _one_orthanc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Orthanc]:
    with running_orthanc(tmp_path_factory.mktemp("orthanc")) as server:
        yield server


@pytest.fixture
def orthanc(_one_orthanc: Orthanc) -> Orthanc:
    """A running Orthanc that holds nothing; it knows the AE title LUNGSCAN and no other."""
    _one_orthanc.empty()
    return _one_orthanc
