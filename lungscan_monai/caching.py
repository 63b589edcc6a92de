"""Training images decoded once: MONAI's cache, and the same images without their random changes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from monai.data import CacheDataset
from monai.transforms import Compose, RandomizableTrait
from torch.utils.data import Dataset


class CachedImageDataset(CacheDataset):
    """MONAI's :class:`~monai.data.CacheDataset`, which can also hand out its images without augmentation."""

    def plain(self) -> Dataset:
        """Return the same cases from the same cache, with every random transform left out."""
        return _PlainImages(self)


class _PlainImages(Dataset):
    def __init__(self, cached: CachedImageDataset) -> None:
        self._cached = cached
        transforms = cached.transform.flatten().transforms
        first = next((i for i, step in enumerate(transforms) if isinstance(step, RandomizableTrait)), len(transforms))
        self._all = Compose([step for step in transforms if not isinstance(step, RandomizableTrait)])
        self._tail = Compose([step for step in transforms[first:] if not isinstance(step, RandomizableTrait)])

    def __len__(self) -> int:
        return len(self._cached)

    def __getitem__(self, index: int) -> Mapping[str, Any]:
        if index < self._cached.cache_num:
            return self._tail(self._cached._cache[index])
        return self._all(self._cached.data[index])
