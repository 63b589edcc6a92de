"""Start an engine on an exported model, checked against what PyTorch gave at the export; without torch."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lungscan_monai.errors import BackendError, ConfigError
from lungscan_monai.inference.backends.agreement import Agreement, Judge, compare
from lungscan_monai.inference.backends.base import Backend, require_precision
from lungscan_monai.inference.backends.exported import SAMPLES, ExportedModel, logits_of_samples
from lungscan_monai.inference.backends.onnx_runtime import OnnxRuntimeBackend
from lungscan_monai.inference.backends.openvino_runtime import OpenVinoBackend
from lungscan_monai.inference.backends.quantised import QUANTISED_NAME, read_quantised
from lungscan_monai.inference.backends.verdicts import Recalled, Verdict, find_verdict

ENGINES = ("onnx", "openvino")
"""Backends that run an exported model."""

logger = logging.getLogger(__name__)

Evidence = Agreement | Recalled
"""What speaks for or against a backend: pictures that were made for the purpose, or labelled cases."""


@dataclass(frozen=True, eq=False)
class Choice:
    """The backend, and why.

    Args:
        backend: Ready to run.
        facts: What ran, how far from PyTorch's its answers were, and of ``auto`` all candidates; for records.
    """

    backend: Backend
    facts: dict[str, Any]


@dataclass(frozen=True)
class ModelState:
    """A model with what was fitted with it: what a verdict on a precision holds for.

    Args:
        folder: The bundle's `models` folder.
        sha256: Of `model.pt`.
        fitted: A hash of calibration and operating points.
    """

    folder: Path
    sha256: str
    fitted: str


def start_engine(name: str, exported: ExportedModel, precision: str = "float32", threads: int | None = None) -> Backend:
    """Load an exported model into an engine, without asking whether it may be used.

    Args:
        name: A name in :data:`ENGINES`.
        exported: The model.
        precision: ``"float32"``, ``"bfloat16"`` or ``"int8"``.
        threads: For one pass; None as `OMP_NUM_THREADS` says, else the engine's own choice.

    Raises:
        MissingDependencyError: If the engine is not installed.
        ConfigError: If there is no such precision, the engine does not compute in it, or there is no model of int8.
        CheckpointError: If the model of int8 is damaged.
    """
    require_precision(name, precision)
    if precision == "int8":
        quantised = read_quantised(exported)
        if quantised is None:
            raise ConfigError(f"{exported.path.with_name(QUANTISED_NAME)}: there is none of this model yet")
        exported = quantised.exported
    engine = {"onnx": OnnxRuntimeBackend, "openvino": OpenVinoBackend}[name]
    return engine(exported, precision, threads)


def checked_engine(
    name: str, exported: ExportedModel, judge: Judge, precision: str = "float32", fitted: str = ""
) -> Choice:
    """Start an engine and refuse it if it does not answer as PyTorch did.

    Args:
        name: A name in :data:`ENGINES`.
        exported: The model.
        judge: What its logits mean.
        precision: What it shall compute in.
        fitted: As :class:`ModelState` has it.

    Raises:
        MissingDependencyError: If the engine is not installed.
        ConfigError: If it does not compute in that precision.
        BackendError: If it does not agree; it gives the numbers.
        CheckpointError: If a file of the model is damaged.
    """
    require_precision(name, precision)
    verdict = permission(ModelState(exported.path.parent, exported.model_sha256, fitted), name, precision)
    backend = start_engine(name, exported, precision)

    def agreement() -> Agreement:
        found = logits_of_samples(backend, exported.image_shape, SAMPLES[precision])
        return compare(exported.expected_logits[: len(found)], found, judge, precision)

    evidence = evidence_for(backend, verdict, exported.image_shape, agreement)
    require_agreement(backend, evidence)
    return Choice(backend, {**backend.facts, **evidence.facts})


def permission(state: ModelState, name: str, precision: str) -> Verdict | None:
    """Return the verdict that lets a backend compute in less than float32; None if sample pictures have to decide.

    Raises:
        BackendError: If the verdict on labelled cases is against it, or there has to be one and there is none.
        CheckpointError: If a file of the model is damaged.
    """
    if precision == "float32":
        return None
    verdict = find_verdict(state.folder, state.sha256, state.fitted, name, precision)
    how = f"`lungscan precision BUNDLE --datalist FILE --precision {precision}`"
    if verdict is None and precision == "int8":
        raise BackendError(
            f"backend {name} in int8 is refused: it has not been compared with float32 on labelled cases of this model "
            f"with these thresholds; {how} does that"
        )
    if verdict is not None and not verdict.agrees:
        raise BackendError(
            f"backend {name} in {precision} is refused: {verdict}; choose float32, or compare on other cases by {how}"
        )
    return verdict


def evidence_for(
    backend: Backend,
    verdict: Verdict | None,
    image_shape: tuple[int, int, int],
    agreement: Callable[[], Agreement],
) -> Evidence:
    """Say what speaks for a backend: the verdict, if it still answers as it did then, else how far it agrees."""
    if verdict is None:
        return agreement()
    found = logits_of_samples(backend, image_shape, len(verdict.answers))
    return Recalled(verdict, np.asarray(found, dtype=np.float64))


def require_agreement(backend: Backend, evidence: Evidence) -> None:
    """Check that a backend may be used, and say how far it agrees.

    Raises:
        BackendError: If not; it gives the numbers.
    """
    if not evidence.holds:
        raise BackendError(
            f"backend {backend.name} ({backend.engine}, {backend.precision}) is refused: {evidence}; choose another "
            "backend or precision"
        )
    logger.info("backend %s (%s, %s): %s", backend.name, backend.engine, backend.precision, evidence)
    warn_of_rounding(evidence)


def warn_of_rounding(evidence: Evidence) -> None:
    """Say what agreement on sample pictures in another precision than float32 can promise."""
    if isinstance(evidence, Agreement) and evidence.precision != "float32":
        logger.warning(
            "%s agrees on %d made-up pictures; on real ones such networks changed up to 1 decision in 80, so compare "
            "it on labelled cases by `lungscan precision BUNDLE --datalist FILE --precision %s` before you rely on it",
            *(evidence.precision, evidence.samples, evidence.precision),
        )
