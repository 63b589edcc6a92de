"""One reader for every file format, and one convention for what comes out: rows first, [0, 1], dark is 0.

The content of a file decides how it is read. Nothing here imports torch; `reading` is MONAI's door to it.

==================== ======================== ================================================
file                 read by                  brought to [0, 1] by
==================== ======================== ================================================
DICOM                `dicom.pixels`           VOI LUT, window or the values present; polarity
NIfTI                `volumes`, nibabel       the values present in the slice
PNG, JPEG, TIFF ...  `pictures`, Pillow       the full scale of 8 or 16 bits
MetaImage, NRRD      `volumes`, SimpleITK     the values present in the slice
==================== ======================== ================================================
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from lungscan_monai.data.references import split_reference
from lungscan_monai.dicom.pixels import read_display_image
from lungscan_monai.dicom.windows import Window
from lungscan_monai.errors import ConfigError, DataError, ReadError
from lungscan_monai.gate.admitting import DICOM, NIFTI, PICTURE, kind_of
from lungscan_monai.transforms.pictures import read_picture


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
    return _read(path, checked_window(window))


def checked_window(window: Sequence[float] | None) -> Window | None:
    """Return a center and a width as a window, None for None.

    Raises:
        ConfigError: If it is not a center and a width above 0.
    """
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
    kind = kind_of(path)
    if kind == DICOM:
        return read_display_image(path, index, window)
    if kind == PICTURE:
        return read_picture(path, index)
    from lungscan_monai.transforms import (
        volumes,
    )  # its packages take 100 MB, which DICOM files and pictures do not need

    return (volumes.read_nifti_slice if kind == NIFTI else volumes.read_itk_slice)(path, index, window)
