"""Show in TensorBoard what the network is trained on."""

from __future__ import annotations

import os

from ignite.engine import Engine
from monai.engines.utils import IterationEvents
from torch.utils.tensorboard import SummaryWriter
from torchvision.utils import make_grid


class PictureGridHandler:
    """Write a grid of the first training batch as the network sees it, after augmentation and mixing.

    A phase writes once, at its very first step; a resumed one does not write again.

    Args:
        log_dir: Folder of the event files.
        phase: Name of the phase; the picture is called ``training batch/<phase>``.
        max_pictures: How many pictures of the batch to show.
    """

    def __init__(self, log_dir: str | os.PathLike, phase: str = "training", max_pictures: int = 32) -> None:
        self.log_dir = log_dir
        self.phase = phase
        self.max_pictures = max_pictures

    def attach(self, engine: Engine) -> None:
        """Watch `engine`, a MONAI trainer whose images are ``(B, 1 or 3, H, W)`` in [0, 1]."""
        engine.add_event_handler(IterationEvents.FORWARD_COMPLETED, self)

    def __call__(self, engine: Engine) -> None:
        """Write the grid, if this is the first step."""
        if engine.state.iteration != 1:
            return
        images = engine.state.output["image"][: self.max_pictures].detach().float().cpu().clamp(0, 1)
        grid = make_grid(images, nrow=8, pad_value=1.0)
        with SummaryWriter(str(self.log_dir)) as writer:
            writer.add_image(f"training batch/{self.phase}", grid, global_step=0)
