"""Does the probability follow the map? It should fall when what is salient is taken away, and rise when it is put back.

Source: the deletion and insertion curves of Petsiuk et al., "RISE", BMVC 2018, with three changes. Not pixels but
the cells of a grid are taken, because class activation maps are coarse and single pixels only make noise. In both
directions what is taken away leaves the image's coarse brightness instead of black, which no network has seen. And the
random order is that of the same map at a random place, as coherent as the map's own: cells strewn at random spoil every
part of an image at once, which makes any map look worse than chance.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from lungscan_monai.saliency.recording import evaluating, plain
from lungscan_monai.transforms.outputs import probabilities

GRID = 16
"""Cells in each direction."""

STEPS = 8
"""Points of a curve after its first; each step takes as many cells."""

COARSE = 4
"""What is taken away leaves the mean brightness of so many areas in each direction, joined bilinearly."""


@dataclass(frozen=True)
class Curves:
    """Areas under the curves of one case; the probability of the explained label over the share of the image.

    Args:
        deletion: The most salient cells are taken away first: low is good.
        deletion_random: The cells are taken away in a random order.
        insertion: The most salient cells are put back first: high is good.
        insertion_random: The cells are put back in a random order.
        whole: The probability of the whole image, where deletion starts.
        emptied: That of the image with everything taken away, where insertion starts.
    """

    deletion: float
    deletion_random: float
    insertion: float
    insertion_random: float
    whole: float
    emptied: float


def deletion_and_insertion(
    network: nn.Module, image: torch.Tensor, saliency: torch.Tensor, label: int, kind: str, rng: np.random.Generator
) -> Curves:
    """Take an image apart and put it together, by its map and at random.

    The network sees some 30 images, in one batch, and is left as it was.

    Args:
        network: Gives logits ``(B, num_outputs)``.
        image: Shape ``(C, H, W)``, on the network's device.
        saliency: Shape ``(H, W)``, on the same device.
        label: Index of the explained label.
        kind: ``"binary"``, ``"multiclass"`` or ``"multilabel"``.
        rng: Draws the random order, and decides between cells that are equally salient.
    """
    image = plain(image)
    cells = F.adaptive_avg_pool2d(saliency[None, None].float(), GRID)[0, 0].cpu().numpy()
    ties = rng.permutation(cells.size)
    ranks = [np.argsort(np.lexsort((ties, -each.ravel()))) for each in (cells, _elsewhere(cells, rng))]
    taken = np.linspace(0, GRID * GRID, STEPS + 1)[1:-1].round()
    first = torch.from_numpy(np.stack([rank < count for rank in ranks for count in taken]))
    shape = image.shape[1:]
    chosen = F.interpolate(first.reshape(-1, 1, GRID, GRID).float(), size=shape, mode="nearest").to(image)
    rest = coarse(image)
    deleted, inserted = rest * chosen + image * (1 - chosen), image * chosen + rest * (1 - chosen)
    with torch.no_grad(), evaluating(network):
        logits = network(torch.cat([image[None], rest[None], deleted, inserted]))
    found = probabilities(logits.float(), kind)[:, label].cpu().double().numpy()
    whole, nothing = found[:1], found[1:2]
    curves = found[2:].reshape(2, 2, -1)
    down = [_area(np.concatenate([whole, middle, nothing])) for middle in curves[0]]
    up = [_area(np.concatenate([nothing, middle, whole])) for middle in curves[1]]
    return Curves(down[0], down[1], up[0], up[1], float(whole[0]), float(nothing[0]))


def coarse(image: torch.Tensor) -> torch.Tensor:
    """Return an image ``(C, H, W)`` with nothing left of it but the mean brightness of some areas."""
    means = F.adaptive_avg_pool2d(image[None], COARSE)
    return F.interpolate(means, size=image.shape[1:], mode="bilinear")[0]


def _elsewhere(cells: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return a map ``(GRID, GRID)`` shifted round the grid at random, and mirrored or not."""
    shifted = np.roll(cells, tuple(rng.integers(GRID, size=2)), axis=(0, 1))
    return shifted[:, ::-1] if rng.random() < 0.5 else shifted


def _area(curve: np.ndarray) -> float:
    """Return the area under a curve of points at even distances from 0 to 1, by the trapezoidal rule."""
    return float((curve[:-1] + curve[1:]).mean() / 2)
