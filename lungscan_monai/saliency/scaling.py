"""The range of a saliency map."""

from __future__ import annotations

import torch


def scale_to_peak(maps: torch.Tensor) -> torch.Tensor:
    """Divide each non-negative map by its maximum.

    Zero stays zero: unlike a scaling from minimum to maximum this invents no contrast, and unlike MONAI's default it
    does not invert.

    Args:
        maps: Shape ``(N, 1, H, W)``, at least 0.

    Returns:
        The same shape, float32 in [0, 1]; the maximum of each map is 1, or 0 where it was 0 all over.
    """
    maps = maps.float()
    peaks = maps.amax(dim=(-2, -1), keepdim=True)
    return maps / torch.where(peaks > 0, peaks, 1.0)
