"""Pictures as PNG, and as DICOM files whose headers say that there is no patient behind them."""

from __future__ import annotations

import os
from dataclasses import dataclass

import numpy as np
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import (
    UID,
    CTImageStorage,
    DigitalXRayImageStorageForPresentation,
    ExplicitVRLittleEndian,
    SecondaryCaptureImageStorage,
    generate_uid,
)

from lungscan_monai.data.phantoms.picture import Picture
from lungscan_monai.errors import ConfigError
from lungscan_monai.storage import replacing

_STATEMENT = "synthetic, not a patient"
_GREY_BITS = 12
_CT_INTERCEPT = -1024
_SOP_CLASSES = {
    "DX": DigitalXRayImageStorageForPresentation,
    "CT": CTImageStorage,
    "OT": SecondaryCaptureImageStorage,
}
_REGIONS = {"CHEST": ("43799004", "SCT", "Thorax"), "HAND": ("85562004", "SCT", "Hand")}
_VIEWS = {"PA": ("272479007", "SCT", "postero-anterior"), "AP": ("399348003", "SCT", "antero-posterior")}


@dataclass(frozen=True)
class Identity:
    """Which picture of which simulated patient a file holds.

    Args:
        patient: Patient's number.
        image: The picture's number among the patient's.
        seed: Seed of the whole set; UIDs depend on it.
        series: Anything else that UIDs must depend on, for instance the name of the task.
        inverted: Store a radiograph as MONOCHROME1.
    """

    patient: int
    image: int
    seed: int
    series: str
    inverted: bool = False

    @property
    def patient_id(self) -> str:
        """The pseudonym, ``"PHANTOM-0001"``."""
        return f"PHANTOM-{self.patient:04d}"

    @property
    def case(self) -> str:
        """The case's name, ``"p0001_1"``."""
        return f"p{self.patient:04d}_{self.image}"

    def uid(self, level: str, *numbers: int) -> UID:
        """Return the UID of one level; the same identity always has the same UIDs."""
        words = ["lungscan-phantom", self.series, str(self.seed), str(self.patient), level, *map(str, numbers)]
        return generate_uid(entropy_srcs=words)


def write_png(path: str | os.PathLike, grey: np.ndarray, bits: int = 8) -> None:
    """Write grey values in [0, 1] as a PNG of 8 or 16 bits.

    Raises:
        ConfigError: If `bits` is neither.
        OutputError: If the file cannot be written.
    """
    if bits not in (8, 16):
        raise ConfigError(f"png_bits is {bits}, expected 8 or 16")
    stored = np.round(grey * (2**bits - 1)).astype(np.uint8 if bits == 8 else np.uint16)
    with replacing(path) as part:
        Image.fromarray(stored).save(part, format="PNG", compress_level=3)


def write_mask(path: str | os.PathLike, mask: np.ndarray) -> None:
    """Write a boolean mask as a PNG of 0 and 255.

    Raises:
        OutputError: If the file cannot be written.
    """
    with replacing(path) as part:
        Image.fromarray(mask.astype(np.uint8) * 255).save(part, format="PNG", compress_level=3)


def write_dicom(path: str | os.PathLike, picture: Picture, identity: Identity) -> None:
    """Write a picture as DX (For Presentation), CT, or Secondary Capture.

    Raises:
        OutputError: If the file cannot be written.
    """
    dataset = dicom_dataset(picture, identity)
    with replacing(path) as part:
        dataset.save_as(part, enforce_file_format=True)


def dicom_dataset(picture: Picture, identity: Identity) -> Dataset:
    """Return a picture as a DICOM data set with its file meta information."""
    dataset = Dataset()
    dataset.update(_general(picture, identity))
    dataset.update({"DX": _radiograph, "CT": _ct_slice, "OT": _capture}[picture.modality](picture, identity))
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return dataset


def _general(picture: Picture, identity: Identity) -> Dataset:
    part = Dataset()
    part.SOPClassUID = _SOP_CLASSES[picture.modality]
    part.SOPInstanceUID = identity.uid("instance", identity.image)
    part.SyntheticData = "YES"
    part.PatientName = "SYNTHETIC^PHANTOM"
    part.PatientID = identity.patient_id
    part.PatientBirthDate = ""
    part.PatientSex = str(picture.facts.get("sex", ""))
    if "age" in picture.facts:
        part.PatientAge = f"{picture.facts['age']:03d}Y"
    part.PatientComments = _STATEMENT
    part.PatientIdentityRemoved = "YES"
    part.DeidentificationMethod = "simulated: there never was a patient"
    part.StudyInstanceUID = identity.uid("study", _exposure(picture, identity))
    part.SeriesInstanceUID = identity.uid("series", _exposure(picture, identity))
    part.StudyDate = part.StudyTime = part.AccessionNumber = part.ReferringPhysicianName = ""
    part.StudyID = "1"
    part.StudyDescription = part.SeriesDescription = part.ImageComments = _STATEMENT
    part.SeriesNumber = 1
    part.InstanceNumber = identity.image
    part.Modality = picture.modality
    if picture.body_part:
        part.BodyPartExamined = picture.body_part
    part.Manufacturer = "LungScan MONAI phantoms"
    part.ManufacturerModelName = "phantoms"
    part.DeviceSerialNumber = "0"
    part.SoftwareVersions = "1"
    part.ContentDate = part.ContentTime = ""
    part.BurnedInAnnotation = "NO"
    part.LossyImageCompression = "00"
    part.SamplesPerPixel = 1
    part.Rows, part.Columns = picture.grey.shape
    return part


def _exposure(picture: Picture, identity: Identity) -> int:
    """Slices of a patient share a series; every radiograph is a study of its own."""
    return 0 if picture.modality == "CT" else identity.image


def _set_pixels(part: Dataset, stored: np.ndarray, bits: int, photometric: str) -> None:
    part.PhotometricInterpretation = photometric
    part.BitsAllocated, part.BitsStored, part.HighBit = 16, bits, bits - 1
    part.PixelRepresentation = 0
    part.PixelData = np.ascontiguousarray(stored, dtype="<u2").tobytes()
    part["PixelData"].VR = "OW"


def _grey_levels(picture: Picture) -> np.ndarray:
    return np.round(picture.grey * (2**_GREY_BITS - 1)).astype(np.uint16)


def _radiograph(picture: Picture, identity: Identity) -> Dataset:
    part, stored = Dataset(), _grey_levels(picture)
    highest = 2**_GREY_BITS - 1
    if identity.inverted:
        _set_pixels(part, highest - stored, _GREY_BITS, "MONOCHROME1")
    else:
        _set_pixels(part, stored, _GREY_BITS, "MONOCHROME2")
    part.PresentationLUTShape = "INVERSE" if identity.inverted else "IDENTITY"
    part.ImageType = ["DERIVED", "PRIMARY", ""]
    part.DerivationDescription = _STATEMENT
    part.PresentationIntentType = "FOR PRESENTATION"
    part.PixelIntensityRelationship = "LOG"
    part.PixelIntensityRelationshipSign = -1 if identity.inverted else 1
    part.RescaleIntercept, part.RescaleSlope, part.RescaleType = 0, 1, "US"
    part.WindowCenter, part.WindowWidth = 2 ** (_GREY_BITS - 1), 2**_GREY_BITS
    part.ImagerPixelSpacing = [round(picture.pixel, 4)] * 2
    part.DetectorType = "DIRECT"
    part.PositionerType = "NONE"
    part.PatientOrientation = ["L", "F"]
    part.ImageLaterality = "U"
    part.AnatomicRegionSequence = [_code(*_REGIONS[picture.body_part])]
    view = str(picture.facts["view"])
    part.ViewPosition = view
    part.ViewCodeSequence = [_code(*_VIEWS[view])]
    part.AcquisitionContextSequence = []
    return part


def _ct_slice(picture: Picture, identity: Identity) -> Dataset:
    part, volume = Dataset(), picture.volume
    stored = np.clip(volume.hounsfield.astype(np.int32) - _CT_INTERCEPT, 0, 2**_GREY_BITS - 1)
    _set_pixels(part, stored, _GREY_BITS, "MONOCHROME2")
    part.ImageType = ["DERIVED", "PRIMARY", "AXIAL"]
    part.DerivationDescription = _STATEMENT
    part.RescaleIntercept, part.RescaleSlope, part.RescaleType = _CT_INTERCEPT, 1, "HU"
    part.WindowCenter, part.WindowWidth = volume.window
    part.PixelSpacing = [round(picture.pixel, 4)] * 2
    part.SliceThickness = volume.thickness
    part.FrameOfReferenceUID = identity.uid("frame")
    part.PositionReferenceIndicator = ""
    corner = -picture.pixel * (picture.grey.shape[0] - 1) / 2
    part.ImagePositionPatient = [round(corner, 4), round(corner, 4), round(volume.height, 4)]
    part.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    part.PatientPosition = "HFS"
    part.AcquisitionNumber = 1
    part.KVP = 120
    return part


def _capture(picture: Picture, identity: Identity) -> Dataset:
    part = Dataset()
    _set_pixels(part, _grey_levels(picture), _GREY_BITS, "MONOCHROME2")
    part.ConversionType = "SYN"
    part.ImageType = ["DERIVED", "SECONDARY"]
    part.DerivationDescription = _STATEMENT
    part.PatientOrientation = part.Laterality = ""
    return part


def _code(value: str, scheme: str, meaning: str) -> Dataset:
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = value, scheme, meaning
    return code
