"""MONAI's door to `colours`: pictures of any number of channels become what a network expects."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import torch
from monai.config import KeysCollection
from monai.data import get_track_meta
from monai.transforms import MapTransform
from monai.utils import convert_to_tensor

from lungscan_monai.transforms.colours import check_channels, to_channels


class ToChannelsd(MapTransform):
    """MONAI adapter of `to_channels`.

    Args:
        keys: Entries to transform; see `to_channels`.
        num_channels: 1 or 3.
        grey: Whether colours become luma.
        allow_missing_keys: Whether an entry may be missing.

    Raises:
        ConfigError: If `num_channels` is not 1 or 3, or colours are to be kept in one channel.
    """

    def __init__(
        self, keys: KeysCollection, num_channels: int, grey: bool = True, allow_missing_keys: bool = False
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        check_channels(num_channels, grey)
        self.num_channels, self.grey = num_channels, grey

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Convert every entry named by `keys`.

        Raises:
            DataError: If an entry has another shape, or an opacity outside [0, 1].
        """
        result = dict(data)
        for key in self.key_iterator(result):
            image = convert_to_tensor(result[key], dtype=torch.float32, track_meta=get_track_meta())
            result[key] = to_channels(image, self.num_channels, self.grey)
        return result
