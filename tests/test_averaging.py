"""The moving average of weights, against a hand calculation and timm's independent implementation."""

import numpy as np
import pytest
import torch
from timm.utils import ModelEmaV3
from torch import nn

from lungscan_monai.averaging import WeightAverage
from lungscan_monai.errors import CheckpointError, ConfigError


def small_network():
    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2))


def train_a_little(network, *followers, steps=5):
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    for _ in range(steps):
        optimizer.zero_grad()
        network(torch.randn(4, 1, 5, 5)).pow(2).mean().backward()
        optimizer.step()
        for follow in followers:
            follow()


def assert_equal_states(state, other):
    assert state.keys() == other.keys()
    for name, tensor in state.items():
        torch.testing.assert_close(tensor, other[name], msg=lambda text, name=name: f"{name}: {text}")


def test_the_average_follows_the_formula_with_its_warm_up():
    network = nn.Linear(1, 1, bias=False)
    nn.init.constant_(network.weight, 1.0)
    average = WeightAverage(network, decay=0.15)
    expected = 1.0
    for weight, decay in ((2.0, 1 / 10), (4.0, 0.15), (8.0, 0.15)):  # 2 / 11 would be more than 0.15
        nn.init.constant_(network.weight, weight)
        average.update()
        expected = decay * expected + (1 - decay) * weight
    assert average.network.weight.item() == pytest.approx(expected)


def test_weights_statistics_and_counters_are_those_of_timm():
    network = small_network()
    reference = ModelEmaV3(network, decay=0.05)  # below the warm-up's first value, so that there is none
    average = WeightAverage(network, decay=0.05)
    train_a_little(network, average.update, lambda: reference.update(network))
    assert_equal_states(average.network.state_dict(), reference.module.state_dict())
    assert int(average.network[1].num_batches_tracked) == 5


def test_training_does_not_touch_the_average_and_the_average_not_the_training():
    network = small_network()
    average = WeightAverage(network, decay=0.9)
    before = {name: tensor.clone() for name, tensor in average.network.state_dict().items()}
    train_a_little(network)
    assert_equal_states(average.network.state_dict(), before)
    assert not any(parameter.requires_grad for parameter in average.network.parameters())


def test_switched_off_it_is_the_network_itself():
    network = small_network()
    average = WeightAverage(network, decay=0)
    assert average.network is network
    average.update()
    average.restart()
    average.synchronize()
    average.load_state_dict(average.state_dict())
    assert average.state_dict() == {}


def test_a_restart_forgets_the_past():
    network = small_network()
    average = WeightAverage(network, decay=0.9)
    train_a_little(network, average.update)
    average.restart()
    assert_equal_states(average.network.state_dict(), network.state_dict())
    nn.init.constant_(network[0].weight, 1.0)
    old = average.network[0].weight.clone()
    average.update()
    torch.testing.assert_close(average.network[0].weight, 0.1 * old + 0.9)


def test_a_restored_average_goes_on_as_the_unbroken_one():
    network = small_network()
    average = WeightAverage(network, decay=0.9)
    train_a_little(network, average.update)
    restored = WeightAverage(network, decay=0.9)
    restored.load_state_dict({name: tensor.clone() for name, tensor in average.state_dict().items()})
    train_a_little(network, average.update, restored.update)
    assert_equal_states(restored.state_dict(), average.state_dict())


@pytest.mark.parametrize(("before", "now"), [(0.9, 0.0), (0.0, 0.9)])
def test_a_run_with_average_is_not_resumed_without_nor_the_other_way_round(before, now):
    network = small_network()
    state = WeightAverage(network, before).state_dict()
    with pytest.raises(CheckpointError, match="switched o(n|ff), now it is o(n|ff)"):
        WeightAverage(network, now).load_state_dict(state)


@pytest.mark.parametrize("decay", [-0.1, 1.0, np.nan])
def test_a_decay_outside_its_range_is_refused(decay):
    with pytest.raises(ConfigError, match="expected 0"):
        WeightAverage(small_network(), decay)


@pytest.mark.parametrize("decay", [0.0, 0.9])
def test_a_network_of_several_processes_is_unwrapped(decay):
    torch.distributed.init_process_group("gloo", store=torch.distributed.HashStore(), rank=0, world_size=1)
    try:
        network = small_network()
        wrapped = nn.parallel.DistributedDataParallel(network)
        average = WeightAverage(wrapped, decay)
        train_a_little(wrapped, average.update)
        assert average.network.state_dict().keys() == network.state_dict().keys()
    finally:
        torch.distributed.destroy_process_group()
