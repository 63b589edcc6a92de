"""MONAI's door to `images`: a reader for ``LoadImaged``.

MONAI's own readers return pictures with rows and columns exchanged, ignore MONOCHROME1, VOI and EXIF orientation, and
give another shape for each format.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from monai.data import ImageReader

from lungscan_monai.errors import ReadError
from lungscan_monai.transforms.images import checked_window, read_image

__all__ = ["MedicalImageReader", "read_image"]


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
        checked_window(window)
        self._window = window

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
        image = read_image(img[0], self._window)
        meta = {"original_channel_dim": 0, "spatial_shape": np.asarray(image.shape[1:]), "affine": np.eye(4)}
        return image, meta
