"""A bundle's preprocessing, taken in another order where that gives the same: grey DICOM frames are averaged first.

A window is linear between its ends. So the mean of the shades over an area is the shade of the mean of the values, once
these are held between the ends; and a picture of four million pixels need not become shades before it is made small.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from lungscan_monai.dicom.pixels import WindowedFrame, frame_read_forwards, read_display_frame
from lungscan_monai.dicom.reduced_means import means_of_reduced
from lungscan_monai.dicom.windows import Window
from lungscan_monai.gate.admitting import DICOM, kind_of
from lungscan_monai.hashing import Hashed, blake3_file
from lungscan_monai.inference.plain_steps import PlainSteps, Step
from lungscan_monai.transforms.area import area_resize
from lungscan_monai.transforms.colours import to_channels
from lungscan_monai.transforms.images import checked_window

_LINEAR = ("LINEAR", "LINEAR_EXACT")
_SUMMED = ("|u1", "<u2", "<i2")

Hold = Callable[[np.ndarray], np.ndarray]
"""Holds some values between the ends of a window."""


@dataclass(frozen=True)
class QuickSteps:
    """How a file becomes what the network takes; as :class:`~lungscan_monai.inference.plain_steps.PlainSteps`.

    Differences are those of float32 sums taken in another order, some 1e-6. Unless `exact`, JPEG 2000 frames of at
    least four times the network's size are decoded at a half or a quarter of theirs: differences of some 1e-3.

    Args:
        plain: The steps in their own order.
        exact: Whether all frames are decoded in full.
    """

    plain: PlainSteps
    exact: bool = False

    def __call__(self, path: str) -> Hashed:
        """Read a file and return ``(C, H, W)``, float32, with the hash of the file.

        Raises:
            ReadError: If it cannot be read.
            DataError: If the picture cannot be brought to that form.
        """
        size = self._size_after_channels()
        if size is None or kind_of(Path(path)) != DICOM:
            return Hashed(self.plain(path), blake3_file(path))
        return self._in_one_pass(path, size) or Hashed(self._averaged(path, size), blake3_file(path))

    def _in_one_pass(self, path: str, size: tuple[int, int]) -> Hashed | None:
        """Average and hash lines as they are read, where nothing has to be known of later ones."""
        try:
            with Path(path).open("rb") as stream:
                found = frame_read_forwards(stream, checked_window(self.plain.window))
                if found is None or not is_linear(found[0]):
                    return None
                frame, file = found
                image = self._after_resize(small_shades(frame, size))
                return Hashed(image, file.hexdigest())
        except (OSError, EOFError):
            return None

    def _averaged(self, path: str, size: tuple[int, int]) -> np.ndarray:
        """Read a frame as a whole, and average it before its window where that gives the same."""
        window = checked_window(self.plain.window)
        smallest = None if self.exact else (2 * size[0], 2 * size[1])
        found = read_display_frame(path, window=window, smallest=smallest)
        if isinstance(found, WindowedFrame) and found.reduction and not is_linear(found):
            found = read_display_frame(path, window=window)
        if not isinstance(found, WindowedFrame):
            image = found[None] if found.ndim == 2 else np.ascontiguousarray(np.moveaxis(found, -1, 0))
            return _through(self.plain.steps, image)
        if not is_linear(found):
            return _through(self.plain.steps, found.shades()[None])
        return self._after_resize(small_shades(found, size))

    def _after_resize(self, shades: np.ndarray) -> np.ndarray:
        """Return what becomes of shades ``(H, W)`` that have been resized already."""
        return _through([step for step in self.plain.steps if _function(step) is not area_resize], shades[None])

    def _size_after_channels(self) -> tuple[int, int] | None:
        """Return the size of a resize by area that nothing but the choice of channels comes before."""
        for step in self.plain.steps:
            if _function(step) is area_resize:
                return step.keywords["size"]
            if _function(step) is not to_channels:
                return None
        return None


def is_linear(frame: WindowedFrame) -> bool:
    """Tell whether the mean of a frame's shades is the shade of its mean, and float32 is enough to see it."""
    linear = frame.window.function in _LINEAR and frame.padding is None
    return linear and frame.values.dtype.itemsize <= 2 and abs(_in_values(frame.window, frame)[1]) >= 1


def small_shades(frame: WindowedFrame, size: tuple[int, int]) -> np.ndarray:
    """Return the means of a frame's shades over a grid of areas, those of :func:`area_resize`.

    Args:
        frame: One that :func:`is_linear`.
        size: Rows and columns of the grid.

    Returns:
        Shades in [0, 1], float32.
    """
    center, width = _in_values(frame.window, frame)
    if frame.reduction is not None:
        distances = _held_distances(frame.values, center + frame.reduction.excess, abs(width) / 2)
        distances = means_of_reduced(distances, frame.reduction, size)
        return np.clip(distances / width + 0.5, 0, 1).astype(np.float32)
    held = _held_integers(frame, center, abs(width) / 2)
    if held is None:
        held, center = partial(_held_distances, center=center, half=abs(width) / 2), 0.0
    lines = _sums_of_lines(frame.values, size[0], held, np.float32)
    sums = _sums_of_lines(cv2.transpose(lines), size[1], _as_they_are, np.float64).T
    means = sums / _lines_of_areas(frame.values.shape[0], size[0])[:, None]
    means /= _lines_of_areas(frame.values.shape[1], size[1])
    return np.clip((means - center) / width + 0.5, 0, 1).astype(np.float32)


def _held_integers(frame: WindowedFrame, center: float, half: float) -> Hold | None:
    """Return what holds values between the ends of a window and leaves them integers; None where that is not exact."""
    values, low, high = frame.values, center - half, center + half
    if values.dtype.str not in _SUMMED:
        return None
    least, most = np.iinfo(values.dtype).min, np.iinfo(values.dtype).max
    if frame.is_spread or (low <= least and most <= high):
        return _as_they_are
    if low.is_integer() and high.is_integer() and low <= most and least <= high:
        return partial(np.clip, a_min=max(int(low), least), a_max=min(int(high), most))
    return None


def _as_they_are(values: np.ndarray) -> np.ndarray:
    return values


def _held_distances(values: np.ndarray, center: float, half: float) -> np.ndarray:
    """Return the distances of values from a window's center, held between its ends; float32."""
    distances = values.astype(np.float32)
    distances -= center
    return np.clip(distances, -half, half, out=distances)


def _in_values(window: Window, frame: WindowedFrame) -> tuple[float, float]:
    """Return a window's center and width in units of the values; the width is negative where low ones are bright."""
    linear = window.function == "LINEAR"
    center = ((window.center - 0.5 if linear else window.center) - frame.intercept) / frame.slope
    width = (window.width - 1 if linear else window.width) / abs(frame.slope)
    return center, -width if frame.inverted != (frame.slope < 0) else width


def _sums_of_lines(values: np.ndarray, count: int, held: Hold, dtype: type) -> np.ndarray:
    """Return the sums of `count` areas of lines, ``(count, W)``, of values ``(H, W)``; they overlap as those of
    :func:`area_resize`.

    The lines of one area at a time go through `held`: they stay in the processor's cache.
    """
    height, depth = len(values), cv2.CV_32F if dtype is np.float32 else cv2.CV_64F
    sums = np.empty((count, values.shape[1]), dtype)
    for number in range(count):
        lines = values[number * height // count : -(-(number + 1) * height // count)]
        cv2.reduce(held(lines), 0, cv2.REDUCE_SUM, sums[number : number + 1], dtype=depth)
    return sums


def _lines_of_areas(height: int, count: int) -> np.ndarray:
    """Return how many of `height` lines each of `count` areas takes."""
    numbers = np.arange(count)
    return -(-(numbers + 1) * height // count) - numbers * height // count


def _through(steps: list[Step] | tuple[Step, ...], image: np.ndarray) -> np.ndarray:
    for step in steps:
        image = step(image)
    return image


def _function(step: Step) -> object:
    return step.func if isinstance(step, partial) else step
