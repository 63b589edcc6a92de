"""Picture files (PNG, JPEG, TIFF, BMP ...) through Pillow: upright, opaque, full scale."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from lungscan_monai.dicom.windows import spread
from lungscan_monai.errors import ReadError
from lungscan_monai.gate.pictures import PICTURE_DAMAGE, PICTURE_FORMATS

_GREY_MODES = ("1", "L", "LA", "La")
_VALUE_MODES = ("I", "F")  # 32 bits a pixel: no full scale is known


def read_picture(path: Path, page: int | None = None) -> np.ndarray:
    """Read a picture file.

    The EXIF orientation is applied, transparent parts are laid on black, palettes are resolved. 8 and 16-bit pictures
    are divided by their full scale; the values of 32-bit ones are spread over [0, 1].

    Args:
        path: A file of one of :data:`~lungscan_monai.gate.pictures.PICTURE_FORMATS`.
        page: Zero-based page of a TIFF or GIF; the first one if None.

    Returns:
        Float32 in [0, 1], ``(H, W)`` for grey and ``(H, W, 3)`` for colour pictures.

    Raises:
        ReadError: If the file is damaged, too large for Pillow's limit, or has no such page.
    """
    try:
        with Image.open(path, formats=PICTURE_FORMATS) as file:
            pages = getattr(file, "n_frames", 1)
            if page is not None and page >= pages:
                raise ReadError(path.name, "no-such-slice", f"page {page} was asked for, the file has 0 to {pages - 1}")
            file.seek(page or 0)
            return _shades(ImageOps.exif_transpose(file))
    except ReadError:
        raise
    except (Image.DecompressionBombError, MemoryError) as error:
        raise ReadError(path.name, "too-large", "the picture has more pixels than can be read safely") from error
    except PICTURE_DAMAGE as error:
        raise ReadError(
            path.name, "damaged", f"the picture is cut short or damaged ({type(error).__name__})"
        ) from error


def _shades(picture: Image.Image) -> np.ndarray:
    if picture.mode.startswith("I;16"):
        return np.asarray(picture).astype(np.float32) / np.float32(65535)
    if picture.mode in _VALUE_MODES:
        values = np.asarray(picture)
        return spread(values, np.isfinite(values))
    grey = picture.mode in _GREY_MODES
    if picture.has_transparency_data:
        layers = np.asarray(picture.convert("LA" if grey else "RGBA"), np.float32) / np.float32(255)
        on_black = layers[..., :-1] * layers[..., -1:]
        return on_black[..., 0] if grey else on_black
    return np.asarray(picture.convert("L" if grey else "RGB"), np.float32) / np.float32(255)
