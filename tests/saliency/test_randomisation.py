"""Weights drawn anew, stage by stage, and how alike maps then are."""

import copy

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr

from lungscan_monai.networks import TimmClassifier
from lungscan_monai.saliency.cams import explain
from lungscan_monai.saliency.randomisation import likeness, randomised_networks


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return TimmClassifier("resnet18", 3, weights="none", hidden_features=8).eval()


def test_more_and_more_weights_are_drawn_anew_from_the_top_down(network):
    before, changed = copy.deepcopy(network.state_dict()), {}
    for stage, drawn in randomised_networks(network):
        state = drawn.state_dict()
        changed[stage] = {
            name for name, value in before.items() if value.ndim > 1 and not torch.equal(state[name], value)
        }
    weights = {name for name, value in before.items() if value.ndim > 1 and name not in ("mean", "std")}
    head, half, whole = changed.values()
    assert list(changed) == ["head", "head and upper half", "whole network"]
    assert head == {name for name in weights if name.startswith("head")}
    assert head < half < whole == weights
    assert "backbone.layer4.0.conv1.weight" in half and "backbone.conv1.weight" not in half
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_equal_seeds_draw_equal_weights(network):
    first, second, other = (
        [drawn.head[0].weight.clone() for _, drawn in randomised_networks(network, seed)][0] for seed in (1, 1, 2)
    )
    assert torch.equal(first, second) and not torch.equal(first, other)


def test_random_networks_still_give_maps_with_an_order(network):
    images = torch.rand(4, 3, 96, 96, generator=torch.Generator().manual_seed(2))
    maps = explain(network, images, None, "multiclass")[1]
    for _, drawn in randomised_networks(network):
        others = explain(drawn, images, None, "multiclass")[1]
        assert all(likeness(one, other) is not None for one, other in zip(maps, others, strict=True))


def test_a_map_is_like_itself_and_unlike_its_negative():
    saliency = torch.rand(64, 64, generator=torch.Generator().manual_seed(0))
    same, turned = likeness(saliency, saliency), likeness(saliency, 1 - saliency)
    assert (same.rank_correlation, same.ssim) == (pytest.approx(1), pytest.approx(1))
    assert turned.rank_correlation == pytest.approx(-1)
    assert turned.ssim < 0


def test_the_rank_correlation_is_spearmans_of_the_averaged_maps():
    random = np.random.default_rng(0)
    one, other = random.random((2, 64, 64))
    means = [each.reshape(32, 2, 32, 2).mean((1, 3)).ravel() for each in (one, other)]
    found = likeness(torch.from_numpy(one), torch.from_numpy(other))
    assert found.rank_correlation == pytest.approx(spearmanr(*means).statistic, abs=1e-6)


def test_a_map_without_order_cannot_be_compared():
    assert likeness(torch.zeros(40, 40), torch.rand(40, 40)) is None
