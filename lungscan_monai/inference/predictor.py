"""A trained bundle as one Python object: pictures in, decisions and explanations out.

Everything that uses a model beside MONAI's own commands (the command line, the apps) goes through it.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from monai.bundle import ConfigParser
from monai.transforms import Compose, LoadImaged

from lungscan_monai.checkpoints import load_weights
from lungscan_monai.devices import choose_device
from lungscan_monai.errors import ConfigError, LungScanError, ReadError
from lungscan_monai.fitted import load_calibration, load_input_check, load_operating_points
from lungscan_monai.metrics.decisions import DEFAULT_THRESHOLD, leading_labels
from lungscan_monai.metrics.operating_points import OperatingPoint
from lungscan_monai.model_files import MODEL_NAME, recorded_architecture
from lungscan_monai.saliency.cams import explain
from lungscan_monai.task import TaskSpec, load_task

NOT_ASSESSABLE = "not-assessable"
"""Code of the reject of an image that does not look like the validation cases."""


@dataclass(frozen=True)
class Prediction:
    """The answer for one case.

    Args:
        case: The file as it was named.
        probabilities: One for each label, in [0, 1]; calibrated where a calibration was fitted with the model.
        label: The decision: for a binary task by the threshold, else the most probable class; None for several
            findings, which have no single decision.
        threshold: The threshold applied in a binary task, else None.
        findings: Of several findings those called present, each by its own threshold; None for exclusive classes.
    """

    case: str
    probabilities: dict[str, float]
    label: str | None
    threshold: float | None
    findings: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Reject:
    """A file that was turned away.

    Args:
        case: The file as it was named.
        code: Short machine-readable reason.
        reason: One sentence.
    """

    case: str
    code: str
    reason: str


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


class Predictor:
    """Load a bundle's trained model once and apply it to files.

    Args:
        bundle_root: Folder of the bundle, with `configs/inference.json` and `models/model.pt`.
        device: Where to compute; None chooses the GPU if there is one.
        batch_size: Images in one forward pass.
        check_inputs: Whether an image that does not look like the validation cases is turned away as not assessable,
            where such a check was fitted with the model.

    Raises:
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
    ) -> None:
        root = Path(bundle_root)
        self.task: TaskSpec = load_task(root)
        self.device = torch.device(device) if device is not None else choose_device()
        self.batch_size = batch_size
        parser = _inference_config(root)
        self.network = parser.get_parsed_content("network_def").to(self.device).eval()
        self.model_sha256 = load_weights(self.network, root / "models" / MODEL_NAME, self.task)
        self.calibration = load_calibration(root / "models", self.model_sha256)
        self.operating_points = load_operating_points(root / "models", self.model_sha256, self.calibration)
        self.input_check = load_input_check(root / "models", self.model_sha256) if check_inputs else None
        self._read, self._prepare = _split_after_reading(parser.get_parsed_content("preprocessing"))
        self._postprocess = parser.get_parsed_content("postprocessing")

    @property
    def operating_point(self) -> OperatingPoint | None:
        """The operating point of a binary task's positive label; None where none was fitted, or for other tasks."""
        return self.operating_points.get(self.task.label_names[1]) if self.task.kind == "binary" else None

    def threshold_of(self, label: str) -> float:
        """Return the fitted threshold of a label, or 0.5 where none was fitted."""
        point = self.operating_points.get(label)
        return DEFAULT_THRESHOLD if point is None else point.threshold

    @property
    def threshold(self) -> float:
        """The threshold that decides a binary task; 0.5 where none was fitted."""
        return DEFAULT_THRESHOLD if self.operating_point is None else self.operating_point.threshold

    def predict(self, paths: Sequence[str | os.PathLike]) -> list[Prediction | Reject]:
        """Answer for each file, in their order; one that cannot be read becomes a reject."""
        answers: list[Prediction | Reject] = []
        for start in range(0, len(paths), self.batch_size):
            answers += self._predict_batch([os.fspath(path) for path in paths[start : start + self.batch_size]])
        return answers

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
            ReadError: If the file cannot be read.
            ConfigError: If the task has no such label.
            SaliencyError: If there is no such method or layer.
        """
        names = self.task.label_names
        if label is not None and label not in names:
            raise ConfigError(f"{self.task.name} has no label {label!r}; it has {', '.join(names)}")
        case = os.fspath(path)
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

    def _predict_batch(self, cases: list[str]) -> list[Prediction | Reject]:
        answers: dict[int, Prediction | Reject] = {}
        images: dict[int, torch.Tensor] = {}
        for position, case in enumerate(cases):
            try:
                images[position] = self._load(case)[1]
            except LungScanError as error:
                answers[position] = _reject(case, error)
        if images:
            rows, features = self._probabilities(torch.stack(list(images.values())).to(self.device))
            for position, row, reason in zip(images, rows, self._reasons(features), strict=True):
                case = cases[position]
                answers[position] = Reject(case, NOT_ASSESSABLE, reason) if reason else self._answer(case, row)
        return [answers[position] for position in range(len(cases))]

    def _load(self, case: str) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the picture as read and as the network takes it; MONAI wraps our errors, which come out again here."""
        try:
            picture = self._read({"image": case})["image"]
            return picture, torch.as_tensor(self._prepare({"image": picture})["image"])
        except RuntimeError as error:
            if isinstance(error.__cause__, LungScanError):
                raise error.__cause__ from error
            raise

    def _probabilities(self, images: torch.Tensor) -> tuple[list[np.ndarray], np.ndarray]:
        """Return the probabilities of each label, and the pooled features ``(B, C)``."""
        with torch.inference_mode():
            features = self.network.features(images)
            logits = self.network.classify(features)
        return self._rows(logits), features.mean(dim=(2, 3)).cpu().numpy()

    def _rows(self, logits: torch.Tensor) -> list[np.ndarray]:
        """Return the probabilities of each label from logits ``(B, num_outputs)``."""
        return [np.asarray(self._postprocess({"pred": row.cpu(), "image": None})["pred"]) for row in logits]

    def _reasons(self, features: np.ndarray) -> list[str | None]:
        """Say for each case why it cannot be assessed; None where it can."""
        if self.input_check is None:
            return [None] * len(features)
        limit = self.input_check.limit
        return [
            f"not assessable: the image does not look like those that the model was validated on "
            f"(distance {distance:.3f}, limit {limit:.3f})"
            if distance > limit
            else None
            for distance in self.input_check.distances(features)
        ]

    def _answer(self, case: str, row: np.ndarray) -> Prediction:
        probabilities = {name: float(value) for name, value in zip(self.task.label_names, row, strict=True)}
        if self.task.kind == "multilabel":
            found = [name for name, value in probabilities.items() if value >= self.threshold_of(name)]
            return Prediction(case, probabilities, None, None, tuple(found))
        threshold = self.threshold if self.task.kind == "binary" else None
        return Prediction(case, probabilities, self._leading_label(row), threshold)

    def _leading_label(self, row: np.ndarray) -> str:
        return self.task.label_names[int(leading_labels(row[None], self.task.kind, self.threshold)[0])]


def _inference_config(root: Path) -> ConfigParser:
    parser = ConfigParser()
    parser.read_config(str(root / "configs" / "inference.json"))
    parser["bundle_root"] = str(root)
    for name, value in recorded_architecture(root / "models").items():
        if name in parser.get():
            parser[name] = value  # a setting of the whole config, as the backbone and the image size are
        elif name in parser.get("network_def"):
            parser[f"network_def#{name}"] = value
    return parser


def _split_after_reading(preprocessing: Compose) -> tuple[Compose, Compose]:
    steps = preprocessing.transforms
    if not isinstance(steps[0], LoadImaged):
        raise ConfigError(f"inference.json: preprocessing starts with {type(steps[0]).__name__}, expected LoadImaged")
    return Compose(steps[:1]), Compose(steps[1:])


def _reject(case: str, error: LungScanError) -> Reject:
    if isinstance(error, ReadError):
        return Reject(case, error.code, error.reason)
    return Reject(case, "not-usable", str(error))
