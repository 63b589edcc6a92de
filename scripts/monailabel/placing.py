"""Put trained bundles where a MONAI Label app looks for them, so that it takes neither wrong network nor wrong weights.

MONAI Label builds the network from `configs/inference.json` alone and loads weights without asking whether they fit, so
that a model of another backbone would answer at random. Here what was recorded with the weights is written into that
config, and the weights are compared with their hash.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

from lungscan_monai.bundles import find_bundle, require_model
from lungscan_monai.errors import ConfigError
from lungscan_monai.model_files import MODEL_NAME, settle_architecture
from lungscan_monai.storage import Manifest, write_json

KIND = "classification"
OTHER_KINDS = ("deepedit", "deepgrow", "detection", "segmentation")
"""MONAI Label tells from these words in its folder's name what a bundle does, and looks for them first."""


def served_name(root: Path) -> str:
    """Return the name to serve a bundle by: that of its folder, with the word that MONAI Label wants.

    Raises:
        ConfigError: If the name has a word that makes MONAI Label take it for something else.
    """
    found = [word for word in OTHER_KINDS if word in root.name.lower()]
    if found:
        raise ConfigError(f"{root}: MONAI Label takes a folder called so for a {found[0]} model; rename it")
    return root.name if KIND in root.name.lower() else f"{root.name}_{KIND}"


def place_bundles(bundles: Sequence[str], folder: Path) -> list[str]:
    """Copy trained bundles into the `model` folder of an app, in place of what it held, and return their names.

    What a training needs to be resumed stays behind.

    Raises:
        ConfigError: If two bundles have one name, or MONAI Label would not take one for a classification.
        BundleNotFoundError: If there is no such bundle.
        CheckpointError: If a bundle has no model, or a damaged one.
    """
    roots = [find_bundle(bundle) for bundle in bundles]
    names = [served_name(root) for root in roots]
    for name in names:
        if names.count(name) > 1:
            raise ConfigError(f"{names.count(name)} bundles would be called {name}; rename the folder of one")
    for root in roots:
        require_model(root)
        if MODEL_NAME in Manifest(root / "models").entries():
            Manifest(root / "models").verify(MODEL_NAME)
    shutil.rmtree(folder, ignore_errors=True)
    for root, name in zip(roots, names, strict=True):
        _place(root, folder / name)
    return names


def _place(root: Path, target: Path) -> None:
    shutil.copytree(root / "configs", target / "configs")
    shutil.copytree(root / "models", target / "models", ignore=_all_but_the_model)
    path = target / "configs" / "inference.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    settle_architecture(config, target / "models")
    write_json(path, config)


def _all_but_the_model(_: str, names: list[str]) -> list[str]:
    """Return what stays behind: MONAI Label would take any other ``*.pt`` for a model to choose."""
    return [name for name in names if name != MODEL_NAME and (name.startswith(".") or name.endswith(".pt"))]
