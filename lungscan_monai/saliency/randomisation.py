"""Does a map depend on what the network has learned? With its weights thrown away, it should become another one.

Source: the cascading randomisation of Adebayo et al., "Sanity checks for saliency maps", NeurIPS 2018. A method whose
maps stay alike shows the edges of the image, not the reasons of the network.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from scipy.stats import spearmanr
from skimage.metrics import structural_similarity
from torch import nn

_COMPARED_AT = 32
"""Before their ranks are compared, maps are averaged over so many areas in each direction: neighbours say the same."""


@dataclass(frozen=True)
class Likeness:
    """How alike two maps are.

    Args:
        rank_correlation: Spearman's, in [-1, 1].
        ssim: Structural similarity (Wang et al., IEEE Trans. Image Process. 2004), at most 1.
    """

    rank_correlation: float
    ssim: float


def likeness(one: torch.Tensor, other: torch.Tensor) -> Likeness | None:
    """Compare two maps ``(H, W)`` in [0, 1]; None where one of them is the same everywhere and has no order."""
    ranked = [F.adaptive_avg_pool2d(each[None, None].cpu().float(), _COMPARED_AT).flatten() for each in (one, other)]
    if any(bool(each.max() == each.min()) for each in ranked):
        return None
    correlation = spearmanr(*(each.numpy() for each in ranked)).statistic
    similarity = structural_similarity(*(each.cpu().numpy() for each in (one, other)), data_range=1.0)
    return Likeness(float(correlation), float(similarity))


def randomised_networks(network: nn.Module, seed: int = 0) -> Iterator[tuple[str, nn.Module]]:
    """Give copies of a network with more and more of its weights drawn anew, from the logits down.

    Args:
        network: With a module `head`, and `blocks`: names of the backbone's parameters, block after block
            (:class:`~lungscan_monai.networks.TimmClassifier`). It is not changed.
        seed: Of the weights.

    Yields:
        What was drawn anew, and the copy: the head, the upper half of the backbone's blocks too, the whole network.
    """
    copied = copy.deepcopy(network).eval()
    generator = torch.Generator().manual_seed(seed)
    _draw(copied.head, generator)
    yield "head", copied
    blocks = copied.blocks()
    half = len(blocks) // 2
    for what, names in (("head and upper half", blocks[half:]), ("whole network", blocks[:half])):
        wanted = {name for block in names for name in block}
        for prefix, module in copied.backbone.named_modules():
            own = {f"{prefix}.{name}" if prefix else name for name, _ in module.named_parameters(recurse=False)}
            if own & wanted:
                _draw_module(module, generator)
        yield what, copied


def _draw(part: nn.Module, generator: torch.Generator) -> None:
    for module in part.modules():
        _draw_module(module, generator)


@torch.no_grad()
def _draw_module(module: nn.Module, generator: torch.Generator) -> None:
    """Draw weights as He et al. (ICCV 2015) start them, with zero bias; norms start as they do in a new network."""
    if isinstance(module, (nn.Conv2d, nn.Linear)):
        fan_in = module.weight[0].numel()
        drawn = torch.randn(module.weight.shape, generator=generator) * np.sqrt(2 / fan_in)
        module.weight.copy_(drawn)
        if module.bias is not None:
            module.bias.zero_()
    elif hasattr(module, "reset_parameters"):
        module.reset_parameters()
