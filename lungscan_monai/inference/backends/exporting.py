"""Export a verified network to ONNX (extra `export`), beside its weights and bound to them."""

from __future__ import annotations

import copy
import importlib.util
import logging
import os
from pathlib import Path

import torch

from lungscan_monai.errors import CheckpointError, MissingDependencyError
from lungscan_monai.inference.backends.exported import (
    EXPORT_NAME,
    SAMPLES,
    ExportedModel,
    logits_of_samples,
    read_exported,
    sample_images,
)
from lungscan_monai.inference.backends.torch_backend import LogitsAndFeatures, TorchBackend
from lungscan_monai.networks import TimmClassifier
from lungscan_monai.storage import Manifest, replacing

logger = logging.getLogger(__name__)

_NEEDED = ("onnx", "onnxscript")


def ensure_exported(
    network: TimmClassifier, folder: str | os.PathLike, model_sha256: str, image_shape: tuple[int, int, int]
) -> ExportedModel:
    """Return the export of a model, made now unless there is one of this very model that is whole.

    Args:
        network: With the weights of `model.pt`, verified, in evaluation mode.
        folder: The bundle's `models` folder.
        model_sha256: Of `model.pt`.
        image_shape: ``(C, H, W)`` of one input.

    Raises:
        MissingDependencyError: If a package of the extra `export` is missing.
        OutputError: If the folder cannot be written.
    """
    try:
        found = read_exported(folder, model_sha256)
    except CheckpointError as error:
        logger.warning("%s: made anew", error)
        found = None
    if found is not None and found.image_shape == tuple(image_shape):
        return found
    return export_model(network, folder, model_sha256, image_shape)


def export_model(
    network: TimmClassifier, folder: str | os.PathLike, model_sha256: str, image_shape: tuple[int, int, int]
) -> ExportedModel:
    """Export a network with any batch size; arguments and errors as for :func:`ensure_exported`."""
    missing = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise MissingDependencyError(
            f"an export needs {' and '.join(missing)}, which is not installed: pip install 'lungscan-monai[export]'"
        )
    path = Path(folder) / EXPORT_NAME
    logger.info("exporting the model to %s, once", path)
    network = copy.deepcopy(network).cpu().eval()
    expected = logits_of_samples(TorchBackend(network), image_shape, max(SAMPLES.values()))
    facts = {
        "model_sha256": model_sha256,
        "image_shape": list(image_shape),
        "expected_logits": expected.astype(float).tolist(),
        "exported_by": f"torch {torch.__version__}",
    }
    with replacing(path, Manifest(folder), **facts) as part:
        _export(network, part, image_shape)
    return ExportedModel(path, model_sha256, tuple(image_shape), expected)


def _export(network: TimmClassifier, path: Path, image_shape: tuple[int, int, int]) -> None:
    example = torch.from_numpy(sample_images(image_shape, 2))
    torch.onnx.export(
        LogitsAndFeatures(network).eval(),
        (example,),
        path,
        dynamo=True,
        external_data=False,
        verbose=False,
        input_names=["image"],
        output_names=["logits", "features"],
        dynamic_shapes=({0: torch.export.Dim("batch")},),
    )
