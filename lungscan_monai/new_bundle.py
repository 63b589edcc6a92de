"""Begin a task of one's own: a bundle that starts as a copy of another one. Standard library only."""

from __future__ import annotations

import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from lungscan_monai.bundles import find_bundle, working_copy
from lungscan_monai.errors import ConfigError, OutputError
from lungscan_monai.model_card import read_metadata, without_performance, write_metadata
from lungscan_monai.storage import write_text

FIRST_VERSION = "0.1.0"
NAME_HOLDS = "classification"
NAME_LACKS = ("detection", "segmentation", "deepedit", "deepgrow")
"""MONAI Label chooses by a folder's name how it serves a bundle; it looks for these words first."""


@dataclass(frozen=True)
class FileToEdit:
    """One file that makes a copied bundle a bundle of its own.

    Args:
        path: Where it lies, from the bundle's folder.
        what: What to change there.
    """

    path: str
    what: str


FILES_TO_EDIT = (
    FileToEdit(
        "configs/metadata.json",
        "the facts: name, task, description, data_source, image_classes, label_classes, intended_use, references, "
        "translations (of task and intended_use), classification_kind, dicom_modalities, the image's spatial_shape, "
        "the labels in channel_def, and num_channels of pred (1 if binary, else one for each label)",
    ),
    FileToEdit(
        "configs/train.json",
        "how it is trained: loss, random transforms, epochs, learning rate; what you change of the network or of the "
        "deterministic transforms, change in configs/inference.json, too",
    ),
    FileToEdit(
        "docs/README.md",
        "the model card: every section but Performance, which `lungscan bundle card` writes",
    ),
    FileToEdit("docs/data_license.txt", "where the data come from, and on which terms"),
)


def new_bundle(name: str, sibling: str | os.PathLike, folder: str | os.PathLike | None = None) -> Path:
    """Copy a bundle, without models, results and numbers, under a new name.

    Version and changelog begin anew, the metrics of the sibling's model are left out, and its name is replaced by the
    new one. Until it is edited, the copy is a working bundle for the sibling's task.

    Args:
        name: Name of the new bundle, lower-case letters, digits and ``_``; it contains ``classification``.
        sibling: Name or path of the bundle to copy.
        folder: Where the new bundle's folder is made; None takes the folder that the sibling lies in.

    Returns:
        The new bundle's folder.

    Raises:
        BundleNotFoundError: If there is no such sibling.
        ConfigError: If the name does not do, or something of that name is there already.
        OutputError: If the bundle cannot be written.
    """
    _require_good_name(name)
    source = find_bundle(sibling)
    target = (source.parent if folder is None else Path(folder).resolve()) / name
    if target.exists():
        raise ConfigError(f"{target} is there already, and nothing was changed; choose another name or folder")
    part = target.with_name(f".{name}.part")
    try:
        shutil.rmtree(part, ignore_errors=True)  # of a copy that was cut short
        working_copy(source, part)
        _make_its_own(part, name, source.name)
        part.rename(target)
    except OSError as error:
        raise OutputError(f"{target}: cannot be written ({error}); choose another folder") from error
    return target


def _make_its_own(copy: Path, name: str, sibling: str) -> None:
    """Take the sibling's name, history and numbers out of its copy."""
    for path in sorted(copy.rglob("*")):
        if path.suffix in (".json", ".md", ".txt", ".yml"):
            text = path.read_text(encoding="utf-8").replace(sibling, name)
            write_text(path, without_performance(text) if path.name == "README.md" else text)
    metadata = read_metadata(copy)
    began = f"begun as a copy of {sibling} {metadata['version']}"
    metadata.pop("eval_metrics", None)
    write_metadata(copy, {**metadata, "name": name, "version": FIRST_VERSION, "changelog": {FIRST_VERSION: began}})
    (copy / "models").mkdir()
    (copy / "models" / ".gitkeep").touch()


def _require_good_name(name: str) -> None:
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        raise ConfigError(
            f"{name!r}: a bundle's name has lower-case letters, digits and _ only, and begins with a letter"
        )
    if NAME_HOLDS not in name:
        raise ConfigError(f"{name}: the name must contain {NAME_HOLDS!r}, or MONAI Label cannot serve the bundle")
    found = [word for word in NAME_LACKS if word in name]
    if found:
        raise ConfigError(f"{name}: the name contains {found[0]!r}; MONAI Label would take the bundle for that")
