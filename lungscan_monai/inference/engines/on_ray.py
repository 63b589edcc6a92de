"""Many machines, or one: a Ray Data pipeline in which some actors read files and others hold the model.

Portions of files go in; readers admit, hash and read them and compose their batches; models answer these; what they
say comes back in the order of the portions. Whatever is lost with an actor or a node is done anew by Ray: a portion
comes to the same whoever works on it, and counts once, since it is recorded here. An error of ours comes back as a row,
and is the same error here; what Ray raises means that the cluster is lost.
"""

from __future__ import annotations

import logging
import os
import pickle
import socket
import sys
from collections.abc import Generator, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, TypeVar

from lungscan_monai.errors import CheckpointError, ConfigError, LungScanError, NetworkError
from lungscan_monai.inference.case_model import CaseModel
from lungscan_monai.inference.composing import AnsweredBatch, Batch, answered, files_of_a_portion
from lungscan_monai.inference.engines.local import read_batches
from lungscan_monai.inference.examining import Examiner, FoundFile
from lungscan_monai.inference.folders import Folder
from lungscan_monai.inference.opening import open_model, reading
from lungscan_monai.optional import require
from lungscan_monai.task import load_task

if TYPE_CHECKING:
    import numpy as np
    import ray.data

_Thing = TypeVar("_Thing")

_PORTIONS_AT_ONCE = 2**13
"""Portions of one pipeline: what is known of more files than these is not in memory."""

_WAIT_SECONDS = 10.0

_STORE_BYTES = 2**29
"""Memory for what is between the actors of a Ray that is started here; more than that goes to the disk."""

_QUIET = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_BACKEND_LOG_LEVEL": "fatal"}
"""What Ray takes from the environment, and from nowhere else: to tell nobody, and to print nothing."""


@dataclass(frozen=True)
class Opening:
    """How every actor opens the model.

    Args:
        bundle_root: The bundle; it lies under this path on every node.
        model_sha256: Of the model that lies there.
        backend: Name of the backend.
        precision: What it computes in.
        batch_size: Images in one forward pass.
        check_inputs: Whether images unlike the validation cases are not assessable.
        explains: Whether heatmaps are wanted.
        exact: Whether large JPEG 2000 frames are decoded in full, too.
    """

    bundle_root: str
    model_sha256: str
    backend: str
    precision: str
    batch_size: int
    check_inputs: bool
    explains: bool
    exact: bool

    def open(self) -> CaseModel:
        """Load the model.

        Raises:
            CheckpointError: If another model lies there.
        """
        model = open_model(
            self.bundle_root, self.backend, self.precision, self.batch_size, self.check_inputs, self.explains
        )
        if model.model_sha256 != self.model_sha256:
            raise CheckpointError(
                f"{self.bundle_root}: a node has model {model.model_sha256[:12]} there, and the run is one of "
                f"{self.model_sha256[:12]}; give all nodes the same bundle"
            )
        return model


@dataclass(frozen=True)
class Cluster:
    """Where the pipeline runs, and how its processors are shared.

    Args:
        address: Of a cluster, as `ray.init` takes it; None starts Ray on this machine for the time of the run.
        workers: Processes that read files; None takes the processors that the models leave.
        model_cores: Processors of each copy of the model, where there is no GPU.
    """

    address: str | None = None
    workers: int | None = None
    model_cores: int = 1

    def shares(self, cpus: int, gpus: int) -> tuple[int, int]:
        """Return the number of models and of readers: a model for each GPU, or with a reader for each some processors.

        Raises:
            ConfigError: If there are too few processors.

        Example:
            >>> Cluster(model_cores=3).shares(cpus=16, gpus=0), Cluster().shares(cpus=16, gpus=2)
            ((4, 4), (2, 14))
        """
        cores = 1 if gpus else self.model_cores
        beside = cores if self.workers else cores + 1
        models = gpus or (cpus - (self.workers or 0)) // beside
        readers = self.workers or cpus - models * cores
        if min(models, readers) < 1 or models * cores + readers > cpus:
            raise ConfigError(
                f"{cpus} processors are too few for a model with {cores} and {self.workers or 1} that read; give "
                "--workers and --model-cores less, or the cluster more"
            )
        return models, readers


class RayEngine:
    """Bring files through a model by Ray Data.

    Args:
        opening: How actors open the model.
        folder: Where the files lie; every node sees it.
        cluster: Where it runs.

    Raises:
        MissingDependencyError: If Ray is not installed.
    """

    def __init__(self, opening: Opening, folder: Folder, cluster: Cluster) -> None:
        require("ray", "--engine ray", "ray", "pyarrow")
        self._opening, self._folder, self._cluster = opening, folder, cluster

    def __call__(self, files: Iterator[FoundFile]) -> Generator[AnsweredBatch, None, None]:
        """Give what came of the files, in order.

        Raises:
            LungScanError: What an actor raised.
            NetworkError: If the cluster cannot be reached, or is lost.
        """
        import ray
        from ray.data.exceptions import ExecutionTimeoutError

        size = files_of_a_portion(self._opening.batch_size)
        portions = iter(lambda: list(islice(files, size)), [])
        with _connected(self._cluster), _quiet_data_context():
            while some := list(islice(portions, _PORTIONS_AT_ONCE)):
                try:
                    for row in self._pipeline(some).iter_batches(batch_size=1, prefetch_batches=0):
                        yield _without_error(pickle.loads(row["answered"][0]))
                except (ray.exceptions.RayError, ExecutionTimeoutError) as error:
                    raise NetworkError(
                        f"Ray gave up ({type(error).__name__}: {str(error).splitlines()[0]}); what is recorded stays, "
                        "so look at the cluster, and give the same command with --resume",
                        retryable=True,
                    ) from error

    def _pipeline(self, portions: list[list[FoundFile]]) -> ray.data.Dataset:
        import ray.data

        resources = ray.cluster_resources()
        gpus = int(resources.get("GPU", 0))
        models, readers = self._cluster.shares(int(resources.get("CPU", 0)), gpus)
        share = {"num_cpus": 1, "num_gpus": 1} if gpus else {"num_cpus": self._cluster.model_cores}
        rows = [{"portion": pickle.dumps(portion)} for portion in portions]
        names = ray.data.from_items(rows, override_num_blocks=len(rows))
        read = names.map_batches(_Reader, **_stage(readers, self._opening, self._folder), num_cpus=1)
        return read.map_batches(_Model, **_stage(models, self._opening), **share)


class _Reader:
    """An actor that reads portions of files, each file in a process that it may crash."""

    def __init__(self, opening: Opening, folder: Folder) -> None:
        self._opening = opening
        self._ends_with_the_actor = ExitStack()
        read = self._ends_with_the_actor.enter_context(
            reading(opening.bundle_root, _OpenedLate(opening), 1, opening.exact)
        )
        self._examine = Examiner(folder, load_task(opening.bundle_root), read)

    def __call__(self, rows: dict[str, np.ndarray]) -> Iterator[dict[str, list[bytes]]]:
        for portion in rows["portion"]:
            files = iter(pickle.loads(portion))
            try:
                for batch in read_batches(files, self._examine, self._opening.batch_size, 1):
                    yield {"batch": [pickle.dumps(batch, protocol=5)]}
            except LungScanError as error:
                yield {"batch": [pickle.dumps(error)]}


class _Model:
    """An actor that holds the model."""

    def __init__(self, opening: Opening) -> None:
        try:
            self._model: CaseModel | LungScanError = opening.open()
        except LungScanError as error:  # Ray would begin anew with another actor
            self._model = error

    def __call__(self, rows: dict[str, np.ndarray]) -> dict[str, list[bytes]]:
        return {"answered": [pickle.dumps(self._answered(pickle.loads(batch))) for batch in rows["batch"]]}

    def _answered(self, batch: Batch | LungScanError) -> AnsweredBatch | LungScanError:
        try:
            return answered(_without_error(self._model), _without_error(batch))
        except LungScanError as error:
            return error


class _OpenedLate:
    """Reads files by the model's own steps, where nothing else can; only then it is loaded."""

    def __init__(self, opening: Opening) -> None:
        self._opening = opening
        self._model: CaseModel | None = None

    def prepare(self, path: str | os.PathLike) -> np.ndarray:
        self._model = self._model or self._opening.open()
        return self._model.prepare(path)


def _without_error(what: _Thing | LungScanError) -> _Thing:
    if isinstance(what, LungScanError):
        raise what
    return what


def _stage(actors: int, *arguments: Any) -> dict[str, Any]:
    """Return what `map_batches` is told of a stage: it begins with all its actors, and may shrink with the cluster."""
    import ray.data

    return {
        "batch_size": 1,
        "compute": ray.data.ActorPoolStrategy(min_size=1, max_size=actors, initial_size=actors),
        "fn_constructor_args": arguments,
    }


@contextmanager
def _connected(cluster: Cluster) -> Iterator[None]:
    """Connect to the cluster, or start Ray here: on the loopback interface, quiet, and without telling anybody."""
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    import ray

    if cluster.address is not None:
        _check_is_there(cluster.address)
    told = {"log_to_driver": False, "configure_logging": False}
    with TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True) as folder:
        if cluster.address is None:
            processors = max(os.cpu_count() or 1, (cluster.workers or 1) + cluster.model_cores)
            told |= {"num_cpus": processors, "object_store_memory": _STORE_BYTES, "include_dashboard": False}
            told |= {"_node_ip_address": "127.0.0.1", "_temp_dir": folder}
        try:
            with _no_words():
                ray.init(cluster.address or "local", **told)
        except (ConnectionError, ValueError, RuntimeError) as error:
            raise _unreachable(cluster.address or "this machine", error) from error
        try:
            yield
        finally:
            ray.shutdown()


def _check_is_there(address: str) -> None:
    """Look whether somebody listens, since Ray waits for minutes.

    Raises:
        ConfigError: If it is no address of a cluster.
        NetworkError: If nobody does.
    """
    if address == "auto":
        return
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal() or "://" in address:
        raise ConfigError(f"{address!r} is no address of a Ray cluster; expected HOST:PORT of its head, or auto")
    try:
        socket.create_connection((host.strip("[]"), int(port)), _WAIT_SECONDS).close()
    except (OSError, OverflowError) as error:
        raise _unreachable(address, error) from error


def _unreachable(address: str, error: Exception) -> NetworkError:
    return NetworkError(
        f"Ray at {address} cannot be reached ({error}); look whether the cluster is up, and whether its version of Ray "
        "is the one that is installed here",
        retryable=True,
    )


@contextmanager
def _no_words() -> Iterator[None]:
    """Keep what libraries in C++ write to the standard error stream from being seen, for a while."""
    sys.stderr.flush()
    kept = os.dup(2)
    with Path(os.devnull).open("wb") as nothing:
        os.dup2(nothing.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


@contextmanager
def _quiet_data_context() -> Iterator[None]:
    """Let Ray Data keep the order, and print neither bars nor notes, for a while."""
    from ray.data import DataContext

    logger = logging.getLogger("ray.data")
    level, context = logger.level, DataContext.get_current().copy()
    context.execution_options.preserve_order = True
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    logger.setLevel(logging.CRITICAL)
    try:
        with DataContext.current(context):
            yield
    finally:
        logger.setLevel(level)
