"""Class folders: one folder for each class, with or without ``train`` / ``val`` / ``test`` folders above them."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from lungscan_monai.data.datalist import Case
from lungscan_monai.data.files import files_below, is_hidden, is_image
from lungscan_monai.data.label_names import LabelNames, distinct_labels, label_key
from lungscan_monai.data.listing import Listing, exclusive_kind, section_named
from lungscan_monai.data.patients import patient_of, patient_pattern
from lungscan_monai.errors import DatalistError


def read_folder(
    root: str | os.PathLike,
    *,
    kind: str | None = None,
    labels: Sequence[str] | None = None,
    patient_regex: str | None = None,
    labels_elsewhere: Collection[str] = (),
) -> Listing:
    """Collect the images of class folders.

    Two layouts: ``<section>/<class>/...`` with sections train, val, test (also training, valid, validation, testing,
    in any case), and ``<class>/...``. Folders around the whole are passed over; below a class folder any depth is
    good. With `labels` given, the class folders are found by their names, wherever they lie. Files that are hidden,
    no images, or outside of the layout are skipped and listed.

    Args:
        root: The folder.
        kind: ``"binary"`` or ``"multiclass"``; by the number of classes if not given.
        labels: Class names in the wanted order, found by any spelling that
            :class:`~lungscan_monai.data.label_names.LabelNames` knows; the folder names, normal first, if not given.
        patient_regex: Regular expression with one group that finds the patient in a file name, or the name of a
            known one; see :func:`~lungscan_monai.data.patients.patient_pattern`.
        labels_elsewhere: Those of `labels` that need no folder here.

    Raises:
        DatalistError: If no class folders are found, they are not those of `labels`, or no file name matches
            `patient_regex`.
        ConfigError: If `patient_regex` or `kind` cannot be used.
    """
    root = Path(root)
    if not root.is_dir():
        raise DatalistError(str(root), ["there is no such folder"])
    files = list(files_below(root))
    images = [file for file in files if not is_hidden(file) and is_image(root / file)]
    places = (labels and _places_by_name(images, LabelNames(labels))) or _places_by_depth(images)
    folders = {place.folder for place in places}
    names = LabelNames(_label_names(root, folders) if labels is None else labels)
    kind = exclusive_kind(names.names, kind)
    _check_folders(root, folders, names, labels_elsewhere)
    pattern = patient_pattern(patient_regex) if patient_regex else None
    cases: dict[str | None, list[Case]] = {}
    for place in places:
        patient = patient_of(str(place.file), pattern)
        cases.setdefault(place.section, []).append(Case(str(place.file), names.index(place.folder), patient))
    if pattern and not any(case.patient for members in cases.values() for case in members):
        example = places[0].file
        raise DatalistError(
            str(root), [f"patient regex {patient_regex!r} matches no file name, for instance {example}"]
        )
    used = {place.file for place in places}
    return Listing(
        name=root.resolve().name,
        kind=kind,
        labels=names.names,
        base_dir=root,
        unsplit=tuple(cases.pop(None, ())),
        given={section: tuple(members) for section, members in cases.items() if section},
        skipped=tuple(str(file) for file in files if file not in used),
    )


class _Place(NamedTuple):
    section: str | None
    folder: str
    file: PurePosixPath


def _places_by_name(images: Sequence[PurePosixPath], labels: LabelNames) -> list[_Place]:
    """Return section and class folder of each image below a folder called like a label, and of those beside such.

    Of several such folders around an image, the one with most other labels beside it is its class, the inner of equals.
    """
    beside: dict[tuple[str, ...], set[int]] = defaultdict(set)
    for image in images:
        for depth, name in enumerate(image.parts[:-1]):
            if (label := labels.index(name)) is not None:
                beside[image.parts[:depth]].add(label)
    places = []
    for image in images:
        depths = [depth for depth in range(len(image.parts) - 1) if image.parts[:depth] in beside]
        if not depths:
            continue
        known = [depth for depth in depths if labels.index(image.parts[depth]) is not None]
        depth = max(known or depths, key=lambda depth: (len(beside[image.parts[:depth]]), depth))
        above = [level for level in range(depth) if section_named(image.parts[level])]
        if known or not _is_for_a_section(image.parts[depth]):
            section = section_named(image.parts[above[-1]]) if above else None
            places.append((_Place(section, image.parts[depth], image), above[-1] if above else depth))
    has_sections = any(place.section for place, _ in places)
    starts = {place.file: start for place, start in places}
    return [
        place
        for place, start in places
        if (place.section or not has_sections) and not _is_copy(place.file.parts, start, starts)
    ]


def _is_copy(parts: tuple[str, ...], start: int, starts: Mapping[PurePosixPath, int]) -> bool:
    """Tell whether the same file lies in a layout further out, as archives hold that were packed with a copy inside."""
    outer = ((level, PurePosixPath(*parts[:level], *parts[start:])) for level in range(start))
    return any(starts.get(file) == level for level, file in outer)


def _is_for_a_section(folder: str) -> bool:
    """Tell whether a folder beside the classes is one of pictures to test with, without label, as in "Test cases"."""
    return section_named(label_key(folder)) is not None


def _places_by_depth(images: Sequence[PurePosixPath]) -> list[_Place]:
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


def _label_names(root: Path, folders: Collection[str]) -> tuple[str, ...]:
    names = distinct_labels(folders)
    if len(names) < 2:
        found = f"{names[0]} only" if names else "none with images"
        raise DatalistError(str(root), [f"expected one folder for each class, found {found}"])
    return names


def _check_folders(root: Path, folders: Collection[str], labels: LabelNames, elsewhere: Collection[str]) -> None:
    if not folders:
        defect = f"expected one folder for each of {', '.join(labels.names)}, found none with images"
        raise DatalistError(str(root), [f"{defect}; give the folder around them"])
    present = {labels.index(folder) for folder in folders}
    strange = sorted(folder for folder in folders if labels.index(folder) is None)
    defects = [
        f"folder {name} is none of the labels {', '.join(labels.names)}; rename it, or move it away" for name in strange
    ]
    found = ", ".join(sorted(folders))
    defects += [
        f"label {name} has no folder with images; the class folders are {found}"
        for index, name in enumerate(labels.names)
        if index not in present and name not in elsewhere
    ]
    if defects:
        raise DatalistError(str(root), defects)
