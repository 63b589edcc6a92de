"""Random brightness, contrast, gamma and noise: each picture its own, and never out of range."""

import pytest
import torch

from lungscan_monai.errors import ConfigError
from lungscan_monai.transforms.intensity import RandomIntensity, RandomNoise

GREY = torch.full((400, 1, 4, 4), 0.5)
EDGE = torch.cat([torch.full((400, 1, 4, 2), 0.4), torch.full((400, 1, 4, 2), 0.6)], dim=-1)


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def test_brightness_moves_each_picture_by_its_own_amount_inside_the_range():
    moved = RandomIntensity(brightness=0.2)(GREY)[:, 0, 0, 0] - 0.5
    assert moved.abs().max() <= 0.2 + 1e-6 and moved.abs().max() > 0.19 and moved.unique().numel() > 390
    assert abs(moved.mean()) < 0.02


def test_contrast_spreads_shades_about_the_pictures_mean():
    changed = RandomIntensity(contrast=0.5)(EDGE)
    torch.testing.assert_close(changed.mean(dim=(1, 2, 3)), torch.full((400,), 0.5))
    factors = (changed[:, 0, 0, 3] - changed[:, 0, 0, 0]) / 0.2
    assert 0.5 - 1e-5 <= factors.min() < 0.52 and 1.48 < factors.max() <= 1.5 + 1e-5


def test_gamma_keeps_black_and_white_and_bends_grey():
    ends = torch.tensor([0.0, 0.25, 1.0]).expand(400, 1, 1, 3)
    bent = RandomIntensity(gamma=0.5)(ends)[:, 0, 0]
    assert torch.equal(bent[:, 0], torch.zeros(400)) and torch.equal(bent[:, 2], torch.ones(400))
    exponents = bent[:, 1].log() / torch.tensor(0.25).log()
    assert exponents.min() >= 0.6065 and exponents.max() <= 1.6488 and exponents.max() > 1.6


def test_shades_stay_in_range():
    noisy = RandomIntensity(0.9, 0.9, 0.9)(torch.rand(50, 1, 8, 8))
    assert noisy.min() >= 0 and noisy.max() <= 1


def test_noise_has_a_strength_of_its_own_for_each_picture():
    noise = RandomNoise(0.1)(torch.full((200, 1, 32, 32), 0.5)) - 0.5
    strengths = noise.std(dim=(1, 2, 3))
    assert strengths.max() < 0.11 and strengths.min() < 0.01 and abs(strengths.mean() - 0.05) < 0.01


def test_nothing_asked_for_is_nothing_done():
    image = torch.rand(3, 1, 5, 5)
    torch.testing.assert_close(RandomIntensity()(image), image)
    torch.testing.assert_close(RandomNoise(0.0)(image), image)


@pytest.mark.parametrize("options", [{"brightness": -0.1}, {"contrast": 1.0}, {"gamma": -1}])
def test_impossible_parameters_are_refused(options):
    with pytest.raises(ConfigError, match=next(iter(options))):
        RandomIntensity(**options)
    with pytest.raises(ConfigError, match="largest_std"):
        RandomNoise(2)
