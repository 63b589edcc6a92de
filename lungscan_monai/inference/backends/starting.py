"""Start an engine on an exported model, checked against what PyTorch gave at the export; without torch."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

from lungscan_monai.errors import BackendError, ConfigError
from lungscan_monai.inference.backends.agreement import TOLERANCES, Agreement, Judge, compare
from lungscan_monai.inference.backends.base import Backend
from lungscan_monai.inference.backends.exported import SAMPLES, ExportedModel, logits_of_samples
from lungscan_monai.inference.backends.onnx_runtime import OnnxRuntimeBackend
from lungscan_monai.inference.backends.openvino_runtime import OpenVinoBackend

ENGINES = ("onnx", "openvino")
"""Backends that run an exported model."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Choice:
    """The backend, and why.

    Args:
        backend: Ready to run.
        facts: What ran, how far from PyTorch's its answers were, and of ``auto`` all candidates; for records.
    """

    backend: Backend
    facts: dict[str, Any]


def start_engine(name: str, exported: ExportedModel, precision: str = "float32", threads: int | None = None) -> Backend:
    """Load an exported model into an engine.

    Args:
        name: A name in :data:`ENGINES`.
        exported: The model.
        precision: ``"float32"`` or ``"bfloat16"``.
        threads: For one pass; None as `OMP_NUM_THREADS` says, else the engine's own choice.

    Raises:
        MissingDependencyError: If the engine is not installed.
        ConfigError: If there is no such precision, or the engine does not compute in it.
    """
    if precision not in TOLERANCES:
        raise ConfigError(f"precision is {precision!r}, expected one of {', '.join(TOLERANCES)}")
    if name == "openvino":
        return OpenVinoBackend(exported, precision, threads)
    if precision != "float32":
        raise ConfigError(f"backend onnx computes in float32 only, not in {precision}; choose openvino or torch for it")
    return OnnxRuntimeBackend(exported, threads)


def checked_engine(name: str, exported: ExportedModel, judge: Judge, precision: str = "float32") -> Choice:
    """Start an engine and refuse it if it does not answer as PyTorch did.

    Raises:
        MissingDependencyError: If the engine is not installed.
        ConfigError: If it does not compute in that precision.
        BackendError: If it does not agree; it gives the numbers.
    """
    backend = start_engine(name, exported, precision)
    found = logits_of_samples(backend, exported.image_shape, SAMPLES[precision])
    agreement = compare(exported.expected_logits[: len(found)], found, judge, precision)
    require_agreement(backend, agreement)
    return Choice(backend, {**backend.facts, **agreement.facts})


def require_agreement(backend: Backend, agreement: Agreement) -> None:
    """Check that a backend may be used, and say how far it agrees.

    Raises:
        BackendError: If not; it gives the numbers.
    """
    if not agreement.holds:
        raise BackendError(
            f"backend {backend.name} ({backend.engine}, {backend.precision}) is refused: {agreement}; choose another "
            "backend or precision"
        )
    logger.info("backend %s (%s, %s): %s", backend.name, backend.engine, backend.precision, agreement)
    warn_of_rounding(agreement)


def warn_of_rounding(agreement: Agreement) -> None:
    """Say what agreement in another precision than float32 can promise."""
    if agreement.precision != "float32":
        logger.warning(
            "%s agrees on %d made-up pictures; on real ones such networks changed up to 1 decision in 80, so compare "
            "both precisions by `lungscan batch --labels` before you rely on it",
            *(agreement.precision, agreement.samples),
        )
