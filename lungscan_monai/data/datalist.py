"""The datalist: which image has which label, which patient, and which section of the split.

A datalist is a MONAI-style JSON file with a content hash. A :class:`Datalist` checks itself when it is made: what
exists has labels in range, no image twice, and no patient in two sections.
"""

from __future__ import annotations

import hashlib
import json
import os
import warnings
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from lungscan_monai.data.references import without_fragment
from lungscan_monai.errors import DatalistError, LungScanWarning
from lungscan_monai.storage import write_json
from lungscan_monai.task import KINDS, TaskSpec

SECTIONS = ("training", "validation", "test")
RESERVED_KEYS = ("image", "label", "patient", "case", "section")
GIVEN = "given"
"""`split["method"]` of a split that came with the data: kept as it is, even where it leaks."""

_LISTED_AT_MOST = 20

Label = int | tuple[int | None, ...]


@dataclass(frozen=True)
class Case:
    """One image with its reference label.

    Args:
        image: Path relative to the datalist's `base_dir`, or absolute; it may end in ``#slice=12`` or ``#frame=3``.
        label: Class index, or for a multi-label task one of 0, 1 and None (not assessed) for each finding.
        patient: Pseudonym of the patient, None where unknown.
        id: Name of the case, distinct in the datalist; the image path if not given.
        facts: What else is known (sex, age, view, source, mask, ...); JSON values only.

    Raises:
        DatalistError: If the image is empty, the label has another form, or a fact has a reserved name.
    """

    image: str
    label: Label
    patient: str | None = None
    id: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.id:
            object.__setattr__(self, "id", self.image)
        defects = []
        if not self.image:
            defects.append("the image path is empty")
        if not _is_label(self.label):
            defects.append(f"label is {self.label!r}, expected a class index or a tuple of 0, 1 and None")
        if self.patient == "":
            defects.append("the patient is an empty text, expected None where it is unknown")
        defects += [f"fact {name!r} has a reserved name" for name in self.facts if name in RESERVED_KEYS]
        if defects:
            raise DatalistError(self.id or "case", defects)

    @property
    def group(self) -> tuple[str, str]:
        """What must stay in one section: the patient, or the case itself where no patient is known."""
        return ("case", self.id) if self.patient is None else ("patient", self.patient)

    def entry(self) -> dict[str, Any]:
        """Return the case as it stands in the JSON file."""
        label = self.label if isinstance(self.label, int) else list(self.label)
        entry: dict[str, Any] = {"image": self.image, "label": label}
        if self.patient is not None:
            entry["patient"] = self.patient
        if self.id != self.image:
            entry["case"] = self.id
        return {**entry, **self.facts}


def _is_label(label: Any) -> bool:
    if isinstance(label, tuple):
        return bool(label) and all(value is None or (type(value) is int and value in (0, 1)) for value in label)
    return type(label) is int and label >= 0


@dataclass(frozen=True)
class Datalist:
    """A labelled, split set of cases.

    Args:
        name: Name of the data set.
        kind: ``"binary"``, ``"multiclass"`` or ``"multilabel"``.
        labels: Label names, in the order of the indices.
        base_dir: Folder that relative image paths start from.
        sections: Cases of ``"training"``, ``"validation"`` and ``"test"``; a missing section is empty.
        split: How the sections were made; ``split["method"] == "given"`` if they came with the data.
        sha256: Content hash of the file that it was loaded from, None before it was saved.

    Raises:
        DatalistError: If the parts contradict each other; all defects are listed.
    """

    name: str
    kind: str
    labels: tuple[str, ...]
    base_dir: Path
    sections: Mapping[str, tuple[Case, ...]]
    split: Mapping[str, Any] = field(default_factory=dict)
    sha256: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "base_dir", Path(self.base_dir).absolute())
        object.__setattr__(self, "sections", {name: tuple(cases) for name, cases in self.sections.items()})
        defects = [*_label_name_defects(self.kind, self.labels), *_section_defects(self.sections)]
        if not defects:
            defects = [
                *_label_defects(self),
                *_repetition_defects(self),
                *_empty_class_defects(self),
                *(() if self.split.get("method") == GIVEN else patient_leaks(self.sections)),
            ]
        if defects:
            raise DatalistError(self.name, defects)

    def __len__(self) -> int:
        return sum(len(cases) for cases in self.sections.values())

    def cases(self, *sections: str) -> tuple[Case, ...]:
        """Return the cases of the named sections (of all, if none is named), in the order of the file.

        Raises:
            DatalistError: If a name is not one of the three.
        """
        if set(sections) - set(SECTIONS):
            raise DatalistError(self.name, list(_section_name_defects(sections)))
        return tuple(case for name in sections or SECTIONS for case in self.sections.get(name, ()))

    def file_of(self, reference: str, dataset_dir: str | os.PathLike | None = None) -> Path:
        """Return the absolute file behind an image or mask reference, without its fragment."""
        return Path(dataset_dir or self.base_dir).absolute() / without_fragment(reference)

    def records(self, *sections: str, dataset_dir: str | os.PathLike | None = None) -> list[dict[str, Any]]:
        """Return MONAI records of the named sections (of all, if none is named).

        Args:
            *sections: ``"training"``, ``"validation"``, ``"test"``.
            dataset_dir: Folder of the images, if they were moved since the import.

        Returns:
            One dictionary for each case: `image` (absolute path, with its fragment), `label` (int, or float32 of shape
            ``(n_labels,)`` with NaN for "not assessed"), `case`, `patient` (an empty text where unknown, since a
            batch cannot hold None), `section`, `mask` (absolute path of the picture that shows where the finding is, an
            empty text where there is none).

        Raises:
            DatalistError: If a name is not one of the three.
        """
        root = Path(dataset_dir or self.base_dir).absolute()
        self.cases(*sections)
        return [
            {
                "image": str(root / case.image),
                "label": case.label if isinstance(case.label, int) else _as_array(case.label),
                "case": case.id,
                "patient": case.patient or "",
                "section": section,
                "mask": str(root / case.facts["mask"]) if case.facts.get("mask") else "",
            }
            for section in sections or SECTIONS
            for case in self.sections.get(section, ())
        ]

    def missing_files(self, *sections: str, dataset_dir: str | os.PathLike | None = None) -> tuple[str, ...]:
        """Return the image references, of the named sections or of all, whose file does not exist."""
        cases = self.cases(*sections)
        return tuple(case.image for case in cases if not self.file_of(case.image, dataset_dir).is_file())

    def require_files(self, *sections: str, dataset_dir: str | os.PathLike | None = None) -> None:
        """Check that the images of the named sections, or of all, are there.

        Raises:
            DatalistError: If not; it names the first 20 and says how many there are.
        """
        missing = self.missing_files(*sections, dataset_dir=dataset_dir)
        if not missing:
            return
        defects = [f"no such image: {image}" for image in missing[:_LISTED_AT_MOST]]
        if len(missing) > _LISTED_AT_MOST:
            defects.append(f"... and {len(missing) - _LISTED_AT_MOST} more")
        folder = Path(dataset_dir or self.base_dir).absolute()
        defects.append(f"{len(missing)} image(s) were looked for below {folder}; if they were moved, give dataset_dir")
        raise DatalistError(self.name, defects)

    def require_task(self, task: TaskSpec) -> None:
        """Check that the cases are labelled for a task: they hold indices only, so the order of the labels counts.

        Names are compared without case.

        Raises:
            DatalistError: If kind or labels are not the task's.
        """
        defects = []
        if self.kind != task.kind:
            defects.append(f"its kind is {self.kind}, expected {task.kind}")
        if [name.casefold() for name in self.labels] != [name.casefold() for name in task.label_names]:
            defects.append(
                f"its labels are {', '.join(self.labels)}, expected {', '.join(task.label_names)} in this order; "
                f"import the data with --labels {','.join(task.label_names)}"
            )
        if defects:
            raise DatalistError(self.name, defects)

    def save(self, path: str | os.PathLike) -> str:
        """Write the JSON file and return its content hash.

        `base_dir` is written relative to the file where the images lie below it, so that both can be moved together.

        Raises:
            OutputError: If the file cannot be written.
        """
        content = self._content(Path(path).absolute().parent)
        sha256 = content_hash(content)
        write_json(path, {**content, "sha256": sha256})
        return sha256

    def _content(self, folder: Path) -> dict[str, Any]:
        below = self.base_dir.resolve().is_relative_to(folder.resolve())
        base_dir = self.base_dir.resolve().relative_to(folder.resolve()).as_posix() if below else str(self.base_dir)
        entries = {name: [case.entry() for case in self.sections.get(name, ())] for name in SECTIONS}
        head = {"name": self.name, "labels": list(self.labels), "kind": self.kind, "base_dir": base_dir}
        return {**head, **entries, "split": dict(self.split)}


def _as_array(label: tuple[int | None, ...]) -> np.ndarray:
    return np.array([np.nan if value is None else value for value in label], dtype=np.float32)


def content_hash(content: Mapping[str, Any]) -> str:
    """Return the SHA-256, in hexadecimal, of everything but the entry ``"sha256"``.

    It is taken over JSON with sorted keys and no white space, so that a reformatted file keeps its hash.
    """
    rest = {key: value for key, value in content.items() if key != "sha256"}
    text = json.dumps(rest, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def load_datalist(path: str | os.PathLike, dataset_dir: str | os.PathLike | None = None) -> Datalist:
    """Read and verify a datalist.

    Args:
        path: The JSON file.
        dataset_dir: Folder of the images, in place of the file's own `base_dir`.

    Raises:
        DatalistError: If the file is missing, malformed, was changed since it was written, or contradicts itself.

    Warns:
        LungScanWarning: If the file has no hash, or if a split that came with the data has patients in two sections.
    """
    path = Path(path)
    content = _read_content(path)
    if content.get("sha256") is None:
        warnings.warn(f"{path.name}: no sha256 entry, so changes cannot be noticed", LungScanWarning, stacklevel=2)
    elif content["sha256"] != content_hash(content):
        defect = (
            "the content does not have the SHA-256 that the file says, so it was edited after it was written; import "
            "the data again, or delete the sha256 entry to accept the edit (moved images need none: pass dataset_dir)"
        )
        raise DatalistError(str(path), [defect])
    datalist = _datalist_from(path, content, dataset_dir)
    leaks = patient_leaks(datalist.sections)
    if leaks:
        message = (
            f"{path.name}: {len(leaks)} patient(s) in several sections of the given split, for instance {leaks[0]}"
        )
        warnings.warn(message, LungScanWarning, stacklevel=2)
    return datalist


def datalist_sha256(path: str | os.PathLike) -> str:
    """Return the content hash of a datalist file as it is now; see :func:`content_hash`.

    Raises:
        DatalistError: If the file is missing or no datalist.
    """
    return content_hash(_read_content(Path(path)))


def _read_content(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise DatalistError(str(path), ["there is no such file; `lungscan data import` makes one"]) from error
    except OSError as error:
        raise DatalistError(str(path), [f"cannot be read ({error.strerror})"]) from error
    except ValueError as error:
        raise DatalistError(str(path), [f"not valid JSON ({error})"]) from error
    if not isinstance(content, dict):
        raise DatalistError(str(path), [f"holds a JSON {type(content).__name__}, expected an object"])
    absent = [f"the entry {key!r} is missing" for key in ("name", "labels", "kind") if key not in content]
    if absent:
        raise DatalistError(str(path), absent)
    return content


def _datalist_from(path: Path, content: dict[str, Any], dataset_dir: str | os.PathLike | None) -> Datalist:
    base_dir = path.absolute().parent / content.get("base_dir", ".") if dataset_dir is None else Path(dataset_dir)
    try:
        sections = {name: tuple(_case_from(entry) for entry in content.get(name, ())) for name in SECTIONS}
    except (KeyError, TypeError, AttributeError) as error:
        raise DatalistError(str(path), [f"a case is malformed ({error}); it needs image and label"]) from error
    return Datalist(
        name=content["name"],
        kind=content["kind"],
        labels=tuple(content["labels"]),
        base_dir=base_dir,
        sections=sections,
        split=content.get("split", {}),
        sha256=content.get("sha256"),
    )


def _case_from(entry: Mapping[str, Any]) -> Case:
    label = tuple(entry["label"]) if isinstance(entry["label"], list) else entry["label"]
    facts = {key: value for key, value in entry.items() if key not in RESERVED_KEYS}
    return Case(entry["image"], label, entry.get("patient"), entry.get("case", ""), facts)


def monai_records(
    datalist_path: str | os.PathLike,
    sections: str | Iterable[str],
    dataset_dir: str | os.PathLike | None = None,
    limit: int | None = None,
    task: TaskSpec | None = None,
) -> list[dict[str, Any]]:
    """Read records of a datalist for a MONAI `Dataset`; see :meth:`Datalist.records`.

    Args:
        datalist_path: The JSON file.
        sections: One of ``"training"``, ``"validation"``, ``"test"``, or several.
        dataset_dir: Folder of the images, in place of the file's own `base_dir`.
        limit: At most so many records, taken at even distances, for a quick trial.
        task: The task that the cases must be labelled for; see :meth:`Datalist.require_task`.

    Raises:
        DatalistError: If the datalist cannot be used, is for another task, a section is empty, or images are missing.
    """
    datalist = load_datalist(datalist_path, dataset_dir)
    if task is not None:
        datalist.require_task(task)
    names = (sections,) if isinstance(sections, str) else tuple(sections)
    records = datalist.records(*names)
    if not records:
        raise DatalistError(str(datalist_path), [f"no case in section {' or '.join(names)}"])
    datalist.require_files(*names)
    if limit is None or limit >= len(records):
        return records
    return [records[index * len(records) // limit] for index in range(limit)]


def patient_leaks(sections: Mapping[str, Iterable[Case]]) -> list[str]:
    """Return one sentence for each patient with cases in more than one section; images are named, not the patient."""
    places: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for name, cases in sections.items():
        for case in cases:
            if case.patient is not None:
                places[case.patient][name].append(case.image)
    return [
        "one patient in several sections: " + ", ".join(f"{images[0]} ({name})" for name, images in found.items())
        for found in places.values()
        if len(found) > 1
    ]


def _label_name_defects(kind: str, labels: tuple[str, ...]) -> Iterator[str]:
    if kind not in KINDS:
        yield f"kind is {kind!r}, expected one of {', '.join(KINDS)}"
    if len(set(labels)) != len(labels):
        yield f"the label names are not distinct: {', '.join(labels)}"
    if kind == "binary" and len(labels) != 2:
        yield f"a binary data set has two labels, found {len(labels)}: {', '.join(labels)}"
    if not labels or (kind == "multiclass" and len(labels) < 2):
        yield f"{len(labels)} label(s), too few for {kind}: {', '.join(labels)}"


def _section_name_defects(names: Iterable[str]) -> Iterator[str]:
    for name in names:
        if name not in SECTIONS:
            yield f"there is no section {name!r}, only {', '.join(SECTIONS)}"


def _section_defects(sections: Mapping[str, tuple[Case, ...]]) -> Iterator[str]:
    yield from _section_name_defects(sections)
    if not any(sections.values()):
        yield "there is no case"


def _label_defects(datalist: Datalist) -> Iterator[str]:
    count = len(datalist.labels)
    for case in datalist.cases():
        if datalist.kind == "multilabel":
            if not isinstance(case.label, tuple) or len(case.label) != count:
                yield f"{case.image}: label is {case.label!r}, expected {count} values, one for each finding"
        elif not isinstance(case.label, int) or case.label >= count:
            yield f"{case.image}: label is {case.label!r}, expected an index below {count}"


def _repetition_defects(datalist: Datalist) -> list[str]:
    repeated_images = _repeated("image", datalist)
    return repeated_images or _repeated("id", datalist)


def _repeated(what: str, datalist: Datalist) -> list[str]:
    places: dict[str, list[str]] = defaultdict(list)
    for section, cases in datalist.sections.items():
        for case in cases:
            places[getattr(case, what)].append(section)
    return [
        f"{what} {value} stands {len(found)} times: {', '.join(found)}"
        for value, found in places.items()
        if len(found) > 1
    ]


def _empty_class_defects(datalist: Datalist) -> Iterator[str]:
    """An exclusive class that training never shows; a finding may be absent, the others can be learned without it."""
    present = {case.label for case in datalist.cases("training")}
    if datalist.kind == "multilabel" or not present:
        return
    for index, name in enumerate(datalist.labels):
        if index not in present:
            yield f"training has no case of class {name}"
