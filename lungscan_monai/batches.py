"""From a stored batch to what the network is trained on: on the device, in [0, 1], augmented, perhaps mixed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from monai.transforms import Randomizable
from torch.nn import functional
from torchvision.transforms import v2

from lungscan_monai.errors import ConfigError
from lungscan_monai.task import TaskSpec


class BatchPreparation:
    """The `prepare_batch` of MONAI's engines for batches of 8-bit pictures.

    Args:
        random_transforms: What changes training images at random: callables from a batch ``(B, C, H, W)`` in [0, 1] to
            one of the same shape. MONAI's array transforms are such callables, too; they treat all images of a batch
            alike.
        task: The task; needed only for mixing, to turn class indices into shares.
        mixup_alpha: Above 0, images and labels are mixed in pairs, the share drawn from Beta(alpha, alpha) (Zhang et
            al. 2018).
        cutmix_alpha: Above 0, a rectangle of each image comes from another one, its area drawn likewise (Yun et al.
            2019). With both, each batch gets one of them.

    Raises:
        ConfigError: If an alpha is negative, or mixing is asked for without the task.
    """

    def __init__(
        self,
        random_transforms: Sequence[Callable[[torch.Tensor], torch.Tensor]] = (),
        task: TaskSpec | None = None,
        mixup_alpha: float = 0.0,
        cutmix_alpha: float = 0.0,
    ) -> None:
        alphas = {"mixup_alpha": mixup_alpha, "cutmix_alpha": cutmix_alpha}
        if min(alphas.values()) < 0 or (task is None and any(alphas.values())):
            raise ConfigError(f"{alphas}: expected numbers from 0 on, and the task where one is above 0")
        self._random_transforms = tuple(random_transforms)
        self._task = task
        self._mixings = [
            mixing(alpha=alpha) for mixing, alpha in ((v2.MixUp, mixup_alpha), (v2.CutMix, cutmix_alpha)) if alpha > 0
        ]

    def __call__(
        self, batch: Mapping[str, Any], device: torch.device | str = "cpu", non_blocking: bool = False, **_: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return images, float32 ``(B, C, H, W)`` in [0, 1], and labels, with mixing as shares."""
        image = self.images(batch, device, non_blocking)
        label = batch["label"].to(device, non_blocking=non_blocking)
        if self._mixings:
            mixing = self._mixings[int(torch.randint(len(self._mixings), ()))]
            image, label = mixing(image, self._shares(label))
        return image, label

    def images(
        self, batch: Mapping[str, Any], device: torch.device | str = "cpu", non_blocking: bool = False
    ) -> torch.Tensor:
        """Return the images of a batch, augmented but not mixed."""
        image = batch["image"].as_subclass(torch.Tensor).to(device, non_blocking=non_blocking)
        if image.dtype == torch.uint8:
            image = image.float() / 255
        for transform in self._random_transforms:
            image = transform(image)
        return image

    def plain(self) -> BatchPreparation:
        """Return the preparation without anything random."""
        return BatchPreparation()

    def seed(self, seed: int) -> None:
        """Seed the transforms that do not draw from torch's global random state, as MONAI's do not."""
        for transform in self._random_transforms:
            if isinstance(transform, Randomizable):
                transform.set_random_state(seed)

    def _shares(self, label: torch.Tensor) -> torch.Tensor:
        if label.is_floating_point():
            return label
        return functional.one_hot(label, len(self._task.label_names)).float()


def as_one(batch: dict[str, Any]) -> dict[str, Any]:
    """Return the batch: the `collate_fn` of data sets that hand out whole batches."""
    return batch
