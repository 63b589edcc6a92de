"""Random brightness, contrast, gamma and noise of a batch of pictures, each picture with values of its own."""

from __future__ import annotations

import torch

from lungscan_monai.errors import ConfigError


class RandomIntensity:
    """Change brightness, contrast and gamma of every picture of a batch, drawing from torch's global random state.

    A picture becomes ``((x - mean) * contrast + mean + brightness) ** gamma``, kept in [0, 1] before the power;
    `mean` is the picture's own.

    Args:
        brightness: What is added is drawn evenly from plus or minus this number; from 0 to 1.
        contrast: The factor is drawn evenly from 1 plus or minus this number; from 0, below 1.
        gamma: The exponent is ``exp`` of a number drawn evenly from plus or minus this one; from 0 on.

    Raises:
        ConfigError: If a parameter is out of range.
    """

    def __init__(self, brightness: float = 0.0, contrast: float = 0.0, gamma: float = 0.0) -> None:
        if not (0 <= brightness <= 1 and 0 <= contrast < 1 and gamma >= 0):
            raise ConfigError(
                f"brightness {brightness}, contrast {contrast}, gamma {gamma}: expected 0 to 1, 0 to below 1, 0 or more"
            )
        self.brightness = brightness
        self.contrast = contrast
        self.gamma = gamma

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        """Return changed pictures ``(B, C, H, W)`` in [0, 1]."""
        even = (2 * torch.rand(3, len(images), 1, 1, 1) - 1).to(images.device)
        mean = images.mean(dim=(1, 2, 3), keepdim=True)
        shifted = (images - mean) * (1 + self.contrast * even[0]) + mean + self.brightness * even[1]
        return shifted.clamp(0, 1) ** torch.exp(self.gamma * even[2])


class RandomNoise:
    """Add Gaussian noise to every picture of a batch, drawing from torch's global random state.

    Args:
        largest_std: The standard deviation of a picture's noise is drawn evenly from 0 to this number; shades are in
            [0, 1].

    Raises:
        ConfigError: If `largest_std` is not from 0 to 1.
    """

    def __init__(self, largest_std: float) -> None:
        if not 0 <= largest_std <= 1:
            raise ConfigError(f"largest_std is {largest_std}, expected a number from 0 to 1")
        self.largest_std = largest_std

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        """Return noisy pictures ``(B, C, H, W)`` in [0, 1]."""
        std = self.largest_std * torch.rand(len(images), 1, 1, 1).to(images.device)
        return (images + std * torch.randn_like(images)).clamp(0, 1)
