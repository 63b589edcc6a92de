"""Find bundles, copy them, and run their workflows.

A bundle is a folder with `configs/metadata.json`. Importing this module is cheap; only running a workflow imports
MONAI.
"""

from __future__ import annotations

import difflib
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lungscan_monai.errors import (
    BundleNotFoundError,
    CheckpointError,
    ConfigError,
    OutputError,
    own_error,
)
from lungscan_monai.model_files import MODEL_NAME
from lungscan_monai.overrides import SEPARATOR, known_ids, require_none_unknown
from lungscan_monai.task import load_task

BUNDLES_VARIABLE = "LUNGSCAN_BUNDLES"
BUNDLES_FOLDER = "monai_bundles"

_METADATA = Path("configs") / "metadata.json"


def is_bundle(folder: str | os.PathLike) -> bool:
    """Tell whether a folder is a bundle."""
    return (Path(folder) / _METADATA).is_file()


def has_model(bundle_root: str | os.PathLike) -> bool:
    """Tell whether a bundle holds a trained model."""
    return (Path(bundle_root) / "models" / MODEL_NAME).is_file()


def require_model(bundle_root: str | os.PathLike) -> None:
    """Check that a bundle holds a trained model.

    Raises:
        CheckpointError: If not.
    """
    if not has_model(bundle_root):
        raise CheckpointError(
            f"{bundle_root}: the bundle has no trained model (models/{MODEL_NAME}); `lungscan train` makes one"
        )


def bundle_folders() -> list[Path]:
    """Return where bundles are looked for, first place first.

    These are the folders that the environment variable ``LUNGSCAN_BUNDLES`` names, `monai_bundles` in the working
    directory, and `monai_bundles` beside the package, where a clone has it.
    """
    named = [Path(name) for name in os.environ.get(BUNDLES_VARIABLE, "").split(os.pathsep) if name]
    beside = Path(__file__).resolve().parent.parent / BUNDLES_FOLDER
    return list(dict.fromkeys(folder.absolute() for folder in (*named, Path(BUNDLES_FOLDER), beside)))


def find_bundles() -> list[Path]:
    """Return the bundles in :func:`bundle_folders`, sorted by name; of two with one name, that of the first place."""
    found: dict[str, Path] = {}
    for folder in bundle_folders():
        for path in folder.iterdir() if folder.is_dir() else ():
            if is_bundle(path):
                found.setdefault(path.name, path)
    return [found[name] for name in sorted(found)]


def find_bundle(name_or_path: str | os.PathLike) -> Path:
    """Return the absolute folder of a bundle.

    Args:
        name_or_path: Path of a bundle, or the name of one that :func:`find_bundles` finds.

    Raises:
        BundleNotFoundError: If there is none; it lists those that there are, and the nearest name.
    """
    if is_bundle(name_or_path):
        return Path(name_or_path).resolve()
    bundles = {path.name: path for path in find_bundles()}
    wanted = os.fspath(name_or_path)
    if wanted in bundles:
        return bundles[wanted]
    if Path(wanted).is_dir():
        raise BundleNotFoundError(f"{wanted}: this folder is no bundle, it has no {_METADATA.as_posix()}")
    near = difflib.get_close_matches(wanted, bundles, n=1) or [name for name in bundles if wanted in name][:1]
    hint = f"; did you mean {near[0]}?" if near else ""
    places = ", ".join(map(str, bundle_folders()))
    raise BundleNotFoundError(
        f"{wanted}: neither the path of a bundle nor the name of one{hint} "
        f"There are: {', '.join(bundles) or 'none'} (looked in {places}; {BUNDLES_VARIABLE} adds folders)"
    )


def working_copy(bundle_root: str | os.PathLike, target: str | os.PathLike) -> Path:
    """Copy a bundle without its models and results, unless `target` is a bundle already, and return its folder.

    The configs come last and at once, so that a copy that was cut short is never taken for a bundle.

    Args:
        bundle_root: The bundle.
        target: The folder to make, or a copy made before, which is left as it is.

    Raises:
        ConfigError: If `target` is a bundle of another task.
        OutputError: If it cannot be written.
    """
    source, target = Path(bundle_root), Path(target).resolve()
    if is_bundle(target):
        _require_same_task(source, target)
        return target
    try:
        target.mkdir(parents=True, exist_ok=True)
        for path in sorted(source.iterdir()):
            if path.is_file():
                shutil.copy2(path, target)
        if (source / "docs").is_dir():
            shutil.copytree(source / "docs", target / "docs", dirs_exist_ok=True)
        part = target / ".configs.part"
        shutil.copytree(source / "configs", part, dirs_exist_ok=True)
        part.rename(target / "configs")
    except OSError as error:
        raise OutputError(f"{target}: the bundle cannot be copied here ({error}); choose another folder") from error
    return target


def _require_same_task(source: Path, target: Path) -> None:
    wanted, there = load_task(source), load_task(target)
    if (wanted.kind, wanted.label_names) != (there.kind, there.label_names):
        raise ConfigError(
            f"{target} is a bundle with the labels {', '.join(there.label_names)}, expected a copy of {source.name} "
            f"({', '.join(wanted.label_names)}); choose another folder"
        )


def require_known_overrides(bundle_root: str | os.PathLike, names: Iterable[str]) -> None:
    """Check that overrides name entries of the bundle's configs, before anything is built.

    One more argument of an object that is there (``train#trainer#amp_kwargs``) and an entry of a list
    (``train#handlers#0#interval``) pass; the workflow itself checks arguments against their class.

    Args:
        bundle_root: The bundle.
        names: The overrides' names, levels separated by ``#`` or ``::``.

    Raises:
        UnknownOverrideError: If there are unknown ones; all are named, each with the nearest known name.
    """
    known = known_ids(bundle_root)
    require_none_unknown((name for name in map(_with_one_separator, names) if not _may_exist(name, known)), known)


def _with_one_separator(name: str) -> str:
    return name.replace("::", SEPARATOR)


def _may_exist(name: str, known: set[str]) -> bool:
    levels = name.split(SEPARATOR)
    depths = [depth for depth in range(len(levels), 0, -1) if SEPARATOR.join(levels[:depth]) in known]
    if not depths:
        return False
    below = levels[depths[0] :]
    return len(below) < 2 or below[0].isdecimal()


def run_workflow(
    bundle_root: str | os.PathLike, configs: Sequence[str], run_id: str, overrides: Mapping[str, Any] | None = None
) -> None:
    """Run a workflow of a bundle: its `initialize`, the list `run_id`, and its `finalize`.

    Logging is left as it is; the bundle's `logging.conf` is for ``python -m monai.bundle run``.

    Args:
        bundle_root: The bundle.
        configs: File names in `configs`, later ones laid over earlier ones, for instance
            ``["train.json", "evaluate.json"]``.
        run_id: Name of the list to run, for instance ``"training"``.
        overrides: Values of entries by their ids, for instance ``{"train#trainer#max_epochs": 3}``.

    Raises:
        BundleNotFoundError: If there is no such bundle.
        ConfigError: If the bundle lacks a config.
        UnknownOverrideError: If an override names nothing that the bundle has.
        LungScanError: What the workflow itself raised, freed from the errors that MONAI wraps around it.
    """
    root = find_bundle(bundle_root)
    files = [root / "configs" / name for name in configs]
    missing = [file.name for file in files if not file.is_file()]
    if missing:
        raise ConfigError(f"{root}: the bundle has no configs/{', configs/'.join(missing)}")
    require_known_overrides(root, overrides or {})
    from monai.bundle import ConfigWorkflow

    values = {_with_one_separator(name): value for name, value in (overrides or {}).items()}
    with _own_errors():
        workflow = ConfigWorkflow(
            config_file=[str(file) for file in files],
            logging_file=False,
            run_id=run_id,
            **{**values, "bundle_root": str(root)},
        )
        workflow.initialize()
        workflow.run()
        workflow.finalize()


@contextmanager
def _own_errors() -> Iterator[None]:
    try:
        yield
    except (RuntimeError, ValueError, LookupError) as error:
        own = own_error(error)
        if own is None or own is error:
            raise
        raise own from None
