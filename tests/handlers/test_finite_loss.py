"""A loss that is not a number never reaches the weights."""

import math

import pytest
import torch
from monai.engines import SupervisedTrainer

from lungscan_monai.errors import NonFiniteLossError
from lungscan_monai.handlers.finite_loss import FiniteLossHandler


def train(network, *targets):
    """Fit a line in steps of two cases, which want the given values."""
    cases = [f"c{number}.png" for number in range(len(targets))]
    data = [
        {
            "image": torch.ones(2, 2),
            "label": torch.tensor(targets[start : start + 2]).view(-1, 1),
            "case": cases[start : start + 2],
        }
        for start in range(0, len(targets), 2)
    ]
    optimizer = torch.optim.SGD(network.parameters(), 0.1)
    handlers = [FiniteLossHandler()]
    SupervisedTrainer("cpu", 1, data, network, optimizer, torch.nn.MSELoss(), train_handlers=handlers).run()


@pytest.fixture
def network():
    torch.manual_seed(0)
    return torch.nn.Linear(2, 1)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_loss_that_is_no_number_stops_the_step_and_names_its_cases(network, value):
    before = network.weight.detach().clone()
    with pytest.raises(NonFiniteLossError, match=r"epoch 1, step 1;.*these cases: c0\.png, c1\.png;"):
        train(network, 0.0, value, 1.0, 1.0)
    assert torch.equal(network.weight, before)


def test_the_step_is_told_within_which_the_loss_became_nan(network):
    with pytest.raises(NonFiniteLossError, match=r"step 2;.*c2\.png, c3\.png"):
        train(network, 0.0, 1.0, math.nan, 1.0)


def test_finite_losses_pass(network):
    before = network.weight.detach().clone()
    train(network, 0.0, 1.0)
    assert not torch.equal(network.weight, before)
