"""Random rotation, shift, zoom and flip of a batch of pictures, in one resampling.

The parameters are drawn first, for every picture its own, and then applied by a deterministic function, so that a drawn
geometry can be seen and repeated.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch.nn import functional

from lungscan_monai.errors import ConfigError, DataError


@dataclass(frozen=True)
class Geometry:
    """How each picture of a batch is moved about its centre: flipped first, then zoomed, rotated, and shifted.

    Args:
        degrees: Rotations as seen on a screen, counter-clockwise, shape ``(B,)`` like all others.
        shift_down: Shifts of the content in fractions of the picture's height.
        shift_right: Shifts of the content in fractions of the picture's width.
        zoom: Magnifications, above 0.
        flip_left_right: 1 where left and right change places, else 0.
        flip_up_down: 1 where top and bottom change places, else 0.
    """

    degrees: torch.Tensor
    shift_down: torch.Tensor
    shift_right: torch.Tensor
    zoom: torch.Tensor
    flip_left_right: torch.Tensor
    flip_up_down: torch.Tensor

    def sampling_matrices(self, height: int, width: int) -> torch.Tensor:
        """Where each place of the results is taken from.

        Args:
            height: Rows of the pictures.
            width: Columns of the pictures.

        Returns:
            Shape ``(B, 2, 3)``: from (x, y, 1) of a result to (x, y) of its source, both from -1 to 1 between the
            picture's outer edges (``affine_grid`` with ``align_corners=False``).
        """
        radians = torch.deg2rad(self.degrees)
        cosine, sine = torch.cos(radians) / self.zoom, torch.sin(radians) / self.zoom
        flip_x, flip_y = 1 - 2 * self.flip_left_right, 1 - 2 * self.flip_up_down
        aspect = height / width
        matrix = torch.stack(
            [flip_x * cosine, -flip_x * sine * aspect, flip_y * sine / aspect, flip_y * cosine], dim=-1
        ).view(-1, 2, 2)
        shift = 2 * torch.stack([self.shift_right, self.shift_down], dim=-1)
        return torch.cat([matrix, -matrix @ shift[..., None]], dim=-1)


def move(images: torch.Tensor, geometry: Geometry) -> torch.Tensor:
    """Apply a geometry: bilinear, with 0 where nothing was.

    Args:
        images: Rows first, shape ``(B, C, H, W)``.
        geometry: How to move each of them.

    Returns:
        Same shape and type.

    Raises:
        DataError: If the images have another number of dimensions.
    """
    if images.ndim != 4:
        raise DataError(f"pictures of shape {tuple(images.shape)}, expected (B, C, H, W)")
    matrices = geometry.sampling_matrices(*images.shape[2:]).to(images)
    grid = functional.affine_grid(matrices, list(images.shape), align_corners=False)
    return functional.grid_sample(images, grid, mode="bilinear", padding_mode="zeros", align_corners=False)


class RandomGeometry:
    """Move every picture of a batch at random, drawing from torch's global random state.

    Args:
        rotate_degrees: Rotation is drawn evenly from plus or minus this angle.
        translate_fraction: Shifts are drawn from plus or minus this fraction of the height and of the width.
        zoom_fraction: Magnification is drawn from 1 plus or minus this fraction; below 1.
        flip_left_right: Probability of a flip of left and right (the last axis).
        flip_up_down: Probability of a flip of top and bottom.

    Raises:
        ConfigError: If a parameter is out of range.
    """

    def __init__(
        self,
        rotate_degrees: float = 0.0,
        translate_fraction: float = 0.0,
        zoom_fraction: float = 0.0,
        flip_left_right: float = 0.0,
        flip_up_down: float = 0.0,
    ) -> None:
        limits = {
            "rotate_degrees": (rotate_degrees, 180.0),
            "translate_fraction": (translate_fraction, 1.0),
            "zoom_fraction": (zoom_fraction, 0.99),
            "flip_left_right": (flip_left_right, 1.0),
            "flip_up_down": (flip_up_down, 1.0),
        }
        for name, (value, largest) in limits.items():
            if not 0 <= value <= largest:
                raise ConfigError(f"{name} is {value}, expected a number from 0 to {largest}")
        self.rotate_degrees = rotate_degrees
        self.translate_fraction = translate_fraction
        self.zoom_fraction = zoom_fraction
        self.flip_left_right = flip_left_right
        self.flip_up_down = flip_up_down

    def draw(self, count: int) -> Geometry:
        """Draw the geometry of `count` pictures; always the same number of draws."""
        even = 2 * torch.rand(4, count) - 1
        chance = torch.rand(2, count)
        return Geometry(
            degrees=self.rotate_degrees * even[0],
            shift_down=self.translate_fraction * even[1],
            shift_right=self.translate_fraction * even[2],
            zoom=1 + self.zoom_fraction * even[3],
            flip_left_right=(chance[0] < self.flip_left_right).float(),
            flip_up_down=(chance[1] < self.flip_up_down).float(),
        )

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        """Draw a geometry and move the pictures ``(B, C, H, W)`` by it."""
        return move(images, self.draw(len(images)))
