"""A batch from beginning to end: one output folder, one run at a time, results that add up."""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout

from lungscan_monai import __version__
from lungscan_monai.errors import ConfigError, OutputError
from lungscan_monai.inference.backends.quantised import QUANTISED_NAME
from lungscan_monai.inference.batch import Engine, FolderRun, Show
from lungscan_monai.inference.batch_tables import write_tables
from lungscan_monai.inference.case_model import CaseModel
from lungscan_monai.inference.engines.local import LocalEngine
from lungscan_monai.inference.engines.on_ray import Cluster, Opening, RayEngine
from lungscan_monai.inference.folders import Folder, FolderOnDisk, folder_at
from lungscan_monai.inference.ledger import DONE, FOUND, LEDGER_NAME, Ledger
from lungscan_monai.inference.opening import open_model
from lungscan_monai.inference.pseudonyms import Pseudonyms, load_key, own_key
from lungscan_monai.inference.smaller_decoding import compare_decodings
from lungscan_monai.model_files import CALIBRATION_NAME, INPUT_CHECK_NAME, OPERATING_POINTS_NAME
from lungscan_monai.storage import require_writable, sha256_file, write_json
from lungscan_monai.task import load_task

if TYPE_CHECKING:
    from lungscan_monai.inference.batch_report import Labels

SUMMARY = "summary.json"
ENGINES = ("local", "ray")
"""What brings the files through the model."""

_LOCK = ".lock"
_FITTED = (CALIBRATION_NAME, OPERATING_POINTS_NAME, INPUT_CHECK_NAME)

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class BatchSettings:
    """How a batch is done.

    Args:
        batch_size: Images in one forward pass.
        workers: Processes that read files; None takes one for each processor.
        backend: As :class:`~lungscan_monai.inference.predictor.Predictor` takes it.
        precision: The same.
        check_inputs: The same.
        explain: Whether a heatmap of each decision is written.
        exact: Whether large JPEG 2000 pictures are decoded in full, although the network needs less. None asks the
            model (:func:`~lungscan_monai.inference.smaller_decoding.compare_decodings`): they are decoded smaller if it
            answers the first ones alike. A run that goes on does what it began with, and what lies in a store is
            decoded in full.
        deidentify: Whether pseudonyms stand for file names, UIDs and patients.
        key: File with the key of the pseudonyms; None makes one in the output folder.
        labels: Table of reference labels, None without an evaluation.
        resume: Whether a run that is there is to go on.
        limit: How many files are looked at, the first in the order of the names; None for all.
        engine: One of :data:`ENGINES`; both give the same, and one goes on with what the other began.
        ray_address: Of the Ray cluster; None starts Ray on this machine.
        model_cores: Processors of each copy of the model on a Ray cluster without GPU.

    Raises:
        ConfigError: If a number is not above 0, there is no such engine, or something is given for nothing.
    """

    batch_size: int = 16
    workers: int | None = None
    backend: str = "torch"
    precision: str = "float32"
    check_inputs: bool = True
    explain: bool = False
    exact: bool | None = None
    deidentify: bool = False
    key: Path | None = None
    labels: Path | None = None
    resume: bool = False
    limit: int | None = None
    engine: str = "local"
    ray_address: str | None = None
    model_cores: int = 1

    def __post_init__(self) -> None:
        if min(self.batch_size, self.model_cores) < 1 or (self.workers is not None and self.workers < 1):
            raise ConfigError(
                f"batch size {self.batch_size}, workers {self.workers} and model cores {self.model_cores} must be at "
                "least 1"
            )
        if self.limit is not None and self.limit < 1:
            raise ConfigError(f"limit is {self.limit}, expected at least 1 file")
        if self.engine not in ENGINES:
            raise ConfigError(f"there is no engine {self.engine!r}; expected one of {', '.join(ENGINES)}")
        if self.engine != "ray" and self.ray_address is not None:
            raise ConfigError("an address of Ray was given, but Ray is not to be used; add engine ray")
        if self.key is not None and not self.deidentify:
            raise ConfigError(
                "a key was given, but nothing is to be pseudonymised; add deidentify, or leave out the key"
            )

    @property
    def readers(self) -> int:
        """Processes that read files on this machine."""
        return self.workers or os.cpu_count() or 1


def run_batch(
    bundle_root: str | os.PathLike,
    folder: str | os.PathLike,
    output: str | os.PathLike,
    settings: BatchSettings | None = None,
    show: Show = lambda done, total: None,
) -> dict[str, Any]:
    """Apply a trained bundle to all files in and below a folder.

    Args:
        bundle_root: The bundle.
        folder: Read only; a path, or a URL that fsspec knows (``s3://bucket/archive``).
        output: Gets `predictions.csv`, `predictions.jsonl`, `rejects.csv`, `series.csv`, `summary.json`, `heatmaps/`,
            `evaluation/`, and the ledger.
        settings: How; the usual way if None.
        show: Is told how many files are through, of how many.

    Returns:
        What `summary.json` holds; ``found == done + skipped + rejected``.

    Raises:
        DataError: If there is no such folder, or the labels cannot be used.
        OutputError: If the output cannot be written, or belongs to another run; what was recorded stays.
        ConfigError: If a setting is wrong.
        CheckpointError: If there is no trained model, or it is damaged.
        MissingDependencyError: If the engine, or the store that the folder lies in, needs a package.
        NetworkError: If the store or the cluster cannot be reached, or is lost; what was recorded stays.
    """
    output, settings = Path(output), settings or BatchSettings()
    folder = folder_at(folder, output)
    require_writable(output)
    with _only_run(output), Ledger(output) as ledger:
        recorded = ledger.settings()
        if recorded and not settings.resume:
            raise OutputError(
                f"{output}: {_described(ledger)}; give --resume to go on with it, or another output folder"
            )
        _remove_unfinished(output)
        pseudonyms = _pseudonyms(output, settings)
        labels = _labels(settings, folder, bundle_root, pseudonyms)
        model = _model(bundle_root, settings, recorded)
        settings = replace(settings, exact=_decodes_in_full(bundle_root, model, folder, settings, recorded))
        ledger.begin(_identity(Path(bundle_root), folder, model, settings, pseudonyms))
        run = FolderRun(folder, output, ledger, pseudonyms, settings.limit)
        run.run(_engine(bundle_root, folder, model, settings), show)
        write_tables(ledger, model, output)
        report = None if labels is None else labels.evaluate(ledger, model, output)
        summary = _summary(ledger, model, report)
        write_json(output / SUMMARY, summary)
    return summary


@contextmanager
def _only_run(output: Path) -> Iterator[None]:
    """Keep the output folder for this run; the lock ends with the process, however that ends."""
    lock = FileLock(output / _LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        described = "another run is about to begin"
        if (output / LEDGER_NAME).exists():
            with Ledger(output) as ledger:
                described = _described(ledger)
        raise OutputError(
            f"{output}: {described}, and is at work; wait for it, or choose another output folder"
        ) from error
    try:
        yield
    finally:
        lock.release()


def _remove_unfinished(output: Path) -> None:
    """Remove the files that a run was writing when it was killed."""
    for path in output.rglob(".*.part"):
        path.unlink()


def _described(ledger: Ledger) -> str:
    run, counts = ledger.settings(), ledger.counts()
    model = f"model {run['model_sha256'][:12]} of {run['task']}" if run else "a model"
    return f"here is a run of {model}, {sum(counts.values()) - counts[FOUND]} of {sum(counts.values())} files through"


def _pseudonyms(output: Path, settings: BatchSettings) -> Pseudonyms | None:
    if not settings.deidentify:
        return None
    return Pseudonyms(own_key(output) if settings.key is None else load_key(settings.key))


def _labels(
    settings: BatchSettings, folder: Folder, bundle_root: str | os.PathLike, pseudonyms: Pseudonyms | None
) -> Labels | None:
    if settings.labels is None:
        return None
    if not isinstance(folder, FolderOnDisk):
        raise ConfigError("labels name files of a folder on a disk; leave them out, and evaluate predictions.csv")
    from lungscan_monai.inference.batch_report import read_labels  # figures and statistics, for those who want them

    return read_labels(settings.labels, folder.root, load_task(bundle_root), pseudonyms)


def _model(bundle_root: str | os.PathLike, settings: BatchSettings, recorded: dict[str, Any]) -> CaseModel:
    """Load the model; a run that goes on takes the backend that it began with, where it may choose.

    One that was chosen is opened again by its name, as it will be when the run goes on and as every actor opens it: the
    lightest way with a backend and the way that chose it may differ in the last bits.
    """
    how = settings.batch_size, settings.check_inputs, settings.explain
    backend, precision = settings.backend, settings.precision
    if backend == "auto":
        if not recorded:
            chosen = open_model(bundle_root, backend, precision, *how).backend
            recorded = {"backend": chosen.name, "computed_in": chosen.precision}
        backend, precision = recorded["backend"], recorded["computed_in"]
    return open_model(bundle_root, backend, precision, *how)


def _decodes_in_full(
    bundle_root: str | os.PathLike, model: CaseModel, folder: Folder, settings: BatchSettings, recorded: dict[str, Any]
) -> bool:
    """Tell whether large JPEG 2000 pictures are decoded in full: as asked for, as recorded, or if the model minds."""
    if settings.exact is not None or recorded:
        return recorded["exact"] if settings.exact is None else settings.exact
    if not isinstance(folder, FolderOnDisk):  # whoever looks at a file of a store brings it here
        return True
    found = compare_decodings(bundle_root, model, folder, settings.readers, settings.limit)
    if found.files:
        logger.info("JPEG 2000 is decoded %s: %s", "smaller" if found.agrees else "in full", found)
    return not found.agrees


def _engine(bundle_root: str | os.PathLike, folder: Folder, model: CaseModel, settings: BatchSettings) -> Engine:
    if settings.engine == "local":
        return LocalEngine(bundle_root, folder, model, settings.readers, settings.exact)
    opening = Opening(
        str(Path(bundle_root).absolute()),
        model.model_sha256,
        model.backend.name,
        model.backend.precision,
        settings.batch_size,
        settings.check_inputs,
        settings.explain,
        settings.exact,
    )
    return RayEngine(opening, folder, Cluster(settings.ray_address, settings.workers, settings.model_cores))


def _identity(
    root: Path, folder: Folder, model: CaseModel, settings: BatchSettings, pseudonyms: Pseudonyms | None
) -> dict[str, Any]:
    """Return all that the results depend on, but for the files themselves; no name of the folder."""
    models = root / "models"
    names = (*_FITTED, QUANTISED_NAME) if model.backend.precision == "int8" else _FITTED
    fitted = {name: sha256_file(models / name) for name in names if (models / name).exists()}
    return {
        "task": model.task.name,
        "task_version": model.task.version,
        "model_sha256": model.model_sha256,
        "fitted": hashlib.sha256(repr(sorted(fitted.items())).encode()).hexdigest(),
        "backend": model.backend.name,
        "computed_in": model.backend.precision,
        "engine": model.backend.engine,
        "batch_size": settings.batch_size,
        "check_inputs": settings.check_inputs,
        "explain": settings.explain,
        "exact": settings.exact,
        "limit": settings.limit,
        "pseudonyms": pseudonyms and pseudonyms.fingerprint,
        "folder": folder.identity,
        "version": __version__,
    }


def _summary(ledger: Ledger, model: CaseModel, report: dict[str, Any] | None) -> dict[str, Any]:
    counts = ledger.counts()
    return {
        "found": sum(counts.values()),
        **{state: count for state, count in counts.items() if state != FOUND},
        "assessed": counts[DONE] - sum(ledger.not_assessable().values()),
        "not_assessable": ledger.not_assessable(),
        **{f"{state}_by_code": codes for state, codes in ledger.codes().items()},
        "different_contents": ledger.contents(),
        "task": model.task.name,
        "task_version": model.task.version,
        "model_sha256": model.model_sha256,
        "backend": model.backend.facts,
        "exact": ledger.settings()["exact"],
        "calibrated": model.calibration is not None,
        "operating_points": {label: asdict(point) for label, point in model.operating_points.items()},
        "evaluated": None if report is None else report["sections"]["test"]["cases"],
        "version": __version__,
    }
