"""Features of a frozen backbone, computed once instead of in every epoch."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from ignite import distributed as idist
from monai.data import DataLoader, list_data_collate
from monai.networks.utils import eval_mode
from torch.utils.data import Dataset, Subset

from lungscan_monai.caching import CachedImageDataset
from lungscan_monai.distributed import gather
from lungscan_monai.networks import TimmClassifier


class FrozenFeatureDataset(Dataset):
    """The pooled features of every training image, in one or several views, with the image's other entries.

    View 0 is the image as it is, every further one an augmented copy. The backbone runs in evaluation mode without
    gradients, so its batch-norm statistics do not move. In a distributed run each rank computes its share.

    Args:
        network: The classifier; its backbone is what is frozen.
        dataset: Images ``(C, H, W)`` in [0, 1] under `image`.
        views: Number of views of each image, at least 1.
        batch_size: Images in one forward pass.
        num_workers: Processes that read images.
        device: Where the backbone runs.
        seed: Seed of the augmented views.
        bfloat16: Whether the backbone computes in bfloat16, several times as fast on processors that have it; the
            features, float32 all the same, then differ in the third digit.
    """

    def __init__(
        self,
        network: TimmClassifier,
        dataset: CachedImageDataset,
        views: int = 1,
        batch_size: int = 32,
        num_workers: int = 0,
        device: torch.device | str = "cpu",
        seed: int = 0,
        bfloat16: bool = False,
    ) -> None:
        self._network = network
        self._dataset = dataset
        self._views = views
        self._options = {"batch_size": batch_size, "num_workers": num_workers}
        self._device = torch.device(device)
        self._seed = seed
        self._bfloat16 = bfloat16
        self._items: list[dict[str, Any]] | None = None

    def __len__(self) -> int:
        return self._views * len(self._dataset)

    def __getitem__(self, index: int) -> dict[str, Any]:
        return self.items()[index]

    def items(self) -> list[dict[str, Any]]:
        """Return all items, view after view; the first call computes the features ``(C,)``."""
        if self._items is None:
            self._items = [item for view in range(self._views) for item in self._compute(view)]
        return self._items

    def _compute(self, view: int) -> list[dict[str, Any]]:
        dataset = self._dataset.plain() if view == 0 else self._dataset
        ranks, rank = idist.get_world_size(), idist.get_rank()
        share = Subset(dataset, range(rank, len(dataset), ranks))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self._seed + view)  # the loader seeds its workers, or its own transforms, from torch
            loader = DataLoader(share, shuffle=False, collate_fn=list_data_collate, **self._options)
            items = list(self._forward(loader))
        return _interleave(gather(items), len(dataset))

    def _forward(self, batches: Iterable[dict[str, Any]]) -> Iterable[dict[str, Any]]:
        for batch in batches:
            with eval_mode(self._network), torch.autocast(self._device.type, torch.bfloat16, enabled=self._bfloat16):
                images = batch["image"].as_subclass(torch.Tensor).to(self._device)
                pooled = self._network.features(images).mean(dim=(2, 3)).float().cpu()
            for row in range(len(pooled)):
                rest = {key: values[row] for key, values in batch.items() if key != "image"}
                yield {**rest, "image": pooled[row].clone()}


def _interleave(shares: list[list[dict[str, Any]]], count: int) -> list[dict[str, Any]]:
    return [shares[index % len(shares)][index // len(shares)] for index in range(count)]
