"""One reader for every file format, and one convention for what comes out: rows first, [0, 1], dark is 0.

MONAI's own readers return pictures with rows and columns exchanged, ignore MONOCHROME1, VOI and EXIF orientation, and
give another shape for each format. Here the content of a file decides how it is read:

==================== ======================== ================================================
file                 read by                  brought to [0, 1] by
==================== ======================== ================================================
DICOM                `dicom.pixels`           VOI LUT, window or the values present; polarity
NIfTI                `volumes`, nibabel       the values present in the slice
PNG, JPEG, TIFF ...  `pictures`, Pillow       the full scale of 8 or 16 bits
anything else        `volumes`, SimpleITK     the values present in the slice
==================== ======================== ================================================
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from monai.data import ImageReader

from lungscan_monai.data.references import split_reference
from lungscan_monai.dicom.pixels import read_display_image
from lungscan_monai.dicom.windows import Window
from lungscan_monai.errors import ConfigError, DataError, ReadError
from lungscan_monai.transforms.pictures import is_picture, read_picture
from lungscan_monai.transforms.volumes import read_itk_slice, read_nifti_slice

DICOM_SUFFIXES = (".dcm", ".dicom", ".dic", ".ima")
NIFTI_SUFFIXES = (".nii", ".nii.gz")


class MedicalImageReader(ImageReader):
    """MONAI adapter of `read_image`, for ``LoadImaged(reader=...)``.

    Files are opened only in `get_data`: an error raised in `read` would make `LoadImage` try MONAI's own readers in
    silence, whose arrays look different.

    Args:
        window: Center and width in physical units that replace the file's own window; see `read_image`.

    Raises:
        ConfigError: If `window` is not a center and a width above 0.
    """

    def __init__(self, window: Sequence[float] | None = None) -> None:
        super().__init__()
        self._window = _checked_window(window)

    def verify_suffix(self, filename: Any) -> bool:
        """Every file is accepted: its content decides."""
        return True

    def read(self, data: Any, **kwargs: Any) -> tuple[str, ...]:
        """Note which files to read."""
        paths = (data,) if isinstance(data, (str, os.PathLike)) else data
        return tuple(os.fspath(path) for path in paths)

    def get_data(self, img: tuple[str, ...]) -> tuple[np.ndarray, dict[str, Any]]:
        """Read the file noted by `read`.

        Returns:
            Array ``(C, H, W)``, float32 in [0, 1], and its meta data: `original_channel_dim` 0, `spatial_shape`
            ``(H, W)`` and an identity `affine`.

        Raises:
            ReadError: If the file cannot be read, or if there is not exactly one.
        """
        if len(img) != 1:
            raise ReadError(Path(img[0]).name if img else "", "file-count", f"one file was expected, not {len(img)}")
        image = _read(img[0], self._window)
        meta = {"original_channel_dim": 0, "spatial_shape": np.asarray(image.shape[1:]), "affine": np.eye(4)}
        return image, meta


def read_image(path: str | os.PathLike, window: Sequence[float] | None = None) -> np.ndarray:
    """Read one picture of any supported format.

    Args:
        path: A file; a fragment chooses a part of it, counted from zero: ``volume.nii.gz#slice=12``,
            ``loop.dcm#frame=3``. Without one, the middle slice or frame; of a TIFF or GIF with pages the first page.
        window: Center and width in physical units (Hounsfield units for CT): ``center - width / 2`` becomes 0 and
            ``center + width / 2`` becomes 1, whatever the file says. For grey DICOM files, NIfTI and SimpleITK's
            formats; PNG, JPEG and their like are display-ready and not touched by it.

    Returns:
        Shape ``(1, H, W)`` for grey and ``(3, H, W)`` for colour pictures, float32 in [0, 1], rows first.

    Raises:
        ReadError: If the file is missing, damaged, of no known format, or has no such slice.
        ConfigError: If `window` is not a center and a width above 0.

    Example:
        >>> read_image("kidney.nii.gz#slice=40", window=(40, 400)).shape  # doctest: +SKIP
        (1, 512, 512)
    """
    return _read(path, _checked_window(window))


def _checked_window(window: Sequence[float] | None) -> Window | None:
    if window is None:
        return None
    try:
        center, width = window
        return Window(float(center), float(width))
    except (DataError, TypeError, ValueError) as error:
        raise ConfigError(f"window is {window!r}, expected a center and a width above 0") from error


def _read(reference: str | os.PathLike, window: Window | None) -> np.ndarray:
    path, index = split_reference(reference)
    if not path.is_file():
        raise ReadError(path.name, "missing-file", "there is no such file")
    try:
        image = _read_by_content(path, index, window)
    except OSError as error:
        raise ReadError(path.name, "unreadable", f"disk or file cannot be read ({type(error).__name__})") from error
    return np.ascontiguousarray(image[None] if image.ndim == 2 else np.moveaxis(image, -1, 0))


def _read_by_content(path: Path, index: int | None, window: Window | None) -> np.ndarray:
    name = path.name.lower()
    if name.endswith(DICOM_SUFFIXES) or _has_dicom_prefix(path):
        return read_display_image(path, index, window)
    if name.endswith(NIFTI_SUFFIXES):
        return read_nifti_slice(path, index, window)
    if is_picture(path):
        return read_picture(path, index)
    return read_itk_slice(path, index, window)


def _has_dicom_prefix(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(132)[128:] == b"DICM"
