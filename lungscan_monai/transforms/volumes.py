"""One slice of a volume: NIfTI through nibabel, every other format through SimpleITK.

A slice is shown as radiologists look at it: rows run from anterior to posterior, columns from the patient's right to
left; slices are counted from the feet upwards. A volume of one single slice is taken for a plain picture that somebody
wrapped, and keeps the order of its rows and columns.
"""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import nibabel
import numpy as np
import SimpleITK
from nibabel.filebasedimages import ImageFileError
from nibabel.orientations import OrientationError, io_orientation
from nibabel.spatialimages import HeaderDataError

from lungscan_monai.dicom.windows import Window, spread
from lungscan_monai.errors import ReadError

# What nibabel raises for damaged files; found by cutting files short and by changing their bytes.
_DAMAGED = (
    ArithmeticError,
    EOFError,
    HeaderDataError,
    ImageFileError,
    LookupError,
    MemoryError,
    OrientationError,
    OSError,
    TypeError,
    ValueError,
    struct.error,
    zlib.error,
)


def read_nifti_slice(path: Path, index: int | None = None, window: Window | None = None) -> np.ndarray:
    """Read one slice of a NIfTI file; only that slice is converted.

    Args:
        path: A ``.nii`` or ``.nii.gz`` file of two or three dimensions.
        index: Zero-based slice, counted from the feet; the middle one if None.
        window: In the file's physical units; without one the values present in the slice are spread over [0, 1].

    Returns:
        Float32 in [0, 1], shape ``(H, W)``; values that are not finite become 0.

    Raises:
        ReadError: If the file is damaged, has more dimensions or colours, or has no such slice.
    """
    try:
        volume = nibabel.load(path)
        if volume.get_data_dtype().kind not in "iuf":
            raise ReadError(path.name, "dimensions", f"has values of type {volume.get_data_dtype()}, expected numbers")
        values = _nifti_plane(volume, index, path.name)
    except ReadError:
        raise
    except _DAMAGED as error:
        raise ReadError(path.name, "damaged", f"is not a readable NIfTI file ({type(error).__name__})") from error
    return _shades(values, window)


def read_itk_slice(path: Path, index: int | None = None, window: Window | None = None) -> np.ndarray:
    """Read one slice of any file that SimpleITK knows (MetaImage, NRRD, VTK ...).

    Args:
        path: A file of two or three dimensions.
        index: Zero-based slice, counted from the feet; the middle one if None.
        window: In the file's physical units; without one the values present in the slice are spread over [0, 1].

    Returns:
        Float32 in [0, 1], shape ``(H, W)``, or ``(H, W, 3)`` if every pixel has a colour (8 or 16 bits, full scale).

    Raises:
        ReadError: If the format is unknown, the file is damaged, has more dimensions, or has no such slice.
    """
    if not SimpleITK.ImageFileReader().GetImageIOFromFileName(str(path)):
        raise ReadError(path.name, "unknown-format", "is of no known format (DICOM, NIfTI, PNG, JPEG, TIFF, NRRD ...)")
    try:
        volume = SimpleITK.ReadImage(str(path))
    except RuntimeError as error:
        raise ReadError(path.name, "damaged", "is cut short or damaged: SimpleITK cannot read it") from error
    if volume.GetDimension() not in (2, 3):
        raise ReadError(path.name, "dimensions", f"has {volume.GetDimension()} dimensions, expected 2 or 3")
    if volume.GetDimension() == 3:
        volume = _itk_plane(volume, index, path.name)
    return _itk_shades(volume, window, path.name)


def _shades(values: np.ndarray, window: Window | None) -> np.ndarray:
    return spread(values, np.isfinite(values)) if window is None else window.shades(values)


def _chosen(index: int | None, count: int, name: str) -> int:
    index = count // 2 if index is None else index
    if index >= count:
        raise ReadError(name, "no-such-slice", f"slice {index} was asked for, the file has slices 0 to {count - 1}")
    return index


def _nifti_plane(volume: nibabel.spatialimages.SpatialImage, index: int | None, name: str) -> np.ndarray:
    shape = (*volume.shape, 1)[:3]
    if len(volume.shape) < 2 or any(size > 1 for size in volume.shape[3:]):
        raise ReadError(name, "dimensions", f"has shape {volume.shape}, expected two or three dimensions")
    if shape[2] == 1:
        _chosen(index, 1, name)
        return np.asarray(volume.dataobj).reshape(shape[:2]).T
    orientation = io_orientation(volume.affine)  # for each axis of the file: its direction of R, A, S, and the sign
    through = int(np.flatnonzero(orientation[:, 0] == 2)[0])
    position = _chosen(index, shape[through], name)
    place: list[slice | int] = [slice(None)] * 3 + [0] * (len(volume.shape) - 3)
    place[through] = position if orientation[through, 1] > 0 else shape[through] - 1 - position
    plane = np.asarray(volume.dataobj[tuple(place)])
    in_plane = np.delete(orientation, through, axis=0)
    plane = np.flip(plane, axis=[axis for axis in (0, 1) if in_plane[axis, 1] > 0])
    return plane.T if in_plane[0, 0] == 0 else plane


def _itk_plane(volume: SimpleITK.Image, index: int | None, name: str) -> SimpleITK.Image:
    if volume.GetDepth() > 1:
        volume = SimpleITK.DICOMOrient(volume, "LPS")
    return volume[:, :, _chosen(index, volume.GetDepth(), name)]


def _itk_shades(plane: SimpleITK.Image, window: Window | None, name: str) -> np.ndarray:
    values = SimpleITK.GetArrayFromImage(plane)
    if plane.GetNumberOfComponentsPerPixel() == 1 and values.dtype.kind in "iuf":
        return _shades(values, window)
    if plane.GetNumberOfComponentsPerPixel() in (3, 4) and values.dtype in (np.uint8, np.uint16):
        return values[..., :3].astype(np.float32) / np.float32(np.iinfo(values.dtype).max)
    raise ReadError(name, "dimensions", f"has pixels of type {plane.GetPixelIDTypeAsString()}, expected grey or RGB")
