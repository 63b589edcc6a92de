"""What is wrong with a split: patients or identical files in two sections, classes without a case."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from lungscan_monai.data.datalist import SECTIONS, Case, Datalist, patient_leaks
from lungscan_monai.data.references import without_fragment
from lungscan_monai.storage import sha256_file


@dataclass(frozen=True)
class Duplicates:
    """Images whose files are equal byte for byte.

    Args:
        images: Their references.
        sections: The sections that they are in.
        same_label: Whether all have the same label.
    """

    images: tuple[str, ...]
    sections: tuple[str, ...]
    same_label: bool


@dataclass(frozen=True)
class SectionCounts:
    """Numbers of one section.

    Args:
        cases: Cases.
        patients: Known patients.
        unknown_patient: Cases without a patient.
        labels: Cases of each class, or with each finding.
    """

    cases: int
    patients: int
    unknown_patient: int
    labels: Mapping[str, int]

    @property
    def empty_labels(self) -> tuple[str, ...]:
        """Names of the classes, or findings, without a case."""
        return tuple(name for name, count in self.labels.items() if not count)


@dataclass(frozen=True)
class AuditReport:
    """The result of :func:`audit`.

    Args:
        name: Name of the data set.
        sha256: Content hash of the datalist, None if it was not saved yet.
        counts: Numbers of each section.
        patient_leaks: One sentence for each patient in several sections.
        duplicates: Sets of identical images, in one section or across.
    """

    name: str
    sha256: str | None
    counts: Mapping[str, SectionCounts]
    patient_leaks: tuple[str, ...]
    duplicates: tuple[Duplicates, ...]

    @property
    def duplicates_across(self) -> tuple[Duplicates, ...]:
        """Sets of identical images that are in more than one section."""
        return tuple(found for found in self.duplicates if len(found.sections) > 1)

    def to_json(self) -> dict[str, Any]:
        """Return the report as JSON values."""
        return asdict(self)

    def findings(self) -> list[str]:
        """Return one sentence for each kind of trouble; none if the split is clean."""
        across, everywhere = len(self.duplicates_across), len(self.duplicates)
        contradictory = sum(not found.same_label for found in self.duplicates)
        unknown = sum(counts.unknown_patient for counts in self.counts.values())
        cases = sum(counts.cases for counts in self.counts.values())
        sentences = (
            (len(self.patient_leaks), "patient(s) in more than one section: results will look too good"),
            (across, "set(s) of identical images across sections: results will look too good"),
            (everywhere - across, "set(s) of identical images inside one section"),
            (contradictory, "set(s) of identical images with different labels"),
            (unknown, f"of {cases} cases without a patient: whether a patient is in two sections cannot be known"),
        )
        return [f"{number} {sentence}" for number, sentence in sentences if number] + [
            f"no case in {section} of: {', '.join(counts.empty_labels)}"
            for section, counts in self.counts.items()
            if counts.cases and counts.empty_labels
        ]


def audit(datalist: Datalist, dataset_dir: str | os.PathLike | None = None) -> AuditReport:
    """Look for leaks in a split and count its cases.

    Args:
        datalist: What to examine; all its images must be there.
        dataset_dir: Folder of the images, if they were moved since the import.

    Raises:
        DatalistError: If images are missing.
    """
    datalist.require_files(dataset_dir=dataset_dir)
    return AuditReport(
        name=datalist.name,
        sha256=datalist.sha256,
        counts={section: _counts(datalist.cases(section), datalist.labels) for section in SECTIONS},
        patient_leaks=tuple(patient_leaks(datalist.sections)),
        duplicates=_duplicates(datalist, dataset_dir),
    )


def _counts(cases: tuple[Case, ...], labels: tuple[str, ...]) -> SectionCounts:
    def has(case: Case, index: int) -> bool:
        return case.label == index if isinstance(case.label, int) else case.label[index] == 1

    return SectionCounts(
        cases=len(cases),
        patients=len({case.patient for case in cases} - {None}),
        unknown_patient=sum(case.patient is None for case in cases),
        labels={name: sum(has(case, index) for case in cases) for index, name in enumerate(labels)},
    )


def _duplicates(datalist: Datalist, dataset_dir: str | os.PathLike | None) -> tuple[Duplicates, ...]:
    """Compare sizes first, so that only files of equal size are read."""
    placed = [(section, case) for section in SECTIONS for case in datalist.cases(section)]
    files = {case.image: datalist.file_of(case.image, dataset_dir) for _, case in placed}
    by_size: dict[tuple[int, str], list[tuple[str, Case]]] = defaultdict(list)
    for section, case in placed:
        by_size[files[case.image].stat().st_size, _fragment(case)].append((section, case))
    by_content: dict[tuple[str, str], list[tuple[str, Case]]] = defaultdict(list)
    for (_, fragment), members in by_size.items():
        for section, case in members if len(members) > 1 else ():
            by_content[sha256_file(files[case.image]), fragment].append((section, case))
    return tuple(
        Duplicates(
            images=tuple(case.image for _, case in members),
            sections=tuple(dict.fromkeys(section for section, _ in members)),
            same_label=len({case.label for _, case in members}) == 1,
        )
        for members in by_content.values()
        if len(members) > 1
    )


def _fragment(case: Case) -> str:
    return case.image[len(without_fragment(case.image)) :]
