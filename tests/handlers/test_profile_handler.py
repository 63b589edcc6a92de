"""Every stage of a training takes a known time on a clock of our own, which the profile must find again."""

import json
from types import SimpleNamespace

import pytest
import torch
from ignite.engine import Engine, Events
from monai.engines import SupervisedTrainer
from monai.engines.utils import IterationEvents, default_prepare_batch
from torch import nn

from lungscan_monai.handlers import profile as module
from lungscan_monai.handlers.profile import STAGES, ProfileHandler, profile_table

STEPS, EPOCHS = 2, 2
SECONDS = dict(zip(STAGES, (1, 2, 4, 8, 16, 32, 64, 128), strict=True))
CLOCK = SimpleNamespace(now=0.0)


@pytest.fixture(autouse=True)
def a_clock_that_only_the_stages_move(monkeypatch):
    monkeypatch.setattr(module, "time", SimpleNamespace(perf_counter=lambda: CLOCK.now))


def take(stage):
    CLOCK.now += SECONDS[stage]


class Batches:
    """As many batches as an epoch has, each of which takes its time."""

    def __len__(self):
        return STEPS

    def __iter__(self):
        for _ in range(STEPS):
            take("data")
            yield {"image": torch.ones(1, 1), "label": torch.zeros(1, 1)}


class SlowBackward(torch.autograd.Function):
    """The identity, whose gradient takes its time."""

    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, gradient):
        take("backward")
        return gradient


class Network(nn.Linear):
    """A network whose forward and backward passes take their time."""

    def __init__(self):
        super().__init__(1, 1)

    def forward(self, x):
        take("forward")
        return SlowBackward.apply(super().forward(x))


class Optimizer(torch.optim.SGD):
    """An optimizer whose steps take their time."""

    def step(self, closure=None):
        take("optimizer")
        return super().step(closure)


def prepare(*arguments, **options):
    take("preparation")
    return default_prepare_batch(*arguments, **options)


def loss(prediction, label):
    take("loss")
    return (prediction - label).pow(2)


class OtherHandlers:
    """A handler in the middle of a step, and one between the epochs that calls the network, as validation does."""

    def attach(self, engine):
        engine.add_event_handler(IterationEvents.LOSS_COMPLETED, lambda _: take("handlers"))
        engine.add_event_handler(Events.EPOCH_COMPLETED, lambda _: take("epoch_end"))
        engine.add_event_handler(Events.EPOCH_COMPLETED, lambda _: engine.network(torch.ones(1, 1)))


def trainer_of(profile, **options):
    network = Network()
    return SupervisedTrainer(
        device=torch.device("cpu"),
        max_epochs=EPOCHS,
        train_data_loader=Batches(),
        network=network,
        optimizer=Optimizer(network.parameters(), lr=0.1),
        loss_function=loss,
        prepare_batch=prepare,
        train_handlers=[profile, OtherHandlers()],
        **options,
    )


def test_every_stage_is_given_its_time(tmp_path, caplog):
    caplog.set_level("INFO", "lungscan_monai")
    output = tmp_path / "profile.json"
    trainer_of(ProfileHandler(True, output)).run()
    expected = {stage: STEPS * seconds for stage, seconds in SECONDS.items()}
    expected["epoch_end"] = SECONDS["epoch_end"] + SECONDS["forward"]
    assert json.loads(output.read_text())["epochs"] == [
        {"epoch": 1, "steps": STEPS, "seconds": expected},
        {"epoch": 2, "steps": STEPS, "seconds": expected},
    ]
    assert "where the time went" in caplog.text and "network, backward" in caplog.text


def test_a_step_without_optimizer_counts_none(tmp_path):
    output = tmp_path / "profile.json"
    trainer_of(ProfileHandler(True, output), accumulation_steps=2).run()
    for epoch in json.loads(output.read_text())["epochs"]:
        assert epoch["seconds"]["optimizer"] == SECONDS["optimizer"]


def test_switched_off_it_leaves_no_trace(tmp_path):
    trainer_of(ProfileHandler(False, tmp_path / "profile.json")).run()
    assert not list(tmp_path.iterdir())


def test_of_several_processes_the_first_one_writes(tmp_path, monkeypatch):
    monkeypatch.setattr("ignite.distributed.get_rank", lambda: 1)
    ProfileHandler(True, tmp_path / "profile.json").attach(engine := Engine(lambda engine, batch: None))
    engine.run([0])
    assert not list(tmp_path.iterdir())


def test_afterwards_network_and_optimizer_are_free_of_it(tmp_path):
    trainer = trainer_of(ProfileHandler(True, tmp_path / "profile.json"))
    trainer.run()
    assert not trainer.network._forward_pre_hooks
    assert not trainer.optimizer._optimizer_step_post_hooks


def test_the_table_shows_means_over_the_epochs():
    nothing = dict.fromkeys(STAGES, 0.0)
    epochs = [{"steps": 4, "seconds": {**nothing, "forward": 1.0, "data": value}} for value in (1, 5)]
    rows = {line[:-25].strip(): line[-25:].split() for line in profile_table(epochs).splitlines()[1:]}
    assert rows["network, forward"] == ["1.00", "250.0", "25.0%"]
    assert rows["waiting for the next batch"] == ["3.00", "750.0", "75.0%"]
    assert rows["one epoch"] == ["4.00", "1000.0", "100.0%"]
