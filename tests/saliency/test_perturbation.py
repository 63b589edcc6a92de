"""Deletion and insertion on a network whose reason is known."""

import numpy as np
import pytest
import torch
from sklearn.metrics import auc
from torch import nn

from lungscan_monai.saliency.perturbation import STEPS, coarse, deletion_and_insertion


class LooksAtOneCorner(nn.Module):
    """One logit: high if the upper left quarter has its pattern of bright points."""

    def __init__(self) -> None:
        super().__init__()
        self.seen = 0

    def forward(self, x):
        self.seen += len(x)
        return 400 * x[:, :, :16, :16].var((1, 2, 3), correction=0)[:, None] - 5


@pytest.fixture
def image():
    generator = torch.Generator().manual_seed(0)
    return torch.rand(1, 64, 64, generator=generator)


def test_a_map_of_the_right_place_beats_a_random_order_and_one_of_the_wrong_place_does_not(image):
    network, rng = LooksAtOneCorner(), np.random.default_rng(0)
    right, wrong = torch.zeros(64, 64), torch.zeros(64, 64)
    right[:16, :16] = 1
    wrong[48:, 48:] = 1
    good = [deletion_and_insertion(network, image, right, 1, "binary", rng) for _ in range(20)]
    bad = [deletion_and_insertion(network, image, wrong, 1, "binary", rng) for _ in range(20)]
    assert all(found.deletion <= found.deletion_random for found in good)
    assert all(found.insertion >= found.insertion_random for found in good)
    assert np.mean([found.deletion for found in bad]) > np.mean([found.deletion for found in good]) + 0.3
    assert np.mean([found.insertion for found in bad]) < np.mean([found.insertion for found in good]) - 0.1
    assert good[0].whole > 0.99 and good[0].emptied < 0.01


def test_the_area_is_that_of_the_trapezoidal_rule(image):
    class MeanOfPattern(nn.Module):
        """Multi-label scores that fall with the share of the image that is left."""

        def forward(self, x):
            return 60 * (x - coarse(image)).abs().mean((1, 2, 3))[:, None]

    saliency = torch.ones(64, 64)
    network = MeanOfPattern()
    found = deletion_and_insertion(network, image, saliency, 0, "multilabel", np.random.default_rng(0))
    whole = float(60 * (image - coarse(image)).abs().mean())
    shares = np.linspace(0, 1, STEPS + 1)
    expected = auc(shares, 1 / (1 + np.exp(-whole * (1 - shares))))
    assert found.deletion == pytest.approx(expected, abs=0.02)
    assert found.insertion == pytest.approx(found.deletion, abs=0.02)


def test_the_network_sees_some_thirty_images_and_keeps_its_mode(image):
    network = LooksAtOneCorner().train()
    deletion_and_insertion(network, image, torch.ones(64, 64), 1, "binary", np.random.default_rng(0))
    assert network.seen == 2 + 4 * (STEPS - 1)
    assert network.training


def test_equal_seeds_give_equal_numbers(image):
    parts = (LooksAtOneCorner(), image, torch.rand(64, 64), 0, "binary")
    first, second = (deletion_and_insertion(*parts, np.random.default_rng(3)) for _ in range(2))
    assert first == second


def test_what_is_left_of_an_emptied_image_is_its_coarse_brightness(image):
    assert coarse(image).shape == image.shape
    assert coarse(image).mean().item() == pytest.approx(image.mean().item(), abs=0.01)
    assert coarse(image).std() < 0.2 * image.std()
