"""What the tests of the backends share: a bundle with a trained model, and its export."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.special import expit

from lungscan_monai.checkpoints import CheckpointStore
from lungscan_monai.inference.backends.agreement import Judged
from lungscan_monai.inference.backends.choosing import TrainedModel
from lungscan_monai.inference.backends.exported import ExportedModel
from lungscan_monai.networks import TimmClassifier
from lungscan_monai.storage import sha256_file
from lungscan_monai.task import load_task

BUNDLE = Path(__file__).resolve().parents[3] / "monai_bundles" / "pneumonia_cxr_classification"
SHAPE = (3, 64, 48)


@pytest.fixture(scope="session")
def network() -> TimmClassifier:
    """A small network of one logit that answers differently for different pictures."""
    torch.manual_seed(0)
    network = TimmClassifier("test_efficientnet", 1, weights="none", image_size=SHAPE[1:])
    with torch.no_grad():
        network.head[-1].weight.mul_(300)
    return network.eval()


@pytest.fixture(scope="session")
def trained(network, tmp_path_factory) -> Path:
    """A bundle with that network as its model."""
    root = shutil.copytree(BUNDLE, tmp_path_factory.mktemp("bundle") / BUNDLE.name)
    CheckpointStore(root / "models", load_task(root)).save_model(network, epoch=1)
    return root


@pytest.fixture(scope="session")
def model(network, trained) -> TrainedModel:
    models = trained / "models"
    return TrainedModel(network, models, sha256_file(models / "model.pt"), SHAPE)


@pytest.fixture(scope="session")
def exported(model) -> ExportedModel:
    """The export of that model."""
    for package in ("onnx", "onnxscript"):
        pytest.importorskip(package, reason=f"{package} is not installed: pip install 'lungscan-monai[export]'")
    from lungscan_monai.inference.backends.exporting import ensure_exported

    return ensure_exported(model.network, model.folder, model.sha256, model.image_shape)


@pytest.fixture(scope="session")
def pictures() -> np.ndarray:
    """Five pictures of different brightness, ``(5, 3, 64, 48)`` in [0, 1]."""
    random = np.random.default_rng(1)
    levels = np.linspace(0.1, 0.9, 5)[:, None, None, None]
    return np.clip(random.normal(levels, 0.1, (5, *SHAPE)), 0, 1).astype(np.float32)


@pytest.fixture(scope="session")
def judge() -> Callable[[np.ndarray], Judged]:
    """Probabilities and decisions of one logit at a threshold of one half."""

    def judged(logits: np.ndarray) -> Judged:
        positive = expit(logits.astype(np.float64))
        return Judged(np.hstack([1 - positive, positive]), tuple(bool(value >= 0.5) for value in positive[:, 0]))

    return judged
