"""Random rotation, shift, zoom and flip of pictures, in one resampling.

The parameters are drawn first and then applied by a deterministic function, so that a drawn geometry can be seen,
repeated, and given to several pictures of one case.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from monai.config import KeysCollection
from monai.transforms import Affine, MapTransform, RandomizableTransform

from lungscan_monai.errors import ConfigError, DataError


@dataclass(frozen=True)
class Geometry:
    """How a picture is moved about its centre: flipped first, then zoomed, rotated, and shifted.

    Args:
        degrees: Rotation as seen on a screen, counter-clockwise.
        shift_down: Shift of the content in fractions of the picture's height.
        shift_right: Shift of the content in fractions of the picture's width.
        zoom: Magnification, above 0.
        flip_left_right: Whether left and right change places.
        flip_up_down: Whether top and bottom change places.
    """

    degrees: float = 0.0
    shift_down: float = 0.0
    shift_right: float = 0.0
    zoom: float = 1.0
    flip_left_right: bool = False
    flip_up_down: bool = False

    def sampling_matrix(self, height: int, width: int) -> np.ndarray:
        """Where each place of the result is taken from.

        Args:
            height: Rows of the picture.
            width: Columns of the picture.

        Returns:
            Homogeneous matrix of shape ``(3, 3)`` from (row, column, 1) of the result to that of the source, both in
            pixels from the centre.
        """
        cosine, sine = math.cos(math.radians(self.degrees)), math.sin(math.radians(self.degrees))
        rotate = np.array([[cosine, sine], [-sine, cosine]])  # from result to source, rows pointing down
        flip = np.diag([-1.0 if self.flip_up_down else 1.0, -1.0 if self.flip_left_right else 1.0])
        matrix = np.eye(3)
        matrix[:2, :2] = flip @ rotate / self.zoom
        matrix[:2, 2] = -matrix[:2, :2] @ (self.shift_down * height, self.shift_right * width)
        return matrix


def move(image: torch.Tensor, geometry: Geometry) -> torch.Tensor:
    """Apply a geometry: bilinear, with 0 where nothing was.

    Args:
        image: Rows first, shape ``(C, H, W)``.
        geometry: How to move it.

    Returns:
        Same shape, float32; a MetaTensor keeps its meta data.

    Raises:
        DataError: If the image has another number of dimensions.
    """
    if image.ndim != 3:
        raise DataError(f"picture of shape {tuple(image.shape)}, expected (C, H, W)")
    matrix = geometry.sampling_matrix(*image.shape[1:])
    return Affine(affine=matrix, mode="bilinear", padding_mode="zeros", image_only=True)(image)


class RandGeometryd(RandomizableTransform, MapTransform):
    """Move pictures at random; all entries named by `keys` alike.

    Args:
        keys: Entries to transform, shape ``(C, H, W)``, rows first.
        rotate_degrees: Rotation is drawn evenly from plus or minus this angle.
        translate_fraction: Shifts are drawn from plus or minus this fraction of the height and of the width.
        zoom_fraction: Magnification is drawn from 1 plus or minus this fraction; below 1.
        flip_left_right: Probability of a flip of left and right (the last axis).
        flip_up_down: Probability of a flip of top and bottom.
        prob: Probability that anything is done at all.
        allow_missing_keys: Whether an entry may be missing.

    Raises:
        ConfigError: If a parameter is out of range.
    """

    def __init__(
        self,
        keys: KeysCollection,
        rotate_degrees: float = 10.0,
        translate_fraction: float = 0.1,
        zoom_fraction: float = 0.1,
        flip_left_right: float = 0.5,
        flip_up_down: float = 0.0,
        prob: float = 1.0,
        allow_missing_keys: bool = False,
    ) -> None:
        MapTransform.__init__(self, keys, allow_missing_keys)
        RandomizableTransform.__init__(self, prob)
        chances = {"flip_left_right": flip_left_right, "flip_up_down": flip_up_down, "prob": prob}
        for name, chance in chances.items():
            _check_range(name, chance, 1.0)
        _check_range("rotate_degrees", rotate_degrees, 180.0)
        _check_range("translate_fraction", translate_fraction, 1.0)
        _check_range("zoom_fraction", zoom_fraction, 0.99)
        self.rotate_degrees = rotate_degrees
        self.translate_fraction = translate_fraction
        self.zoom_fraction = zoom_fraction
        self.flip_left_right = flip_left_right
        self.flip_up_down = flip_up_down
        self.geometry = Geometry()

    def randomize(self, data: Any = None) -> None:
        """Draw `geometry` from the random state; always the same number of draws."""
        super().randomize(data)
        self.geometry = Geometry(
            degrees=self.R.uniform(-self.rotate_degrees, self.rotate_degrees),
            shift_down=self.R.uniform(-self.translate_fraction, self.translate_fraction),
            shift_right=self.R.uniform(-self.translate_fraction, self.translate_fraction),
            zoom=1 + self.R.uniform(-self.zoom_fraction, self.zoom_fraction),
            flip_left_right=bool(self.R.random_sample() < self.flip_left_right),
            flip_up_down=bool(self.R.random_sample() < self.flip_up_down),
        )

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Draw a geometry and move every entry named by `keys` by it.

        Raises:
            DataError: If an entry is not of shape ``(C, H, W)``.
        """
        result = dict(data)
        self.randomize()
        if self._do_transform:
            for key in self.key_iterator(result):
                result[key] = move(result[key], self.geometry)
        return result


def _check_range(name: str, value: float, largest: float) -> None:
    if not 0 <= value <= largest:
        raise ConfigError(f"{name} is {value}, expected a number from 0 to {largest}")
