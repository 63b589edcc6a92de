"""A model to look around with: a small network trained on phantoms in minutes, marked as what it is."""

from __future__ import annotations

import json
from pathlib import Path

from lungscan_monai.bundles import find_bundle, has_model, run_workflow, working_copy
from lungscan_monai.data.phantoms import generate_phantoms
from lungscan_monai.model_card import publish_performance
from lungscan_monai.storage import write_json

BUNDLE = "pneumonia_cxr_classification"
"""Bundle whose task is shown."""

DEMONSTRATION = "demonstration"
"""Entry of `metadata.json` of a bundle whose model was trained on phantoms only."""

_PHANTOMS = "pneumonia_cxr"
_COUNT, _CONTRAST = 600, 4.0
_TRAINING = {
    "backbone": "test_resnet",  # small enough to learn from random values; nothing is downloaded
    "weights": "none",
    "max_epochs": 20,
    "head_epochs": 0,
    "trainable_blocks": None,
    "learning_rate": 0.002,
    "batch_size": 16,
    "overwrite": True,
}


def make_demonstration(folder: Path, count: int = _COUNT, epochs: int | None = None) -> Path:
    """Simulate radiographs, train and evaluate a small network on them; a finished one is left as it is.

    Args:
        folder: Gets `phantoms/` and the bundle.
        count: Radiographs.
        epochs: Epochs of training; the usual number if None.

    Returns:
        The bundle's folder.

    Raises:
        OutputError: If the folder cannot be written.
    """
    root = folder / f"{BUNDLE}_demonstration"
    if has_model(root) and (root / "eval" / "report.html").exists():
        return root
    datalist = folder / "phantoms" / "datalist.json"
    if not datalist.exists():
        generate_phantoms(_PHANTOMS, datalist.parent, count, contrast=_CONTRAST, formats=("png", "dicom"))
    root = working_copy(find_bundle(BUNDLE), root)
    metadata = root / "configs" / "metadata.json"
    write_json(metadata, {**json.loads(metadata.read_text(encoding="utf-8")), DEMONSTRATION: True})
    given = {"datalist": str(datalist.resolve())}
    epochs = _TRAINING["max_epochs"] if epochs is None else epochs
    run_workflow(root, ["train.json"], "training", {**given, **_TRAINING, "max_epochs": epochs})
    shown = {"explain": 10, "output_dir": str(root / "eval"), "backbone": _TRAINING["backbone"]}
    run_workflow(root, ["train.json", "evaluate.json"], "evaluating", {**given, **shown})
    publish_performance(root, root / "eval" / "report.json", datalist, phantoms=True)  # in place of another model's
    return root
