"""A run that is killed loses nothing, and a resumed run ends as an unbroken one."""

from __future__ import annotations

import json
import math
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from ignite.engine import Events
from monai.engines import SupervisedTrainer
from pictures import metadata_of, spots

from lungscan_monai.checkpoints import CheckpointStore
from lungscan_monai.errors import CheckpointError, OutputError, WeightsError
from lungscan_monai.handlers.checkpoint import CheckpointHandler
from lungscan_monai.handlers.early_stop import EarlyStopHandler
from lungscan_monai.networks import TimmClassifier
from lungscan_monai.storage import Manifest
from lungscan_monai.task import load_task
from lungscan_monai.training import TrainingRun

ROOT = Path(__file__).resolve().parents[1]
BUNDLE = ROOT / "monai_bundles" / "pneumonia_cxr_classification"

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning", "ignore::DeprecationWarning")


@pytest.fixture(scope="module")
def datalist(tmp_path_factory) -> Path:
    return spots(tmp_path_factory.mktemp("pictures"), metadata_of(BUNDLE))


@pytest.fixture
def bundle(tmp_path) -> Path:
    return shutil.copytree(BUNDLE, tmp_path / BUNDLE.name)


def command(bundle: Path, datalist: Path, **overrides) -> list[str]:
    settings = {"weights": "none", "backbone": "test_efficientnet", "batch_size": 8, "head_epochs": 2, "max_epochs": 4}
    settings |= {"datalist": datalist, "bundle_root": bundle, **overrides}
    words = [sys.executable, "-W", "ignore", "-m", "monai.bundle", "run", "training"]
    words += ["--config_file", str(bundle / "configs" / "train.json")]
    return words + [word for name, value in settings.items() for word in (f"--{name}", str(value))]


def start(words: list[str]) -> subprocess.Popen:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(words, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def finish(words: list[str]) -> str:
    process = start(words)
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors[-3000:]
    return errors


def history(bundle: Path) -> list[dict]:
    path = bundle / "models" / "history.json"
    return json.loads(path.read_text())["epochs"] if path.exists() else []


@pytest.mark.slow
@pytest.mark.parametrize("epochs_before", [1, 3], ids=["in the first phase", "in the second phase"])
def test_a_killed_run_goes_on_as_if_nothing_had_happened(bundle, datalist, tmp_path, epochs_before):
    unbroken = shutil.copytree(BUNDLE, tmp_path / "unbroken" / BUNDLE.name)
    finish(command(unbroken, datalist))
    process = start(command(bundle, datalist))
    while len(history(bundle)) < epochs_before and process.poll() is None:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert Manifest(bundle / "models").verify("model.pt")
    finish(command(bundle, datalist, resume=True))
    assert history(bundle) == history(unbroken)
    states = [torch.load(root / "models" / "model.pt", weights_only=True) for root in (bundle, unbroken)]
    assert all(torch.equal(value, states[1][name]) for name, value in states[0].items())


def test_a_run_with_other_settings_cannot_be_resumed(store_and_network):
    store, network = store_and_network
    run = TrainingRun(store, network, "roc_auc", {"seed": 0})
    run.register("head", trainer(), {})
    run.epoch_completed("head", trainer(epoch=1), {"roc_auc": 0.5}, store=True)
    other = TrainingRun(store, network, "roc_auc", {"seed": 1})
    other.register("head", trainer(), {})
    with pytest.raises(CheckpointError, match="seed was 0, now 1"):
        other.run(resume=True)


def test_there_must_be_something_to_resume(store_and_network):
    store, network = store_and_network
    run = TrainingRun(store, network, "roc_auc", {})
    run.register("head", trainer(), {})
    with pytest.raises(CheckpointError, match="no such file"):
        run.run(resume=True)


def test_a_metric_that_is_nan_never_is_the_best(store_and_network):
    store, network = store_and_network
    run = TrainingRun(store, network, "roc_auc", {})
    run.register("head", trainer(), {})
    for epoch, value in enumerate([math.nan, 0.7, math.nan, 0.9, 0.8], start=1):
        run.epoch_completed("head", trainer(epoch=epoch), {"roc_auc": value}, store=True)
    assert [record["best"] for record in run.history] == [False, True, False, True, False]
    assert store.manifest.entries()["model.pt"]["epoch"] == 4
    assert run.epochs_since_best("head") == 1


def test_an_unwritable_folder_is_refused_before_the_first_epoch(store_and_network, tmp_path):
    _, network = store_and_network
    (tmp_path / "taken").write_text("")
    run = TrainingRun(CheckpointStore(tmp_path / "taken", load_task(BUNDLE)), network, "roc_auc", {})
    run.register("head", trainer(), {})
    with pytest.raises(OutputError):
        run.run()


def test_weights_of_other_labels_or_another_network_are_refused(store_and_network):
    store, network = store_and_network
    store.save_model(network, epoch=1)
    entries = store.manifest.entries()
    with pytest.raises(WeightsError, match="--backbone test_efficientnet"):
        store.load_model(TimmClassifier("test_resnet", 1, weights="none"))
    entries["model.pt"]["labels"] = ["Pneumonia", "Normal"]
    store.manifest.path.write_text(json.dumps({"files": entries}))
    with pytest.raises(WeightsError, match="labels"):
        store.load_model(network)


class Line(torch.nn.Linear):
    """The smallest network that can be stored."""

    architecture = {"backbone": "line"}


def small_run(folder: Path, phases: dict[str, list[float]], epochs: dict[str, int] | None = None, patience: int = 9):
    """A run whose phases fit a line; each epoch gets the next of the given values as its metric.

    Args:
        folder: Where the checkpoints go.
        phases: The metric after each epoch, for each phase.
        epochs: Epochs of a phase, where not as many as it has values.
        patience: Of the early stopping in each phase.
    """
    torch.manual_seed(0)
    network = Line(1, 1)
    run = TrainingRun(CheckpointStore(folder, load_task(BUNDLE)), network, "roc_auc", {})
    for phase, values in phases.items():
        optimizer = torch.optim.SGD(network.parameters(), 0.02, momentum=0.9)
        validated = SimpleNamespace(state=SimpleNamespace(epoch=0, metrics={}))

        def validate(engine, state=validated.state, values=values):
            state.epoch, state.metrics = engine.state.epoch, {"roc_auc": values[engine.state.epoch - 1]}

        data = [{"image": torch.tensor([[x]]), "label": torch.tensor([[3 * x + 1]])} for x in (-1.0, 0.5, 1.0)]
        engine = SupervisedTrainer(
            "cpu", (epochs or {}).get(phase, len(values)), data, network, optimizer, torch.nn.MSELoss(),
        )  # fmt: skip
        engine.add_event_handler(Events.EPOCH_COMPLETED, validate)
        CheckpointHandler(run, phase, validated, optimizer).attach(engine)
        EarlyStopHandler(run, phase, patience).attach(engine)
    return run


def weights_after(run: TrainingRun, **options) -> list[float]:
    run.run(**options)
    return [value.item() for value in run.network.parameters()]


def epochs_of(run: TrainingRun) -> list[tuple[str, int]]:
    return [(record["phase"], record["epoch"]) for record in run.history]


RISING = [0.5, 0.6, 0.7, 0.8]


def test_a_finished_run_with_more_epochs_goes_on_as_if_it_had_been_asked_for_them_at_once(tmp_path):
    phases = {"head": [0.4, 0.3], "fine-tuning": [0.6, 0.5, 0.7, 0.8]}  # the last of two epochs is not the best one
    at_once = small_run(tmp_path / "at once", phases)
    expected = weights_after(at_once)
    small_run(tmp_path / "parts", phases, {"fine-tuning": 2}).run()
    resumed = small_run(tmp_path / "parts", phases)
    assert weights_after(resumed, resume=True) == expected
    assert resumed.history == at_once.history


def test_resuming_a_finished_run_trains_nothing_and_says_so(tmp_path, caplog):
    expected = weights_after(small_run(tmp_path, {"head": [0.5], "fine-tuning": [0.7, 0.6]}))
    resumed = small_run(tmp_path, {"head": [0.5], "fine-tuning": [0.7, 0.6]})
    with caplog.at_level("INFO", "lungscan_monai"):
        assert weights_after(resumed, resume=True) == expected
    assert epochs_of(resumed) == [("head", 1), ("fine-tuning", 1), ("fine-tuning", 2)]
    assert any(message.startswith("nothing left to do: ") for message in caplog.messages)


def test_more_epochs_of_an_earlier_phase_do_not_reopen_it(tmp_path):
    small_run(tmp_path, {"head": [0.5], "fine-tuning": [0.7]}).run()
    resumed = small_run(tmp_path, {"head": RISING, "fine-tuning": [0.7]})
    resumed.run(resume=True)
    assert epochs_of(resumed) == [("head", 1), ("fine-tuning", 1)]


def test_a_phase_that_ended_early_stays_finished(tmp_path, caplog):
    values = {"fine-tuning": [0.9, 0.5, 0.5, 0.5, 0.5]}
    first = small_run(tmp_path, values, {"fine-tuning": 4}, patience=2)
    expected = weights_after(first)
    assert len(first.history) == 3
    resumed = small_run(tmp_path, values, patience=2)
    with caplog.at_level("INFO", "lungscan_monai"):
        assert weights_after(resumed, resume=True) == expected
    assert len(resumed.history) == 3
    assert any(message.startswith("nothing left to do: ") for message in caplog.messages)


def test_a_run_killed_after_the_decision_to_stop_trains_no_further_epoch(tmp_path, monkeypatch):
    phases = {"head": [0.9, 0.5, 0.5, 0.5], "fine-tuning": [0.6]}
    unbroken = small_run(tmp_path / "unbroken", phases, patience=2)
    expected = weights_after(unbroken)
    killed = small_run(tmp_path / "killed", phases, patience=2)
    monkeypatch.setattr(killed, "_finish", lambda phase: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        killed.run()
    resumed = small_run(tmp_path / "killed", phases, patience=2)
    assert weights_after(resumed, resume=True) == expected
    assert resumed.history == unbroken.history


def test_a_run_killed_in_any_epoch_goes_on_exactly(tmp_path, monkeypatch):
    phases = {"head": [0.5, 0.4, 0.3], "fine-tuning": [0.6, 0.5, 0.7]}
    unbroken = small_run(tmp_path / "unbroken", phases)
    expected = weights_after(unbroken)
    for number in range(1, 7):
        killed = small_run(tmp_path / str(number), phases)
        completed = killed.epoch_completed

        def die_after(*args, completed=completed, killed=killed, number=number, **options):
            completed(*args, **options)
            if len(killed.history) == number:
                raise KeyboardInterrupt

        monkeypatch.setattr(killed, "epoch_completed", die_after)
        with pytest.raises(KeyboardInterrupt):
            killed.run()
        resumed = small_run(tmp_path / str(number), phases)
        assert weights_after(resumed, resume=True) == expected
        assert resumed.history == unbroken.history


def test_a_trained_model_is_not_lost_to_a_run_that_does_not_say_so(tmp_path):
    small_run(tmp_path, {"head": [0.5]}).run()
    before = (tmp_path / "model.pt").read_bytes()
    with pytest.raises(CheckpointError, match=r"model\.pt.*--resume.*--overwrite"):
        small_run(tmp_path, {"head": RISING}).run()
    assert (tmp_path / "model.pt").read_bytes() == before
    small_run(tmp_path, {"head": RISING}).run(overwrite=True)
    assert (tmp_path / "model.pt").read_bytes() != before


def test_a_state_without_a_model_is_not_lost_either(tmp_path):
    small_run(tmp_path, {"head": [math.nan]}).run()
    assert not (tmp_path / "model.pt").exists()
    with pytest.raises(CheckpointError, match=r"resume\.pt"):
        small_run(tmp_path, {"head": RISING}).run()


class trainer:
    """An engine as far as a training run looks at it."""

    def __init__(self, epoch: int = 0) -> None:
        self.state = type("State", (), {"epoch": epoch, "max_epochs": 5, "epoch_length": 3})()


@pytest.fixture
def store_and_network(tmp_path) -> tuple[CheckpointStore, TimmClassifier]:
    return CheckpointStore(tmp_path, load_task(BUNDLE)), TimmClassifier("test_efficientnet", 1, weights="none")
