"""A trained bundle in PyTorch as a batch uses it, without MONAI, which takes 2 s and 130 MB or more to be imported."""

from __future__ import annotations

import os
from pathlib import Path

from lungscan_monai.checkpoints import load_weights
from lungscan_monai.devices import choose_device
from lungscan_monai.inference.backends.choosing import TrainedModel, choose_backend
from lungscan_monai.inference.case_model import CaseModel
from lungscan_monai.inference.plain_answering import PlainAnswering
from lungscan_monai.inference.plain_network import plain_network
from lungscan_monai.inference.plain_steps import steps_of_model
from lungscan_monai.model_files import MODEL_NAME
from lungscan_monai.task import load_task


class PlainModel(CaseModel, PlainAnswering):
    """The network itself, on any backend; it answers as :class:`~lungscan_monai.inference.predictor.Predictor` does.

    Args:
        bundle_root: Folder of the bundle, with `configs/inference.json` and `models/model.pt`.
        backend: As `Predictor` takes it.
        precision: The same.
        batch_size: Images in one forward pass.
        check_inputs: Whether an image that does not look like the validation cases is turned away.

    Raises:
        ConfigError: If `inference.json` holds what only MONAI knows, or there is no such backend.
        BackendError: If the backend's answers are not those of PyTorch in float32.
        MissingDependencyError: If the backend's package is not installed.
        CheckpointError: If there is no trained model, or it is damaged.
        WeightsError: If the model belongs to another network or other labels.
    """

    def __init__(
        self,
        bundle_root: str | os.PathLike,
        backend: str = "torch",
        precision: str = "float32",
        batch_size: int = 16,
        check_inputs: bool = True,
    ) -> None:
        root = Path(bundle_root)
        task, models = load_task(root), root / "models"
        steps = steps_of_model(root, task)
        network = plain_network(root, task).to(choose_device()).eval()
        super().__init__(
            task, models, load_weights(network, models / MODEL_NAME, task), steps, batch_size, check_inputs
        )
        model = TrainedModel(network, models, self.model_sha256, steps.image_shape, self.fitted)
        choice = choose_backend(backend, model, self.judge, precision)
        self.backend, self.backend_facts = choice.backend, choice.facts
