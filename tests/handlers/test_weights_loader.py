"""A verified model is in the network before the first step."""

from pathlib import Path

import pytest
import torch
from ignite.engine import Engine

from lungscan_monai.checkpoints import CheckpointStore
from lungscan_monai.errors import CheckpointError
from lungscan_monai.handlers.weights_loader import WeightsLoader
from lungscan_monai.storage import sha256_file
from lungscan_monai.task import TaskSpec

TASK = TaskSpec("t", "?", "1", "binary", ("Normal", "Ill"), (8, 8), 1, ("DX",), "Research only.")


class Line(torch.nn.Linear):
    architecture = {"backbone": "line"}


def run(network: Line, path: Path) -> tuple[WeightsLoader, list[float]]:
    """Return the loader, and the weight that the first step saw."""
    seen = []
    engine = Engine(lambda engine, batch: seen.append(network.weight.item()))
    loader = WeightsLoader(network, path, TASK)
    loader.attach(engine)
    engine.run([0])
    return loader, seen


def test_the_first_step_sees_the_weights_of_the_file_and_its_hash_is_known(tmp_path):
    trained = Line(1, 1)
    CheckpointStore(tmp_path, TASK).save_model(trained)
    loader, seen = run(Line(1, 1), tmp_path / "model.pt")
    assert seen == [trained.weight.item()]
    assert loader.sha256 == sha256_file(tmp_path / "model.pt")


def test_a_damaged_file_stops_the_engine_before_its_first_step(tmp_path):
    CheckpointStore(tmp_path, TASK).save_model(Line(1, 1))
    content = bytearray((tmp_path / "model.pt").read_bytes())
    content[-1] ^= 1
    (tmp_path / "model.pt").write_bytes(content)
    with pytest.raises(CheckpointError, match="damaged"):
        run(Line(1, 1), tmp_path / "model.pt")


def test_a_missing_file_is_named_with_what_makes_one(tmp_path):
    with pytest.raises(CheckpointError, match="lungscan train"):
        run(Line(1, 1), tmp_path / "model.pt")
