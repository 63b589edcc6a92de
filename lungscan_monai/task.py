"""The facts of one task, read from a bundle's `metadata.json`.

Standard library only, so that lists and help pages answer without torch.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lungscan_monai.errors import TaskError

KINDS = ("binary", "multiclass", "multilabel")


PRIVATE_SCHEME = "99LUNGSCAN"
"""Coding scheme of labels that no public scheme has a code for."""


@dataclass(frozen=True)
class LabelCode:
    """The code of a label, as DICOM and FHIR results carry it.

    Args:
        scheme: Coding scheme designator (PS3.16 table 8-1): ``"SCT"`` (SNOMED CT), ``"DCM"`` ..., or a private one,
            which begins with 99.
        code: Code value, up to 16 characters.
        meaning: For people, up to 64 characters.

    Raises:
        TaskError: If one of them is empty or too long for DICOM.
    """

    scheme: str
    code: str
    meaning: str

    def __post_init__(self) -> None:
        for text, longest in ((self.scheme, 16), (self.code, 16), (self.meaning, 64)):
            if not isinstance(text, str) or not 0 < len(text) <= longest:
                raise TaskError(f"code of a label: {text!r}, expected 1 to {longest} characters")


@dataclass(frozen=True)
class Translation:
    """What people read of a task, in another language than English.

    Args:
        language: Its code, for instance ``"id"``.
        title: The question in a few words.
        intended_use: What the model may be used for.
    """

    language: str
    title: str
    intended_use: str


@dataclass(frozen=True)
class TaskSpec:
    """One clinical question with its labels.

    Args:
        name: Name of the bundle, for instance ``"pneumonia_cxr_classification"``.
        title: The question in a few words, for people.
        version: Version of the bundle.
        kind: ``"binary"`` (two exclusive classes, one logit), ``"multiclass"`` (exclusive classes, softmax) or
            ``"multilabel"`` (findings that may co-occur, one sigmoid each).
        label_names: Names in the order of the model's probabilities; for a binary task the second is the positive one.
        image_size: Rows and columns of the network's input, in pixels.
        num_channels: Channels of the network's input.
        modalities: DICOM `Modality` values that the model was made for.
        intended_use: What the model may be used for, one or two sentences.
        views: Views of radiographs that the model was made for (`PA`, `AP` ...); empty where any will do.
        is_of_the_trunk: Whether it looks at an organ of the trunk, which no picture of the head or a limb shows.
        label_codes: One for each label, in their order; empty gives each a private one made of its name.
        translations: Title and intended use in other languages.

    Raises:
        TaskError: If the facts contradict each other.
    """

    name: str
    title: str
    version: str
    kind: str
    label_names: tuple[str, ...]
    image_size: tuple[int, int]
    num_channels: int
    modalities: tuple[str, ...]
    intended_use: str
    label_codes: tuple[LabelCode, ...] = ()
    views: tuple[str, ...] = ()
    is_of_the_trunk: bool = False
    translations: tuple[Translation, ...] = ()

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise TaskError(f"{self.name}: classification_kind is {self.kind!r}, expected one of {', '.join(KINDS)}")
        if len(self.label_names) < 2 and self.kind != "multilabel":
            raise TaskError(f"{self.name}: {len(self.label_names)} label(s), expected at least two")
        if len(set(self.label_names)) != len(self.label_names):
            raise TaskError(f"{self.name}: the label names are not distinct: {', '.join(self.label_names)}")
        if self.kind == "binary" and len(self.label_names) != 2:
            raise TaskError(f"{self.name}: a binary task has two labels, found {len(self.label_names)}")
        if len(self.image_size) != 2 or min(self.image_size) < 1:
            raise TaskError(f"{self.name}: image size is {self.image_size}, expected (rows, columns)")
        if self.label_codes and len(self.label_codes) != len(self.label_names):
            raise TaskError(f"{self.name}: {len(self.label_codes)} codes for {len(self.label_names)} labels")

    @property
    def num_outputs(self) -> int:
        """Number of logits: one for a binary task, else one for each label."""
        return 1 if self.kind == "binary" else len(self.label_names)

    @property
    def codes(self) -> tuple[LabelCode, ...]:
        """The code of each label, in their order."""
        return self.label_codes or tuple(map(private_code, self.label_names))

    def told_in(self, language: str) -> Translation:
        """Return title and intended use in a language; in English where there is no translation."""
        english = Translation("en", self.title, self.intended_use)
        return next((found for found in self.translations if found.language == language), english)

    @property
    def positive_label(self) -> str:
        """Name of the positive class of a binary task.

        Raises:
            TaskError: If the task is not binary.
        """
        if self.kind != "binary":
            raise TaskError(f"{self.name} is {self.kind}: it has no single positive class")
        return self.label_names[1]


def private_code(label: str) -> LabelCode:
    """Return a code of one's own for a label: its name, shortened where it is too long for DICOM.

    Example:
        >>> private_code("Hip fracture")
        LabelCode(scheme='99LUNGSCAN', code='hip-fracture', meaning='Hip fracture')
    """
    slug = re.sub(r"[^a-z0-9]+", "-", label.lower()).strip("-")
    if not 0 < len(slug) <= 16:
        slug = f"{slug[:7]}-{hashlib.sha256(label.encode()).hexdigest()[:8]}"
    return LabelCode(PRIVATE_SCHEME, slug, label[:64])


def load_task(bundle_root: str | os.PathLike) -> TaskSpec:
    """Read the task of a bundle from `configs/metadata.json`.

    Raises:
        TaskError: If the file is missing, not JSON, lacks an entry, or its entries contradict each other.
    """
    path = Path(bundle_root) / "configs" / "metadata.json"
    try:
        metadata = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise TaskError(f"{path}: there is no such file; a bundle has its facts there") from error
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise TaskError(f"{path}: not valid JSON ({error})") from error
    try:
        return _task_from_metadata(Path(bundle_root).resolve().name, metadata)
    except (KeyError, TypeError, ValueError) as error:
        if isinstance(error, TaskError):
            raise
        raise TaskError(f"{path}: entry missing or malformed: {error}") from error


def _task_from_metadata(name: str, metadata: dict[str, Any]) -> TaskSpec:
    image = metadata["network_data_format"]["inputs"]["image"]
    codes = metadata.get("label_codes", {})
    channel_def = metadata["network_data_format"]["outputs"]["pred"]["channel_def"]
    label_names = tuple(channel_def[str(index)] for index in range(len(channel_def)))
    if strangers := sorted(set(codes) - set(label_names)):
        raise TaskError(f"{name}: label_codes has {', '.join(strangers)}, which is no label")
    return TaskSpec(
        name=name,
        title=metadata["task"],
        version=metadata["version"],
        kind=metadata["classification_kind"],
        label_names=label_names,
        image_size=tuple(int(size) for size in image["spatial_shape"]),
        num_channels=int(image["num_channels"]),
        modalities=tuple(metadata["dicom_modalities"]),
        intended_use=metadata["intended_use"],
        views=tuple(metadata.get("dicom_views", ())),
        is_of_the_trunk=bool(metadata.get("is_of_the_trunk", False)),
        label_codes=tuple(LabelCode(**codes[one]) if one in codes else private_code(one) for one in label_names),
        translations=tuple(
            Translation(language, texts["task"], texts["intended_use"])
            for language, texts in metadata.get("translations", {}).items()
        ),
    )
