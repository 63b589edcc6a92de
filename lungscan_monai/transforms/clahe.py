"""MONAI's door to `contrast`: CLAHE as a dictionary transform."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
from monai.config import KeysCollection
from monai.transforms import MapTransform
from monai.utils import convert_data_type, convert_to_dst_type

from lungscan_monai.transforms.contrast import check_clahe, clahe

__all__ = ["Clahed", "clahe"]


class Clahed(MapTransform):
    """MONAI adapter of `clahe`: a MetaTensor comes out as one, with its meta data.

    Args:
        keys: Entries to transform: shades in [0, 1], shape ``(C, H, W)`` or ``(H, W)``.
        clip_limit: See `clahe`.
        tiles: See `clahe`.
        bits: See `clahe`.
        allow_missing_keys: Whether an entry may be missing.

    Raises:
        ConfigError: If a parameter is out of range.
    """

    def __init__(
        self,
        keys: KeysCollection,
        clip_limit: float = 2.0,
        tiles: tuple[int, int] = (8, 8),
        bits: int = 8,
        allow_missing_keys: bool = False,
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        check_clahe(clip_limit, tiles, bits)
        self.clip_limit, self.tiles, self.bits = clip_limit, tuple(tiles), bits

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Equalise every entry named by `keys`.

        Raises:
            DataError: If an entry has another shape, or values outside [0, 1].
        """
        result = dict(data)
        for key in self.key_iterator(result):
            image = convert_data_type(result[key], np.ndarray)[0]
            equalised = clahe(image, self.clip_limit, self.tiles, self.bits)
            result[key] = convert_to_dst_type(equalised, result[key], dtype=np.float32)[0]
        return result
