"""The weight average in a MONAI trainer."""

import pytest
import torch
from ignite.engine import Events
from monai.engines import SupervisedTrainer
from torch import nn

from lungscan_monai.averaging import WeightAverage
from lungscan_monai.handlers.averaging import WeightAverageHandler

BATCHES = [{"image": torch.ones(1, 1), "label": torch.zeros(1, 1)}] * 3


class CountedAverage(WeightAverage):
    """A weight average that counts its updates."""

    updates = 0

    def update(self):
        super().update()
        self.updates += 1


def trainer_of(average, network, epochs=1, **options):
    return SupervisedTrainer(
        device=torch.device("cpu"),
        max_epochs=epochs,
        train_data_loader=BATCHES,
        network=network,
        optimizer=torch.optim.SGD(network.parameters(), lr=0.1),
        loss_function=nn.MSELoss(),
        decollate=False,
        train_handlers=[WeightAverageHandler(average)],
        **options,
    )


@pytest.mark.parametrize(("accumulation_steps", "updates"), [(1, 6), (2, 4), (3, 2)])
def test_it_updates_after_each_step_of_the_optimizer(accumulation_steps, updates):
    network = nn.Linear(1, 1)
    average = CountedAverage(network, decay=0.9)
    trainer_of(average, network, epochs=2, accumulation_steps=accumulation_steps).run()
    assert average.updates == updates


def test_the_average_of_a_run_is_that_of_its_steps():
    network = nn.Linear(1, 1, bias=False)
    average = WeightAverage(network, decay=0.01)
    trainer = trainer_of(average, network)
    weights = [network.weight.item()]
    trainer.add_event_handler(Events.ITERATION_COMPLETED, lambda _: weights.append(network.weight.item()))
    trainer.run()
    expected = weights[0]
    for weight in weights[1:]:
        expected = 0.01 * expected + 0.99 * weight
    assert average.network.weight.item() == pytest.approx(expected)


def test_a_new_phase_starts_from_the_network_as_it_is_then():
    network = nn.Linear(1, 1)
    average = WeightAverage(network, decay=0.9)
    trainer = trainer_of(average, network)
    nn.init.constant_(network.weight, 5.0)  # an earlier phase, or the best weights that were loaded after it
    seen = []
    trainer.add_event_handler(Events.EPOCH_STARTED, lambda _: seen.append(average.network.weight.item()))
    trainer.run()
    assert seen == [5.0]


def test_a_resumed_phase_keeps_the_average_that_was_restored():
    network = nn.Linear(1, 1)
    average = WeightAverage(network, decay=0.9)
    trainer = trainer_of(average, network, epochs=2)
    trainer.state.epoch, trainer.state.iteration = 1, 3
    nn.init.constant_(average.network.weight, 5.0)
    seen = []
    trainer.add_event_handler(Events.EPOCH_STARTED, lambda _: seen.append(average.network.weight.item()))
    trainer.run()
    assert seen == [5.0]


def test_all_ranks_agree_before_the_epoch_is_validated(monkeypatch):
    network = nn.Linear(1, 1)
    average = WeightAverage(network, decay=0.9)
    order = []
    monkeypatch.setattr(average, "synchronize", lambda: order.append("synchronized"))
    trainer = trainer_of(average, network)
    trainer.add_event_handler(Events.EPOCH_COMPLETED, lambda _: order.append("validated"))
    trainer.run()
    assert order == ["synchronized", "validated"]


def test_after_the_run_the_optimizer_is_free_of_it():
    network = nn.Linear(1, 1)
    average = CountedAverage(network, decay=0.9)
    trainer = trainer_of(average, network)
    trainer.run()
    trainer.optimizer.step()
    assert average.updates == len(BATCHES)
