"""From what annotators saved to the cases of a datalist."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pydicom
from pydicom.errors import InvalidDicomError

from lungscan_monai.data.datalist import Case, Label
from lungscan_monai.errors import DatalistError
from lungscan_monai.task import TaskSpec


def labelled_cases(entries: Iterable[dict[str, str]], task: TaskSpec) -> list[Case]:
    """Return one case for each labelled image file.

    A label is a JSON file: ``{"label": "Pneumonia"}`` for exclusive classes, ``{"findings": ["Mass", "Nodule"]}`` for a
    task of several findings, where those that are not named are absent; `patient` may say who it is, else the DICOM
    file does.

    Args:
        entries: `image`, a file or the folder of a series, and `label`, the file with its label.
        task: The task that they are labelled for.

    Raises:
        DatalistError: If a label is not of this form, or no label of the task; all are listed.
    """
    cases, defects = [], []
    for entry in entries:
        try:
            content = json.loads(Path(entry["label"]).read_text(encoding="utf-8"))
            label = _label(content, task)
        except (UnicodeDecodeError, ValueError) as error:
            defects.append(f"{Path(entry['label']).name}: {error}")
            continue
        image = Path(entry["image"])
        files = sorted(image.iterdir()) if image.is_dir() else [image]
        cases += [Case(str(file), label, _patient(content, file)) for file in files]
    if defects:
        raise DatalistError("labels of the datastore", defects)
    return cases


def _label(content: Any, task: TaskSpec) -> Label:
    key = "findings" if task.kind == "multilabel" else "label"
    if not isinstance(content, dict) or key not in content:
        raise ValueError(f'expected {{"{key}": ...}}')
    named = content[key] if task.kind == "multilabel" else [content[key]]
    strange = [str(name) for name in named if name not in task.label_names]
    if strange:
        raise ValueError(f"{', '.join(strange)} is no label of {task.name}; it has {', '.join(task.label_names)}")
    if task.kind == "multilabel":
        return tuple(int(name in named) for name in task.label_names)
    return task.label_names.index(named[0])


def _patient(content: dict[str, Any], file: Path) -> str | None:
    """Return a pseudonym: the datalist names nobody."""
    who = content.get("patient") or _patient_of_dicom(file)
    return hashlib.sha256(str(who).encode()).hexdigest()[:16] if who else None


def _patient_of_dicom(file: Path) -> str | None:
    try:
        header = pydicom.dcmread(file, specific_tags=["PatientID"], stop_before_pixels=True)
    except InvalidDicomError:
        return None
    return header.get("PatientID") or None
