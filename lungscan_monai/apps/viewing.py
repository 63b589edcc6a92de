"""Pictures as a person looks at them: grey DICOM frames through any window, at the size of a screen."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from lungscan_monai.decoding.pool import DecodingPool
from lungscan_monai.dicom.pixels import WindowedFrame, read_display_frame
from lungscan_monai.dicom.windows import Window
from lungscan_monai.gate.admitting import DICOM, kind_of
from lungscan_monai.transforms.images import read_image

LONGEST_SIDE = 1024
"""Pixels of the longer side that a picture is made smaller to."""

_HEADER = 4
_NARROWEST = 1e-6


@dataclass(frozen=True, eq=False)
class Viewed:
    """A picture that is ready to be shown, and how its window can be moved.

    Args:
        values: Shape ``(C, H, W)``, float32. Where there is a window: physical values (Hounsfield units for CT); else
            shades in [0, 1].
        window: That the file is to be looked at through, in physical units; None where there is none to move.
        is_inverted: Whether the file shows low physical values bright.
    """

    values: np.ndarray
    window: Window | None = None
    is_inverted: bool = False

    def shades(self, window: Window | None = None, inverted: bool = False) -> np.ndarray:
        """Return what is seen.

        Args:
            window: In physical units; the file's own if None.
            inverted: Whether dark and bright change places.

        Returns:
            Shades in [0, 1], float32, ``(C, H, W)``.
        """
        window = self.window and (window or self.window)
        shades = self.values if window is None else window.shades(self.values, inverted=self.is_inverted)
        return 1 - shades if inverted else shades


def view(pool: DecodingPool, reference: str | os.PathLike) -> Viewed:
    """Read a picture for looking at it.

    Args:
        pool: Workers that read by :func:`viewing_values`.
        reference: The file.

    Raises:
        ReadError: If it is not admitted or cannot be read.
    """
    found = pool.decode(reference).image
    if found.ndim == 3:
        return Viewed(found)
    columns, center, width, is_inverted = found[:_HEADER]
    values = found[_HEADER:].reshape(1, -1, int(columns)).astype(np.float32)
    return Viewed(values, Window(center, width), bool(is_inverted))


def viewing_values(reference: str) -> np.ndarray:
    """Read a file in a decoding worker, which answers by one array.

    Args:
        reference: The file.

    Returns:
        Shades in [0, 1], float32, ``(C, H, W)``; or, for a frame with a window that is linear, one row of float64:
        columns, center, width, whether it is inverted, and then the physical values row by row.

    Raises:
        ReadError: If it cannot be read.
    """
    if kind_of(Path(reference)) == DICOM:
        frame = read_display_frame(reference)
        if isinstance(frame, WindowedFrame) and frame.window.function != "SIGMOID":
            return _packed(frame)
    return _small(read_image(reference))


def _packed(frame: WindowedFrame) -> np.ndarray:
    physical = frame.slope * frame.values.astype(np.float32) + frame.intercept
    linear = frame.window.function == "LINEAR"
    center, width = frame.window.center - 0.5 * linear, max(frame.window.width - linear, _NARROWEST)
    if frame.padding is not None:
        physical[frame.padding] = center + (width if frame.inverted else -width) / 2
    small = _small(physical[None].astype(np.float32))[0]
    return np.concatenate([[small.shape[1], center, width, frame.inverted], small.ravel()])


def _small(image: np.ndarray) -> np.ndarray:
    scale = LONGEST_SIDE / max(image.shape[1:])
    if scale >= 1:
        return image
    size = tuple(max(1, round(side * scale)) for side in image.shape[:0:-1])
    return np.stack([cv2.resize(channel, size, interpolation=cv2.INTER_AREA) for channel in image])
