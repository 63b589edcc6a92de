"""Does a model answer in bfloat16 or int8 as in float32: labelled cases through both, side by side, and a verdict.

What is compared is what a reader meets: calibrated probabilities, decisions at the operating points (that a case is not
assessable is one, too), and the ROC AUC with a bootstrap over patients. The verdict is kept beside the model.
"""

from __future__ import annotations

import importlib.util
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from lungscan_monai.data.datalist import SECTIONS, Datalist, load_datalist
from lungscan_monai.errors import ConfigError, DataError, MissingDependencyError
from lungscan_monai.evaluation.comparing import Evaluated, compare
from lungscan_monai.evaluation.estimates import MIN_PATIENTS
from lungscan_monai.evaluation.predictions import Predictions
from lungscan_monai.inference.backends.base import COMPUTES_IN, PRECISIONS, Backend, require_precision
from lungscan_monai.inference.backends.exported import ExportedModel, logits_of_samples
from lungscan_monai.inference.backends.exporting import ensure_exported
from lungscan_monai.inference.backends.quantised import QuantisedModel
from lungscan_monai.inference.backends.starting import ENGINES, checked_engine, start_engine
from lungscan_monai.inference.backends.torch_backend import TorchBackend
from lungscan_monai.inference.backends.verdicts import Figures, Tolerances, Verdict, save_verdict
from lungscan_monai.inference.batch import Show
from lungscan_monai.inference.explaining_model import ExplainingModel
from lungscan_monai.inference.int8 import decisions_on, ensure_int8, pictures_of
from lungscan_monai.metrics.intervals import patient_clusters

COMPARABLE = ("torch", *ENGINES)
"""Backends that are compared if none is named, as far as they are installed and compute in the precision."""

_SAMPLES = 4
_PACKAGES = {"onnx": "onnxruntime", "openvino": "openvino"}


@dataclass(frozen=True)
class PrecisionCheck:
    """What is compared, and on which cases.

    Args:
        precision: ``"int8"`` or ``"bfloat16"``.
        backends: Names of :data:`COMPARABLE`; None takes those that are installed.
        section: Section of the datalist that is compared on.
        calibrate_on: Section that the ranges of int8 are taken from; another one.
        tolerances: What may change.
        batch_size: Images in one forward pass.

    Raises:
        ConfigError: If a name is unknown, or a section would be used twice.
    """

    precision: str = "int8"
    backends: tuple[str, ...] | None = None
    section: str = "validation"
    calibrate_on: str = "training"
    tolerances: Tolerances = field(default_factory=Tolerances)
    batch_size: int = 16

    def __post_init__(self) -> None:
        if self.precision not in PRECISIONS[1:]:
            raise ConfigError(f"precision is {self.precision!r}, expected {' or '.join(PRECISIONS[1:])}")
        for name in self.backends or ():
            if name not in COMPARABLE:
                raise ConfigError(f"backend is {name!r}, expected one of {', '.join(COMPARABLE)}")
            require_precision(name, self.precision)
        for name in (self.section, self.calibrate_on):
            if name not in SECTIONS:
                raise ConfigError(f"section is {name!r}, expected one of {', '.join(SECTIONS)}")
        if self.precision == "int8" and self.section == self.calibrate_on:
            raise ConfigError(
                f"section {self.section} would set the ranges of int8 and be compared on, too; name two sections"
            )


@dataclass(eq=False)
class _Pair:
    """One backend twice, and what both answered so far."""

    exact: Backend
    lower: Backend
    image_shape: tuple[int, int, int]
    logits: tuple[list[np.ndarray], list[np.ndarray]] = field(default_factory=lambda: ([], []))
    features: tuple[list[np.ndarray], list[np.ndarray]] = field(default_factory=lambda: ([], []))
    seconds: tuple[list[float], list[float]] = field(default_factory=lambda: ([], []))

    def run(self, images: np.ndarray) -> None:
        """Let both answer, in turns."""
        for which, backend in enumerate((self.exact, self.lower)):
            started = time.perf_counter()
            forward = backend.forward(images)
            self.seconds[which].append((time.perf_counter() - started) / len(images))
            self.logits[which].append(forward.logits)
            self.features[which].append(forward.features)

    @property
    def speed(self) -> float:
        """Images a second of the lower precision, as a multiple of float32: the fastest batch of each."""
        return min(self.seconds[0]) / min(self.seconds[1])


def check_precision(
    bundle_root: str | os.PathLike,
    datalist: str | os.PathLike,
    check: PrecisionCheck | None = None,
    show: Show = lambda done, total: None,
) -> list[Verdict]:
    """Compare a model in a lower precision with itself in float32 on labelled cases, and keep the verdicts beside it.

    For int8 the model of int8 is made first, unless there is one of the same cases.

    Args:
        bundle_root: The bundle, with a trained model.
        datalist: The labelled cases.
        check: What is compared; int8 in all backends if None.
        show: Is told how many cases are through.

    Returns:
        One for each backend.

    Raises:
        ConfigError: If no backend that is installed computes in the precision.
        DataError: If the datalist is not of the task, has no case in a section, or an image cannot be read.
        CheckpointError: If there is no trained model, or it is damaged.
        BackendError: If a backend does not agree with PyTorch in float32 already.
        MissingDependencyError: If a package of a backend named, or of the export, is not installed.
        OutputError: If the bundle cannot be written.
    """
    check = check or PrecisionCheck()
    cases = load_datalist(datalist)
    sections = (check.section, check.calibrate_on) if check.precision == "int8" else (check.section,)
    model = ExplainingModel(bundle_root, None, check.batch_size)
    cases.require_task(model.task)
    _require_cases(cases, sections)
    names = _backends(check)
    folder = Path(bundle_root) / "models"
    exported = quantised = None
    shape = model.prepare(cases.records(check.section)[0]["image"]).shape
    if set(names) & set(ENGINES):
        exported = ensure_exported(model.network, folder, model.model_sha256, shape)
    if check.precision == "int8":
        quantised = ensure_int8(model, exported, cases, check.calibrate_on, check.tolerances, check.batch_size)
    pairs = [_Pair(*_both(name, model, exported, check.precision), shape) for name in names]
    records = cases.records(check.section)
    done = 0
    for images in pictures_of(model, records, check.batch_size):
        for pair in pairs:
            pair.run(images)
        done += len(images)
        show(done, len(records))
    verdicts = [_verdict(model, pair, cases, check, quantised) for pair in pairs]
    for verdict in verdicts:
        save_verdict(folder, verdict)
    return verdicts


def _backends(check: PrecisionCheck) -> tuple[str, ...]:
    """Return those that are compared."""
    if check.backends is not None:
        return check.backends
    able = [name for name in COMPARABLE if check.precision in COMPUTES_IN[name]]
    found = tuple(name for name in able if name == "torch" or importlib.util.find_spec(_PACKAGES[name]) is not None)
    if not found:
        raise MissingDependencyError(
            f"{check.precision} needs {' or '.join(_PACKAGES[name] for name in able)}, which is not installed: "
            "pip install 'lungscan-monai[export,openvino]'"
        )
    return found


def _require_cases(cases: Datalist, sections: Sequence[str]) -> None:
    for section in sections:
        if not cases.cases(section):
            raise DataError(
                f"{cases.name}: section {section} has no case; name another one, or split the data when importing them"
            )
    cases.require_files(*sections)


def _both(name: str, model: ExplainingModel, exported: ExportedModel | None, precision: str) -> tuple[Backend, Backend]:
    """Start one backend in float32 and in the lower precision."""
    if name == "torch":
        return TorchBackend(model.network), TorchBackend(model.network, precision)
    return checked_engine(name, exported, model.judge).backend, start_engine(name, exported, precision)


def _verdict(
    model: ExplainingModel, pair: _Pair, cases: Datalist, check: PrecisionCheck, quantised: QuantisedModel | None
) -> Verdict:
    return Verdict(
        backend=pair.lower.name,
        precision=pair.lower.precision,
        engine=pair.lower.engine,
        model_sha256=model.model_sha256,
        fitted=model.fitted,
        quantised_sha256=None if quantised is None else quantised.sha256,
        datalist_sha256=cases.sha256,
        section=check.section,
        figures=_figures(model, pair, cases, check.section),
        tolerances=check.tolerances,
        answers=tuple(tuple(map(float, row)) for row in logits_of_samples(pair.lower, pair.image_shape, _SAMPLES)),
    )


def _figures(model: ExplainingModel, pair: _Pair, cases: Datalist, section: str) -> Figures:
    rows = [model.judge(np.concatenate(logits)).probabilities for logits in pair.logits]
    decisions = [decisions_on(model, of_one) for of_one in rows]
    if model.input_check is not None:
        for one, features in zip(decisions, pair.features, strict=True):
            one[model.input_check.distances(np.concatenate(features)) > model.input_check.limit] = -1
    difference = np.abs(rows[1] - rows[0])
    auc = _roc_auc(model, cases, section, rows)
    return Figures(
        cases=len(rows[0]),
        decisions=decisions[0].size,
        changed_decisions=int((decisions[0] != decisions[1]).sum()),
        largest_difference=float(difference.max()),
        mean_difference=float(difference.mean()),
        auc=auc["first"].get("value"),
        auc_difference=auc["difference"].get("value"),
        auc_low=auc["difference"].get("low"),
        auc_high=auc["difference"].get("high"),
        speed=round(pair.speed, 3),
    )


def _roc_auc(
    model: ExplainingModel, cases: Datalist, section: str, rows: Sequence[np.ndarray]
) -> dict[str, dict[str, Any]]:
    """Return the ROC AUC of both and its difference, of several labels the mean over them."""
    names = model.task.label_names[1:] if model.task.kind == "binary" else model.task.label_names
    points = [{"label": name, "operating_point": {"threshold": model.threshold_of(name)}} for name in names]
    report = {"labels": points, "facts": {}}
    records = cases.records(section)
    of_both = [
        Evaluated(
            name,
            Predictions(
                tuple(record["case"] for record in records),
                tuple(record["patient"] or None for record in records),
                (section,) * len(records),
                np.array([record["label"] for record in records]),
                probabilities,
                model.task.label_names,
                model.task.kind,
            ),
            report,
        )
        for name, probabilities in zip(("float32", "lower"), rows, strict=True)
    ]
    found = compare(*of_both)
    metrics = found["labels"][0]["metrics"] if len(names) == 1 else found["overall"]["macro"]
    auc = metrics["roc_auc"]
    if auc["difference"].get("value") == 0 and auc["difference"]["low"] is None and _has_enough(of_both[0].test):
        auc["difference"].update(low=0.0, high=0.0)  # no resample changed it, which comparing takes for no interval
    return auc


def _has_enough(cases: Predictions) -> bool:
    """Tell whether there are enough patients of each class, of those labels that have both, to resample them."""
    clusters = patient_clusters(cases.patients)
    sizes = [min(np.unique(clusters[target.y_true == value]).size for value in (0, 1)) for target in cases.targets()]
    return min((size for size in sizes if size), default=0) >= MIN_PATIENTS
