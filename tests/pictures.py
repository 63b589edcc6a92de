"""Small generated data sets for tests: a bright spot is the disease."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from PIL import Image

from lungscan_monai.data.datalist import Case, Datalist

COUNTS = {"training": 24, "validation": 12, "test": 12}


def spots(folder: Path, task: dict, counts: dict[str, int] = COUNTS, size: int = 40) -> Path:
    """Write noisy pictures, where class k has a bright square at its own place, and their datalist.

    Args:
        folder: Where to.
        task: Content of a bundle's `metadata.json`.
        counts: Cases of each section.
        size: Rows and columns.

    Returns:
        Path of the datalist.
    """
    channel_def = task["network_data_format"]["outputs"]["pred"]["channel_def"]
    labels = tuple(channel_def[str(index)] for index in range(len(channel_def)))
    random = np.random.default_rng(0)
    multilabel = task["classification_kind"] == "multilabel"
    sections = {}
    for section, count in counts.items():
        cases = []
        for number in range(count):
            index = number % len(labels)
            picture = random.normal(90, 12, (size, size))
            row, column = divmod(index * 9, size - 8)
            picture[8 * row + 4 : 8 * row + 12, column : column + 8] += 120 * (index > 0 or multilabel)
            name = f"{section}-{number}.png"
            Image.fromarray(picture.clip(0, 255).astype(np.uint8)).save(folder / name)
            label = tuple(int(index == other) for other in range(len(labels))) if multilabel else index
            cases.append(Case(name, label, f"{section}-patient-{number // 2}"))
        sections[section] = tuple(cases)
    datalist = Datalist(
        name="spots", kind=task["classification_kind"], labels=labels, base_dir=folder, sections=sections, split={}
    )
    path = folder / "datalist.json"
    datalist.save(path)
    return path


def metadata_of(bundle: Path) -> dict:
    """Return the content of a bundle's `metadata.json`."""
    return json.loads((bundle / "configs" / "metadata.json").read_text())
