"""Load a bundle for a batch in the lightest way that does what is asked, and say how its files are read."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from lungscan_monai.decoding.pool import DecodingPool
from lungscan_monai.errors import BackendError, CheckpointError, ConfigError
from lungscan_monai.hashing import Hashed, blake3_file
from lungscan_monai.inference.backends.starting import ENGINES
from lungscan_monai.inference.case_model import CaseModel, LightCaseModel
from lungscan_monai.inference.plain_steps import steps_of_model
from lungscan_monai.inference.quick_steps import QuickSteps
from lungscan_monai.task import load_task

ReadFile = Callable[[Path], Hashed]
"""From an admitted file to what the network takes, ``(C, H, W)``, float32, and its hash; errors are DataErrors.

Any thread may call."""

_KEEP_MEMORY = {"MALLOC_MMAP_THRESHOLD_": str(2**25), "MALLOC_TRIM_THRESHOLD_": str(2**28)}
"""Lets glibc keep the memory of one picture for the next one; asking for it anew took four times as long as reading."""

logger = logging.getLogger(__name__)


def open_model(
    bundle_root: str | os.PathLike, backend: str, precision: str, batch_size: int, check_inputs: bool, explains: bool
) -> CaseModel:
    """Load a bundle's model: where nothing is to be explained without MONAI, and an export without torch.

    Args:
        bundle_root: The bundle.
        backend: As :class:`~lungscan_monai.inference.predictor.Predictor` takes it.
        precision: The same.
        batch_size: Images in one forward pass.
        check_inputs: Whether images unlike the validation cases are not assessable.
        explains: Whether heatmaps are wanted.

    Raises:
        ConfigError: If there is no such backend.
        BackendError: If its answers are not those of PyTorch in float32.
        MissingDependencyError: If the backend's package is not installed.
        CheckpointError: If there is no trained model, or it is damaged.
    """
    how = bundle_root, backend, precision, batch_size, check_inputs
    if explains:
        return _with_monai(*how, explains=True)
    if backend not in ENGINES:
        return _in_torch(*how)
    if found := _light(*how):
        return found
    model = _in_torch(*how)
    return _light(*how) or model


def _light(
    bundle_root: str | os.PathLike, backend: str, precision: str, batch_size: int, check_inputs: bool
) -> LightCaseModel | None:
    try:
        return LightCaseModel(bundle_root, backend, precision, batch_size, check_inputs)
    except (BackendError, CheckpointError, ConfigError) as error:
        logger.info("PyTorch is started, since %s", error)
        return None


def _in_torch(
    bundle_root: str | os.PathLike, backend: str, precision: str, batch_size: int, check_inputs: bool
) -> CaseModel:
    from lungscan_monai.inference.plain_model import PlainModel  # torch, which an export spares

    try:
        return PlainModel(bundle_root, backend, precision, batch_size, check_inputs)
    except ConfigError as error:
        logger.info("MONAI is started, since %s", error)
    return _with_monai(bundle_root, backend, precision, batch_size, check_inputs, explains=False)


def _with_monai(
    bundle_root: str | os.PathLike, backend: str, precision: str, batch_size: int, check_inputs: bool, explains: bool
) -> CaseModel:
    from lungscan_monai.inference.explaining_model import ExplainingModel  # torch and MONAI

    model = ExplainingModel(bundle_root, None, batch_size, check_inputs, backend, precision)
    model.explains = explains
    return model


@contextmanager
def reading(bundle_root: str | os.PathLike, model: CaseModel, workers: int, exact: bool = True) -> Iterator[ReadFile]:
    """Give what reads files for a model: in worker processes, which a file can neither crash nor fill.

    Where `inference.json` holds steps that only MONAI knows, files are read in this process.

    Args:
        bundle_root: The bundle.
        model: Its model.
        workers: Number of processes.
        exact: Whether large JPEG 2000 frames are decoded in full, too; otherwise as
            :class:`~lungscan_monai.inference.quick_steps.QuickSteps` has it.
    """
    root = Path(bundle_root)
    try:
        steps = QuickSteps(steps_of_model(root, load_task(root)), exact)
    except ConfigError as error:
        logger.warning("%s: files are read in this process, without bounds", error)
        yield lambda path: Hashed(model.prepare(path), blake3_file(path))
        return
    with _inherited(_KEEP_MEMORY), DecodingPool(workers, read=steps) as pool:
        yield pool.read


@contextmanager
def _inherited(variables: dict[str, str]) -> Iterator[None]:
    """Let the processes started meanwhile have some variables of the environment, unless they are set already."""
    added = {name: value for name, value in variables.items() if name not in os.environ}
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            del os.environ[name]
