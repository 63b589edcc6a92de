"""Choose what runs a model: the backend asked for, or the fastest of those that answer as PyTorch does in float32."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from lungscan_monai.errors import BackendError, CheckpointError, ConfigError, MissingDependencyError, OutputError
from lungscan_monai.inference.backends.agreement import Judge, compare
from lungscan_monai.inference.backends.base import COMPUTES_IN, PRECISIONS, Backend, require_precision
from lungscan_monai.inference.backends.exported import SAMPLES, sample_images
from lungscan_monai.inference.backends.exporting import ensure_exported
from lungscan_monai.inference.backends.starting import (
    ENGINES,
    Choice,
    Evidence,
    ModelState,
    evidence_for,
    permission,
    require_agreement,
    start_engine,
    warn_of_rounding,
)
from lungscan_monai.inference.backends.torch_backend import TorchBackend
from lungscan_monai.networks import TimmClassifier

BACKENDS = ("torch", "torch-compile", *ENGINES, "auto")
AUTO_SAMPLES = 4
"""Pictures that candidates are compared and timed on, at least; more where the precision wants more."""

_ROUNDS = 3
_LONG_PASS = 1.0

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class TrainedModel:
    """A network with its verified weights, and where it comes from.

    Args:
        network: In evaluation mode, on its device.
        folder: Of `model.pt`; an export lies there, too.
        sha256: Of `model.pt`.
        image_shape: ``(C, H, W)`` of one input.
        fitted: A hash of calibration and operating points, for which verdicts on precisions hold.
    """

    network: TimmClassifier
    folder: Path
    sha256: str
    image_shape: tuple[int, int, int]
    fitted: str = ""

    @property
    def state(self) -> ModelState:
        """What a verdict on a precision holds for."""
        return ModelState(self.folder, self.sha256, self.fitted)


@dataclass(frozen=True, eq=False)
class Candidate:
    """One backend that was looked at.

    Args:
        name: As it is chosen.
        precision: What it computes in.
        backend: Ready to run; None if it cannot be had.
        evidence: How far it agrees with PyTorch in float32, or the verdict on its precision.
        seconds: Of the fastest pass over the samples.
        refused: Why it is out of the question, None if it is not.
    """

    name: str
    precision: str
    backend: Backend | None = None
    evidence: Evidence | None = None
    seconds: float | None = None
    refused: str | None = None


def choose_backend(
    wanted: str, model: TrainedModel, judge: Judge, precision: str = "float32", images: np.ndarray | None = None
) -> Choice:
    """Return what shall run a model, after comparing its answers with those of PyTorch in float32.

    A backend that was asked for by name is taken if it agrees. ``"auto"`` takes the fastest of those that are installed
    and agree: PyTorch, ONNX Runtime and OpenVINO, also in bfloat16 or int8 if `precision` says so. On a GPU only
    PyTorch is looked at, and `torch.compile` never, since it builds for a minute.

    Args:
        wanted: A name in :data:`BACKENDS`.
        model: The model.
        judge: What its logits mean.
        precision: A name in :data:`PRECISIONS`.
        images: To compare and time on, ``(B, C, H, W)``, float32 in [0, 1]; generated if None.

    Raises:
        ConfigError: If there is no such backend or precision, or the one does not compute in the other.
        BackendError: If the backend does not agree, or in int8 if no labelled cases show that it does.
        MissingDependencyError: If the package of the backend is not installed.
        OutputError: If the model cannot be exported to its folder.
    """
    if wanted not in BACKENDS or precision not in PRECISIONS:
        raise ConfigError(
            f"backend {wanted!r} in {precision!r}: expected one of {', '.join(BACKENDS)} in {' or '.join(PRECISIONS)}"
        )
    eager = TorchBackend(model.network)
    if (wanted, precision) == ("torch", "float32"):
        return Choice(eager, eager.facts)
    if images is None:
        images = sample_images(model.image_shape, max(AUTO_SAMPLES, SAMPLES.get(precision, 0)))
    if wanted == "auto":
        return _fastest(model, judge, precision, images, eager)
    require_precision(wanted, precision)
    verdict = permission(model.state, wanted, precision)
    backend = _started(wanted, model, precision)
    evidence = evidence_for(
        backend,
        verdict,
        model.image_shape,
        lambda: compare(eager.logits(images), backend.logits(images), judge, precision),
    )
    require_agreement(backend, evidence)
    return Choice(backend, {**backend.facts, **evidence.facts})


def _started(name: str, model: TrainedModel, precision: str) -> Backend:
    if name in ENGINES:
        exported = ensure_exported(model.network, model.folder, model.sha256, model.image_shape)
        return start_engine(name, exported, precision)
    return TorchBackend(model.network, precision, compiled=name == "torch-compile")


def _fastest(model: TrainedModel, judge: Judge, precision: str, images: np.ndarray, eager: TorchBackend) -> Choice:
    expected = eager.logits(images)
    if not np.isfinite(expected).all():
        logger.warning("backend auto takes torch in float32: the network gives what is not a number, nothing can agree")
        return Choice(eager, eager.facts)
    candidates = [
        _examined(name, its_precision, model, judge, images, expected)
        for name, its_precision in _to_examine(eager.device.type, precision)
    ]
    candidates = _timed(candidates, images)
    for candidate in candidates:
        logger.info("backend auto: %s", _sentence(candidate, len(images)))
    best = min((one for one in candidates if one.refused is None), key=lambda one: one.seconds)
    logger.info("backend auto takes %s in %s, the fastest that agrees", best.name, best.precision)
    warn_of_rounding(best.evidence)
    described = [_described(candidate, len(images)) for candidate in candidates]
    return Choice(best.backend, {**best.backend.facts, **best.evidence.facts, "candidates": described})


def _to_examine(device_type: str, precision: str) -> list[tuple[str, str]]:
    """Return the candidates, by name and precision; PyTorch in float32 is the first."""
    names = ("torch", *ENGINES) if device_type == "cpu" else ("torch",)
    found = [(name, "float32") for name in names]
    if precision == "float32":
        return found
    return found + [(name, precision) for name in names if precision in COMPUTES_IN[name]]


def _examined(
    name: str, precision: str, model: TrainedModel, judge: Judge, images: np.ndarray, expected: np.ndarray
) -> Candidate:
    """Start a candidate, time its first pass, and compare it."""
    try:
        verdict = permission(model.state, name, precision)
        backend = _started(name, model, precision)
    except (BackendError, CheckpointError, MissingDependencyError, OutputError) as error:
        return Candidate(name, precision, refused=str(error))
    seconds, found = _pass(backend, images)
    evidence = evidence_for(backend, verdict, model.image_shape, lambda: compare(expected, found, judge, precision))
    return Candidate(name, precision, backend, evidence, seconds, None if evidence.holds else str(evidence))


def _timed(candidates: Sequence[Candidate], images: np.ndarray) -> list[Candidate]:
    """Let the candidates that agree take turns; the fastest pass of each counts, long first passes are enough."""
    best = {index: one.seconds for index, one in enumerate(candidates) if one.refused is None}
    if max(best.values()) < _LONG_PASS:
        for _ in range(_ROUNDS):
            for index in best:
                best[index] = min(best[index], _pass(candidates[index].backend, images)[0])
    return [replace(one, seconds=best.get(index)) for index, one in enumerate(candidates)]


def _pass(backend: Backend, images: np.ndarray) -> tuple[float, np.ndarray]:
    started = time.perf_counter()
    found = backend.logits(images)
    return time.perf_counter() - started, found


def _described(candidate: Candidate, count: int) -> dict[str, Any]:
    rate = None if candidate.seconds is None else round(count / candidate.seconds, 2)
    facts = {"backend": candidate.name, "precision": candidate.precision, "images_per_second": rate}
    return {**facts, "refused": candidate.refused}


def _sentence(candidate: Candidate, count: int) -> str:
    which = f"{candidate.name} in {candidate.precision}"
    if candidate.refused is not None:
        return f"{which} is out: {candidate.refused}"
    return f"{which} {count / candidate.seconds:.1f} images/s, {candidate.evidence}"
