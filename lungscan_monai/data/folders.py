"""Class folders: one folder for each class, with or without ``train`` / ``val`` / ``test`` folders above them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePath, PurePosixPath
from typing import NamedTuple

from lungscan_monai.data.datalist import Case
from lungscan_monai.data.listing import Listing, exclusive_kind, ordered_labels, section_named
from lungscan_monai.data.patients import patient_of, patient_pattern
from lungscan_monai.errors import DatalistError

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".dcm", ".bmp", ".tif", ".tiff", ".nii", ".nii.gz")

_DICOM_PREAMBLE = 128
_DICOM_MAGIC = b"DICM"
_HIDDEN_PREFIXES = (".", "__MACOSX")


def is_image(path: Path) -> bool:
    """Tell by its suffix whether a file is an image; one without suffix, or with a number for it, if it is DICOM."""
    suffix = path.suffix[1:]
    return path.name.lower().endswith(IMAGE_SUFFIXES) or ((not suffix or suffix.isdecimal()) and _is_dicom(path))


def _is_dicom(path: Path) -> bool:
    with path.open("rb") as stream:
        stream.seek(_DICOM_PREAMBLE)
        return stream.read(len(_DICOM_MAGIC)) == _DICOM_MAGIC


def read_folder(
    root: str | os.PathLike,
    *,
    kind: str | None = None,
    labels: Sequence[str] | None = None,
    patient_regex: str | None = None,
) -> Listing:
    """Collect the images of class folders.

    Two layouts: ``<section>/<class>/...`` with sections train, val, test (also training, valid, validation, testing,
    in any case), and ``<class>/...``. Folders around the whole are passed over; below a class folder any depth is
    good. Files that are hidden, no images, or outside of the layout are skipped and listed.

    Args:
        root: The folder.
        kind: ``"binary"`` or ``"multiclass"``; by the number of classes if not given.
        labels: Class names in the wanted order, compared without case; the folder names, normal first, if not given.
        patient_regex: Regular expression with one group that finds the patient in a file name, or the name of a
            known one; see :func:`~lungscan_monai.data.patients.patient_pattern`.

    Raises:
        DatalistError: If no class folders are found, they are not those of `labels`, or no file name matches
            `patient_regex`.
        ConfigError: If `patient_regex` or `kind` cannot be used.
    """
    root = Path(root)
    if not root.is_dir():
        raise DatalistError(str(root), ["there is no such folder"])
    files = list(_files(root))
    places = _places([file for file in files if not is_hidden(file) and is_image(root / file)])
    names = _label_names(root, {place.folder for place in places}, labels)
    index = {name.lower(): position for position, name in enumerate(names)}
    pattern = patient_pattern(patient_regex) if patient_regex else None
    cases: dict[str | None, list[Case]] = {}
    for place in places:
        patient = patient_of(place.file.name, pattern)
        cases.setdefault(place.section, []).append(Case(str(place.file), index[place.folder.lower()], patient))
    if pattern and not any(case.patient for members in cases.values() for case in members):
        example = places[0].file.name
        raise DatalistError(
            str(root), [f"patient regex {patient_regex!r} matches no file name, for instance {example}"]
        )
    used = {place.file for place in places}
    return Listing(
        name=root.resolve().name,
        kind=exclusive_kind(names, kind),
        labels=names,
        base_dir=root,
        unsplit=tuple(cases.pop(None, ())),
        given={section: tuple(members) for section, members in cases.items() if section},
        skipped=tuple(str(file) for file in files if file not in used),
    )


def is_hidden(file: PurePath) -> bool:
    """Tell whether a file, or a folder that it lies in, is hidden or left behind by an archive."""
    return any(part.startswith(_HIDDEN_PREFIXES) for part in file.parts)


def _files(root: Path) -> Iterator[PurePosixPath]:
    """Yield all files below the folder, relative to it, in the order of their names."""
    for folder, subfolders, names in os.walk(root, followlinks=True):
        subfolders.sort()
        for name in sorted(names):
            yield PurePosixPath((Path(folder) / name).relative_to(root).as_posix())


class _Place(NamedTuple):
    section: str | None
    folder: str
    file: PurePosixPath


def _places(images: Sequence[PurePosixPath]) -> list[_Place]:
    """Return section and class folder of each image that fits the layout."""
    depth = _depth_of_layout(images)
    has_sections = any(section_named(image.parts[depth]) for image in images if len(image.parts) > depth + 1)
    places = []
    for image in images:
        section = section_named(image.parts[depth]) if has_sections else None
        class_depth = depth + has_sections
        if len(image.parts) > class_depth + 1 and (section or not has_sections):
            places.append(_Place(section, image.parts[class_depth], image))
    return places


def _depth_of_layout(images: Sequence[PurePosixPath]) -> int:
    """Return how many folders lie around the sections, or around the classes where there are none."""
    depth = 0
    for names in zip(*(image.parts[:-1] for image in images), strict=False):
        if len(set(names)) > 1 or section_named(names[0]):
            break
        depth += 1
    return depth


def _label_names(root: Path, folders: set[str], labels: Sequence[str] | None) -> tuple[str, ...]:
    spellings: dict[str, str] = {}
    for folder in sorted(folders):
        spellings.setdefault(folder.lower(), folder)
    if labels is None and len(spellings) < 2:
        found = f"found {next(iter(folders))} only" if folders else "found none with images"
        raise DatalistError(str(root), [f"expected one folder for each class, {found}"])
    if labels is None:
        return ordered_labels(spellings.values())
    wanted = {label.lower() for label in labels}
    strange = [name for low, name in spellings.items() if low not in wanted]
    defects = [f"folder {name} is none of the labels {', '.join(labels)}" for name in strange]
    defects += [f"label {label} has no folder with images" for label in labels if label.lower() not in spellings]
    if defects:
        raise DatalistError(str(root), defects)
    return tuple(labels)
