"""Contrast-limited adaptive histogram equalisation (CLAHE).

The definition is that of OpenCV's `createCLAHE`, after K. Zuiderveld, "Contrast Limited Adaptive Histogram
Equalization", Graphics Gems IV, 1994, p. 474-485: the picture is cut into tiles (mirrored at the border if they do not
fit); each tile's histogram is clipped at `clip_limit` times its mean count, what was cut off is shared out over all
grey levels, and the cumulated histogram becomes the tile's mapping; a pixel takes the bilinear mean of the mappings of
the four nearest tile centres.

scikit-image's `equalize_adapthist` follows the same method but scales its limit by the tile's pixels and counts other
grey levels: on radiographs its ``clip_limit=0.01`` lies 0.01 to 0.02 of full scale away from a limit of 2 here,
``clip_limit=0.02`` 0.05 to 0.09 (``scripts/benchmarks/clahe.py`` compares the two). At 16 bits a tile has fewer pixels
than there are grey levels, so that the same limit equalises more (0.06 to 0.2). The engine, `clip_limit`, `tiles` and
`bits` therefore belong to what a model was trained with.
"""

from __future__ import annotations

import cv2
import numpy as np

from lungscan_monai.errors import ConfigError, DataError

_TYPES = {8: np.uint8, 16: np.uint16}

_TIE = 2**-10
"""Grey levels that a value may lie below a half and be rounded up. Means of whole numbers often end in a half, and what
float32 makes of them depends on the order of the sum: without this, one picture read in two ways was equalised twice
in different ways."""


def clahe(image: np.ndarray, clip_limit: float = 2.0, tiles: tuple[int, int] = (8, 8), bits: int = 8) -> np.ndarray:
    """Equalise the contrast of a picture tile by tile.

    Args:
        image: Shades in [0, 1], shape ``(H, W)`` or ``(C, H, W)``; every channel is equalised by itself.
        clip_limit: Largest count of one grey level in a tile's histogram, in multiples of the mean count; above 0.
        tiles: Number of tiles along the rows and along the columns.
        bits: Grey levels are counted at 8 or 16 bits; the result has that depth too.

    Returns:
        Equalised shades in [0, 1], float32, same shape.

    Raises:
        DataError: If the image has another shape, or values outside [0, 1].
        ConfigError: If a parameter is out of range.

    Example:
        >>> soft = np.linspace(0.4, 0.6, 4096, dtype=np.float32).reshape(64, 64)
        >>> bool(np.ptp(clahe(soft, tiles=(1, 1), clip_limit=8)) > 2 * np.ptp(soft))
        True
    """
    check_clahe(clip_limit, tiles, bits)
    _check_image(image)
    top = np.iinfo(_TYPES[bits]).max
    scaled = np.multiply(image, top, dtype=np.float32)
    scaled += 0.5 + _TIE  # so that cutting off the fraction rounds
    levels = scaled.astype(_TYPES[bits])
    engine = cv2.createCLAHE(clipLimit=clip_limit, tileGridSize=(tiles[1], tiles[0]))
    channels = levels.reshape(-1, *levels.shape[-2:])
    equalised = np.stack([engine.apply(channel) for channel in channels]).reshape(levels.shape)
    return np.divide(equalised, top, dtype=np.float32)


def check_clahe(clip_limit: float, tiles: tuple[int, int], bits: int) -> None:
    """Check the settings of :func:`clahe`.

    Raises:
        ConfigError: If one is out of range.
    """
    if not clip_limit > 0:
        raise ConfigError(f"CLAHE clip_limit is {clip_limit}, expected a number above 0")
    if len(tiles) != 2 or min(tiles) < 1:
        raise ConfigError(f"CLAHE tiles are {tiles}, expected two counts of at least 1 (rows, columns)")
    if bits not in _TYPES:
        raise ConfigError(f"CLAHE bits are {bits}, expected 8 or 16")


def _check_image(image: np.ndarray) -> None:
    if image.ndim not in (2, 3) or 0 in image.shape:
        raise DataError(f"CLAHE got an image of shape {tuple(image.shape)}, expected (H, W) or (C, H, W)")
    low, high = image.min(), image.max()
    if not (low >= 0 and high <= 1):
        raise DataError(f"CLAHE got values from {low} to {high}, expected shades in [0, 1]")
