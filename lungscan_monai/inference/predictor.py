"""A trained bundle as one Python object: pictures in, decisions and explanations out.

Everything that uses a model beside MONAI's own commands (the command line, the apps) goes through it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from monai.bundle import ConfigParser
from monai.transforms import Compose, LoadImaged

from lungscan_monai.checkpoints import load_weights
from lungscan_monai.devices import choose_device
from lungscan_monai.errors import ConfigError, LungScanError
from lungscan_monai.inference.answering import NOT_ASSESSABLE, Answering, Prediction, Reject
from lungscan_monai.inference.backends.choosing import TrainedModel, choose_backend
from lungscan_monai.model_files import MODEL_NAME, settle_architecture
from lungscan_monai.saliency.cams import explain
from lungscan_monai.task import load_task

__all__ = ["NOT_ASSESSABLE", "Explanation", "Prediction", "Predictor", "Reject"]


@dataclass(frozen=True)
class Explanation:
    """Where the model looked for one label.

    Args:
        case: The file as it was named.
        label: The label explained.
        probability: The model's probability of that label, in [0, 1].
        saliency: Shape ``(H, W)`` of the network's input, in [0, 1].
        image: The picture as it was read, ``(C, H', W')`` in [0, 1].
    """

    case: str
    label: str
    probability: float
    saliency: np.ndarray
    image: np.ndarray


class Predictor(Answering):
    """Load a bundle's trained model once and apply it to files.

    Args:
        bundle_root: Folder of the bundle, with `configs/inference.json` and `models/model.pt`.
        device: Where to compute; None chooses the GPU if there is one.
        batch_size: Images in one forward pass.
        check_inputs: Whether an image that does not look like the validation cases is turned away as not assessable,
            where such a check was fitted with the model.
        backend: What runs the network for predictions: ``"torch"``, ``"torch-compile"``, ``"onnx"``, ``"openvino"``, or
            ``"auto"`` for the fastest that agrees with PyTorch; explanations always take PyTorch.
        precision: ``"float32"``, or ``"bfloat16"`` or ``"int8"`` where that agrees.

    Raises:
        ConfigError: If there is no such backend.
        BackendError: If its answers are not those of PyTorch in float32.
        MissingDependencyError: If the backend's package is not installed.
        TaskError: If the bundle's metadata do not describe a task.
        CheckpointError: If there is no trained model, or it is damaged.
        WeightsError: If the model belongs to another network or other labels.
    """

    def __init__(
        self,
        bundle_root: str | os.PathLike,
        device: torch.device | str | None = None,
        batch_size: int = 16,
        check_inputs: bool = True,
        backend: str = "torch",
        precision: str = "float32",
    ) -> None:
        root = Path(bundle_root)
        task, models = load_task(root), root / "models"
        self.device = torch.device(device) if device is not None else choose_device()
        parser = _inference_config(root)
        self.network = parser.get_parsed_content("network_def").to(self.device).eval()
        super().__init__(task, models, load_weights(self.network, models / MODEL_NAME, task), batch_size, check_inputs)
        self._read, self._prepare = _split_after_reading(parser.get_parsed_content("preprocessing"))
        self._postprocess = parser.get_parsed_content("postprocessing")
        image_size = self.network.architecture.get("image_size", task.image_size)
        model = TrainedModel(self.network, models, self.model_sha256, (task.num_channels, *image_size), self.fitted)
        choice = choose_backend(backend, model, self.judge, precision)
        self.backend, self.backend_facts = choice.backend, choice.facts

    def explain(
        self, path: str | os.PathLike, label: str | None = None, method: str = "gradcam", layer: str | None = None
    ) -> Explanation:
        """Explain one label of one file, from one pass of the network.

        Args:
            path: The file.
            label: Name of the label; None takes the decided, or the most probable, one.
            method: A name in :data:`~lungscan_monai.saliency.cams.METHODS`.
            layer: Name of the network's layer to look at; None takes its own choice.

        Raises:
            ReadError: If the file is not admitted or cannot be read.
            ConfigError: If the task has no such label.
            SaliencyError: If there is no such method or layer.
        """
        names = self.task.label_names
        if label is not None and label not in names:
            raise ConfigError(f"{self.task.name} has no label {label!r}; it has {', '.join(names)}")
        case = os.fspath(path)
        self._admit(case)
        picture, prepared = self._load(case)
        row = np.empty(0)

        def chosen(scores: torch.Tensor) -> torch.Tensor:
            nonlocal row
            row = self._rows(scores[:, 1:] if self.task.kind == "binary" else scores)[0]
            return torch.tensor([names.index(label or self._leading_label(row))])

        _, maps = explain(self.network, prepared[None].to(self.device), chosen, self.task.kind, method, layer)
        label = label or self._leading_label(row)
        probability = float(row[names.index(label)])
        return Explanation(case, label, probability, maps[0].cpu().numpy(), np.asarray(picture))

    def _load(self, case: str) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the picture as read and as the network takes it."""
        with _own_errors():
            picture = self._read({"image": case})["image"]
            return picture, torch.as_tensor(self._prepare({"image": picture})["image"])

    def _picture(self, case: str) -> np.ndarray:
        with _own_errors():
            return np.asarray(self._read({"image": case})["image"])

    def _prepared(self, case: str) -> np.ndarray:
        return self._load(case)[1].cpu().numpy()

    def _rows(self, logits: torch.Tensor | np.ndarray) -> np.ndarray:
        """Return the probabilities ``(B, n_labels)`` of logits ``(B, num_outputs)``."""
        cases = torch.as_tensor(logits).cpu()
        return np.stack([np.asarray(self._postprocess({"pred": row, "image": None})["pred"]) for row in cases])


@contextmanager
def _own_errors() -> Iterator[None]:
    """Let our errors, which MONAI wraps, come out again."""
    try:
        yield
    except RuntimeError as error:
        if isinstance(error.__cause__, LungScanError):
            raise error.__cause__ from error
        raise


def _inference_config(root: Path) -> ConfigParser:
    config = ConfigParser.load_config_file(str(root / "configs" / "inference.json"))
    settle_architecture(config, root / "models")
    return ConfigParser({**config, "bundle_root": str(root)})


def _split_after_reading(preprocessing: Compose) -> tuple[Compose, Compose]:
    steps = preprocessing.transforms
    if not isinstance(steps[0], LoadImaged):
        raise ConfigError(f"inference.json: preprocessing starts with {type(steps[0]).__name__}, expected LoadImaged")
    return Compose(steps[:1]), Compose(steps[1:])
