"""Each epoch has a random state of its own, whatever was drawn before."""

import random

import numpy as np
import pytest
import torch
from ignite.engine import Engine
from monai.transforms import RandGaussianNoise

from lungscan_monai.batches import BatchPreparation
from lungscan_monai.handlers.seeding import EpochSeedHandler

BLACK = {"image": torch.zeros(1, 1, 2, 2)}


def noisy():
    return BatchPreparation([RandGaussianNoise(prob=1.0)])


class Sampler:
    def set_epoch(self, epoch):
        self.epoch = epoch


def draws(epochs=(1,), seed=0, phase="head", rank=0):
    """Return what Python, NumPy, torch and a MONAI transform draw in each epoch, and the sampler's epoch."""
    preparation, sampler, drawn = noisy(), Sampler(), []

    def step(engine, batch):
        noise = preparation.images(BLACK).flatten().tolist()
        drawn.append((random.random(), np.random.rand(), torch.rand(1).item(), *noise, sampler.epoch))

    engine = Engine(step)
    EpochSeedHandler(seed, phase, sampler, preparation, rank).attach(engine)
    engine.run([0], max_epochs=max(epochs))
    return [drawn[epoch - 1] for epoch in epochs]


def test_the_same_epoch_draws_the_same_numbers():
    assert draws(epochs=(1, 2)) == draws(epochs=(1, 2))


def test_an_epoch_does_not_depend_on_what_was_drawn_before_it():
    expected = draws(epochs=(3,))[0]
    random.seed(7), np.random.seed(7), torch.manual_seed(7)
    preparation, sampler = noisy(), Sampler()
    engine = Engine(lambda engine, batch: None)
    engine.state.epoch = 3
    EpochSeedHandler(0, "head", sampler, preparation, 0)(engine)
    noise = preparation.images(BLACK).flatten().tolist()
    assert (random.random(), np.random.rand(), torch.rand(1).item(), *noise, sampler.epoch) == expected


@pytest.mark.parametrize("other", [{"epochs": (2,)}, {"seed": 1}, {"phase": "fine-tuning"}, {"rank": 1}], ids=str)
def test_other_epochs_seeds_phases_and_ranks_draw_other_numbers(other):
    assert not set(draws()[0]) & set(draws(**other)[0][:-1])
