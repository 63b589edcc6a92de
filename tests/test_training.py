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

import pytest
import torch
from pictures import metadata_of, spots

from lungscan_monai.checkpoints import CheckpointStore
from lungscan_monai.errors import CheckpointError, NonFiniteLossError, OutputError, WeightsError
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


def test_a_loss_that_is_nan_stops_the_step_and_names_the_cases(monkeypatch):
    from monai.engines import SupervisedTrainer

    from lungscan_monai.handlers.finite_loss import FiniteLossHandler

    network = torch.nn.Linear(2, 1)
    before = network.weight.detach().clone()
    data = [{"image": torch.ones(2, 2), "label": torch.tensor([[0.0], [math.nan]]), "case": ["good", "bad"]}]
    engine = SupervisedTrainer(
        "cpu", 1, data, network, torch.optim.SGD(network.parameters(), 1.0), torch.nn.MSELoss(),
        train_handlers=[FiniteLossHandler()],
    )  # fmt: skip
    with pytest.raises(NonFiniteLossError, match="good, bad"):
        engine.run()
    assert torch.equal(network.weight, before)


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


class trainer:  # noqa: N801 - stands for an engine
    """An engine as far as a training run looks at it."""

    def __init__(self, epoch: int = 0) -> None:
        self.state = type("State", (), {"epoch": epoch, "max_epochs": 5, "epoch_length": 3})()


@pytest.fixture
def store_and_network(tmp_path) -> tuple[CheckpointStore, TimmClassifier]:
    return CheckpointStore(tmp_path, load_task(BUNDLE)), TimmClassifier("test_efficientnet", 1, weights="none")
