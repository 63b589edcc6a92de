"""A whole labelled, split set of simulated pictures in a folder."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lungscan_monai.data.datalist import SECTIONS, Case, Datalist
from lungscan_monai.data.phantoms.picture import Picture
from lungscan_monai.data.phantoms.request import Request
from lungscan_monai.data.phantoms.tasks import PhantomTask, phantom_task
from lungscan_monai.data.phantoms.writing import Identity, write_dicom, write_mask, write_png
from lungscan_monai.errors import ConfigError
from lungscan_monai.storage import require_writable

FORMATS = ("png", "dicom")
FRACTIONS = (0.64, 0.16, 0.20)
"""Shares of training, validation and test in the images of every class."""

_IMAGES_PER_PATIENT = (0.6, 0.25, 0.15)
_SMALLEST = 32
_INVERTED_SHARE = 0.3


@dataclass(frozen=True)
class PlannedPatient:
    """One simulated patient.

    Args:
        number: Patient's number, from 1.
        stratum: What the patient has.
        images: How many pictures are taken.
        section: Where all of them go.
    """

    number: int
    stratum: str
    images: int
    section: str


def generate_phantoms(
    task: str,
    output: str | os.PathLike,
    count: int = 400,
    size: int = 256,
    seed: int = 0,
    formats: Sequence[str] = ("png",),
    contrast: float = 1.0,
    png_bits: int = 8,
    progress: Callable[[int, int], None] | None = None,
) -> Datalist:
    """Simulate a labelled set of pictures with known lesions, split by patient, and write it into a folder.

    The folder receives ``images/<case>.png`` and / or ``dicom/<case>.dcm``, ``masks/<case>.png`` for what has a lesion
    (255 where it is; in a multi-label task also ``masks/<case>.<finding>.png``) and ``datalist.json``. The same
    arguments give the same bytes.

    Args:
        task: ``"pneumonia_cxr"``, ``"lungscan_cxr"``, ``"kidney_ct"``, ``"lung_cancer_ct"`` or ``"nih14_cxr"``; also
            with ``_classification`` at its end.
        output: The folder.
        count: Number of pictures; the classes get equal shares.
        size: Rows and columns.
        seed: Seed of everything.
        formats: ``"png"``, ``"dicom"`` or both; the datalist refers to the first.
        contrast: Multiplies the strength of every lesion: 1 spreads from subtle to obvious.
        png_bits: 8 or 16.
        progress: Called after each picture with the number done and the number wanted.

    Returns:
        The datalist as written.

    Raises:
        ConfigError: If an argument is out of range, or `count` too small for three patients of each sort.
        OutputError: If the folder cannot be written.
    """
    wanted = phantom_task(task)
    _check(formats, size, contrast, png_bits)
    patients = plan_patients(wanted.strata, count, seed)
    folder = require_writable(output)
    writer = _Writer(wanted, folder, tuple(formats), png_bits)
    sections: dict[str, list[Case]] = {section: [] for section in SECTIONS}
    for patient in patients:
        for image in range(1, patient.images + 1):
            request = Request(seed, patient.number, image, size, contrast)
            sections[patient.section].append(writer.write(request, patient.stratum))
            if progress is not None:
                progress(sum(map(len, sections.values())), count)
    datalist = Datalist(
        name=f"{wanted.name} phantoms",
        kind=wanted.kind,
        labels=wanted.labels,
        base_dir=folder,
        sections=sections,
        split={
            "method": "patients dealt to the sections class by class before simulation",
            "seed": seed,
            "fractions": list(FRACTIONS),
            "size": size,
            "contrast": contrast,
        },
    )
    datalist.save(folder / "datalist.json")
    return datalist


def _check(formats: Sequence[str], size: int, contrast: float, png_bits: int) -> None:
    if not formats or set(formats) - set(FORMATS) or len(set(formats)) != len(formats):
        raise ConfigError(f"formats is {tuple(formats)}, expected one or both of {', '.join(FORMATS)}")
    if size < _SMALLEST:
        raise ConfigError(f"size is {size}, expected at least {_SMALLEST}")
    if not contrast > 0.0:
        raise ConfigError(f"contrast is {contrast}, expected a positive number")
    if png_bits not in (8, 16):
        raise ConfigError(f"png_bits is {png_bits}, expected 8 or 16")


def plan_patients(strata: Sequence[str], count: int, seed: int) -> list[PlannedPatient]:
    """Deal `count` pictures to patients of each sort, and the patients of each sort to the sections.

    Args:
        strata: Sorts of patients, in equal shares.
        count: Number of pictures.
        seed: Seed.

    Returns:
        Patients in the order of their numbers, which do not depend on the sort.

    Raises:
        ConfigError: If there are not three pictures for each sort.
    """
    if count < 3 * len(strata):
        raise ConfigError(f"count is {count}, expected at least {3 * len(strata)} (three for each sort of patient)")
    rng = np.random.default_rng((seed, len(strata), count))
    drafts = []
    for index, stratum in enumerate(strata):
        quota = count // len(strata) + (index < count % len(strata))
        images = _deal_images(rng, quota)
        drafts += zip([stratum] * len(images), images, _deal_sections(images), strict=True)
    numbers = rng.permutation(len(drafts))
    return [PlannedPatient(number, *drafts[draft]) for number, draft in enumerate(numbers, start=1)]


def _deal_images(rng: np.random.Generator, quota: int) -> list[int]:
    most = max(quota // 5, 1)
    images: list[int] = []
    while (left := quota - sum(images)) > 0:
        images.append(min(int(rng.choice((1, 2, 3), p=_IMAGES_PER_PATIENT)), most, left))
    return images


def _deal_sections(images: Sequence[int]) -> list[str]:
    """Give each patient to the section that is furthest below its share, one patient to each section first."""
    held = dict.fromkeys(SECTIONS, 0)
    chosen = []
    for patient, size in enumerate(images):
        missing = {
            section: share * sum(images) - held[section] for section, share in zip(SECTIONS, FRACTIONS, strict=True)
        }
        section = SECTIONS[patient] if patient < len(SECTIONS) else max(missing, key=missing.__getitem__)
        held[section] += size
        chosen.append(section)
    return chosen


@dataclass(frozen=True)
class _Writer:
    task: PhantomTask
    folder: Path
    formats: tuple[str, ...]
    png_bits: int

    def write(self, request: Request, stratum: str) -> Case:
        picture = self.task.draw(request, stratum)
        inverted = bool(request.storing().random() < _INVERTED_SHARE)
        identity = Identity(request.patient, request.image, request.seed, self.task.name, inverted)
        references = {"png": f"images/{identity.case}.png", "dicom": f"dicom/{identity.case}.dcm"}
        if "png" in self.formats:
            write_png(self.folder / references["png"], picture.grey, self.png_bits)
        if "dicom" in self.formats:
            write_dicom(self.folder / references["dicom"], picture, identity)
        return Case(
            image=references[self.formats[0]],
            label=self.task.label(stratum, picture),
            patient=identity.patient_id,
            id=identity.case,
            facts={**picture.facts, **self._write_masks(identity, picture), "source": "phantom"},
        )

    def _write_masks(self, identity: Identity, picture: Picture) -> dict[str, str | dict[str, str]]:
        if not picture.masks:
            return {}
        facts: dict[str, str | dict[str, str]] = {"mask": f"masks/{identity.case}.png"}
        write_mask(self.folder / f"masks/{identity.case}.png", picture.mask)
        if self.task.kind == "multilabel":
            facts["masks"] = {name: f"masks/{identity.case}.{name}.png" for name in picture.masks}
            for name, mask in picture.masks.items():
                write_mask(self.folder / f"masks/{identity.case}.{name}.png", mask)
        return facts
