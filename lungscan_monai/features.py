"""Features of a frozen backbone, computed once instead of in every epoch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from ignite import distributed as idist
from monai.networks.utils import eval_mode
from torch.utils.data import Dataset

from lungscan_monai.batches import BatchPreparation
from lungscan_monai.caching import CachedImages
from lungscan_monai.distributed import gather
from lungscan_monai.networks import TimmClassifier


class FrozenFeatureDataset(Dataset):
    """The pooled features of every image, in one or several views, with the image's other entries.

    View 0 is the image as it is, every further one an augmented copy. The backbone runs in evaluation mode without
    gradients, so its batch-norm statistics do not move. In a distributed run each rank computes its share.

    Args:
        network: The classifier; its backbone is what is frozen.
        dataset: The images.
        preparation: Turns batches of them into the network's input, with augmentation; None leaves them as they are.
        views: Number of views of each image, at least 1.
        batch_size: Images in one forward pass.
        device: Where the backbone runs.
        seed: Seed of the augmented views.
        bfloat16: Whether the backbone computes in bfloat16, several times as fast on processors that have it; the
            features, float32 all the same, then differ in the third digit.
    """

    def __init__(
        self,
        network: TimmClassifier,
        dataset: CachedImages,
        preparation: BatchPreparation | None = None,
        views: int = 1,
        batch_size: int = 32,
        device: torch.device | str = "cpu",
        seed: int = 0,
        bfloat16: bool = False,
    ) -> None:
        self._network = network
        self._dataset = dataset
        self._preparation = preparation or BatchPreparation()
        self._views = views
        self._batch_size = batch_size
        self._device = torch.device(device)
        self._seed = seed
        self._bfloat16 = bfloat16
        self._features: torch.Tensor | None = None

    def __len__(self) -> int:
        return self._views * len(self._dataset)

    def __getitem__(self, index: int) -> dict[str, Any]:
        return {name: values[0] for name, values in self.__getitems__([index]).items()}

    def __getitems__(self, indices: Sequence[int]) -> dict[str, Any]:
        """Return a batch: `image` holds the features ``(B, C)``; the first call computes those of all images."""
        if self._features is None:
            self._features = torch.cat([self._compute(view) for view in range(self._views)])
        images = [index % len(self._dataset) for index in indices]
        return {"image": self._features[indices], **self._dataset.entries(images)}

    def _compute(self, view: int) -> torch.Tensor:
        preparation = self._preparation if view else self._preparation.plain()
        ranks, rank = idist.get_world_size(), idist.get_rank()
        seed = int(np.random.SeedSequence((self._seed, view, rank)).generate_state(1)[0])
        share = range(rank, len(self._dataset), ranks)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            preparation.seed(seed)
            batches = [share[start : start + self._batch_size] for start in range(0, len(share), self._batch_size)]
            features = [self._forward(self._dataset.__getitems__(list(batch)), preparation) for batch in batches]
        return _interleave(gather(torch.cat(features) if features else torch.empty(0)), len(self._dataset))

    def _forward(self, batch: dict[str, Any], preparation: BatchPreparation) -> torch.Tensor:
        with eval_mode(self._network), torch.autocast(self._device.type, torch.bfloat16, enabled=self._bfloat16):
            images = preparation.images(batch, self._device)
            return self._network.features(images).mean(dim=(2, 3)).float().cpu()


def _interleave(shares: list[torch.Tensor], count: int) -> torch.Tensor:
    return torch.stack([shares[index % len(shares)][index // len(shares)] for index in range(count)])
