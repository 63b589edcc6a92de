"""An exported model applied without torch and MONAI: the same answers, from a start that takes a fraction of theirs."""

from __future__ import annotations

import os
from pathlib import Path

from lungscan_monai.errors import ConfigError
from lungscan_monai.inference.backends.exported import read_exported
from lungscan_monai.inference.backends.starting import ENGINES, checked_engine
from lungscan_monai.inference.plain_answering import PlainAnswering
from lungscan_monai.inference.plain_steps import steps_of_model
from lungscan_monai.model_files import MODEL_NAME
from lungscan_monai.storage import Manifest
from lungscan_monai.task import load_task


class LightPredictor(PlainAnswering):
    """Load a bundle's exported model once and apply it to files; for predictions only.

    It answers as :class:`~lungscan_monai.inference.predictor.Predictor` does. The engine is compared with what PyTorch
    gave at the export, each time.

    Args:
        bundle_root: Folder of the bundle, with `models/model.pt` and its export.
        backend: ``"onnx"`` or ``"openvino"``.
        precision: ``"float32"``, or ``"bfloat16"`` or ``"int8"`` where that agrees.
        batch_size: Images in one forward pass.
        check_inputs: Whether an image that does not look like the validation cases is turned away.

    Raises:
        ConfigError: If this way cannot be taken: there is no export of this model yet, `inference.json` holds steps
            that only MONAI knows, or the engine does not compute in that precision.
        BackendError: If the engine does not agree.
        CheckpointError: If the model or its export is damaged.
        MissingDependencyError: If the engine is not installed.
    """

    def __init__(
        self,
        bundle_root: str | os.PathLike,
        backend: str = "onnx",
        precision: str = "float32",
        batch_size: int = 16,
        check_inputs: bool = True,
    ) -> None:
        root = Path(bundle_root)
        task, models = load_task(root), root / "models"
        if backend not in ENGINES:
            raise ConfigError(f"backend {backend} needs torch; without it there are {' and '.join(ENGINES)}")
        steps = steps_of_model(root, task)
        manifest = Manifest(models)
        if manifest.entries().get(MODEL_NAME, {}).get("labels") != list(task.label_names):
            raise ConfigError(f"{models}: the manifest does not record {MODEL_NAME} with the labels of {task.name}")
        model_sha256 = manifest.verify(MODEL_NAME)
        exported = read_exported(models, model_sha256)
        if exported is None or exported.image_shape != steps.image_shape:
            raise ConfigError(f"{models}: the model has not been exported yet")
        super().__init__(task, models, model_sha256, steps, batch_size, check_inputs)
        choice = checked_engine(backend, exported, self.judge, precision, self.fitted)
        self.backend, self.backend_facts = choice.backend, choice.facts
