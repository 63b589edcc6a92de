"""Occlusion on networks whose answer is known."""

import pytest
import torch
from torch import nn

from lungscan_monai.saliency.cams import explain
from lungscan_monai.saliency.measures import peak


class LooksAtOnePlace(nn.Module):
    """One logit: the mean brightness of a small square."""

    def forward(self, x):
        return 4 * x[:, :, 20:24, 8:12].mean((2, 3)) - 2


def test_the_map_is_high_where_covering_changes_the_answer():
    probabilities, maps = explain(LooksAtOnePlace(), torch.ones(2, 1, 32, 48), 1, "binary", "occlusion")
    assert probabilities[:, 1].tolist() == pytest.approx([0.880797, 0.880797], abs=1e-6)  # sigmoid(2)
    assert maps.shape == (2, 32, 48)
    assert maps.amax() == 1 and maps.amin() == 0
    row, column = peak(maps[0].numpy())
    assert 18 <= row < 26 and 6 <= column < 14
    assert not maps[0, :12].any() and not maps[0, :, 24:].any()


def test_the_other_label_gains_nothing_there():
    _, maps = explain(LooksAtOnePlace(), torch.ones(1, 1, 32, 48), 0, "binary", "occlusion")
    assert not maps.any()
