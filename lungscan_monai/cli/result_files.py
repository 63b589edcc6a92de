"""What `lungscan predict --dicom-out` writes: the DICOM objects, and FHIR reports, of each answer."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lungscan_monai.errors import ConfigError, DataError, ReadError
from lungscan_monai.gate.limits import Limits
from lungscan_monai.optional import require
from lungscan_monai.storage import require_writable, write_json

if TYPE_CHECKING:
    from lungscan_monai.inference.case_model import CaseModel
    from lungscan_monai.inference.studies import Analysed

_MOST_WORKERS = 4


@dataclass(frozen=True)
class ResultFiles:
    """Where results go, and which.

    Args:
        folder: Gets one file for each object.
        fhir: Whether a FHIR report is written for each answer, too.
    """

    folder: Path
    fhir: bool


def result_files(folder: Path | None, fhir: bool) -> ResultFiles | None:
    """Return where results go; None if none are wanted.

    Raises:
        ConfigError: If FHIR is asked for without a folder.
        MissingDependencyError: If highdicom is not installed.
        OutputError: If the folder cannot be written.
    """
    if folder is None:
        if fhir:
            raise ConfigError("--fhir writes beside the DICOM objects; give --dicom-out DIR, too")
        return None
    require("results", "--dicom-out", "highdicom")
    require_writable(folder)
    return ResultFiles(folder, fhir)


def require_dicom(paths: list[Path]) -> None:
    """Check that there is no picture without patient and study among the files.

    Raises:
        DataError: If there is one.
    """
    strangers = [path for path in paths if _is_no_dicom(path)]
    if strangers:
        more = f" and {len(strangers) - 1} more" if len(strangers) > 1 else ""
        raise DataError(
            f"{strangers[0]}{more}: no DICOM; the results of --dicom-out belong to a patient and a study, which such a "
            "file does not name. Give DICOM files, or leave --dicom-out out"
        )


def analysed(
    root: Path, paths: list[Path], check_inputs: bool, backend: str, precision: str, limits: Limits
) -> tuple[CaseModel, list[Analysed]]:
    """Load the model and answer for each radiograph and each series."""
    from lungscan_monai.doctor import require_matching_torchvision

    require_matching_torchvision()
    from lungscan_monai.inference.opening import open_model, reading
    from lungscan_monai.inference.studies import analyse

    model = open_model(root, backend, precision, 16, check_inputs, explains=True)
    model.limits = limits
    with reading(root, model, min(len(paths), os.cpu_count() or 1, _MOST_WORKERS)) as read:
        return model, analyse(model, read, paths)


def write_result_files(model: CaseModel, found: list[Analysed], wanted: ResultFiles) -> tuple[list[str], list[dict]]:
    """Write the objects of each answer.

    Returns:
        The files, and the answers that none could be made for, as rejects.

    Raises:
        OutputError: If one cannot be written.
    """
    from lungscan_monai.inference.answering import Reject
    from lungscan_monai.inference.studies import identity_of
    from lungscan_monai.results.fhir import diagnostic_report
    from lungscan_monai.results.making import make_results, write_results

    identity, written, without = identity_of(model), [], []
    for one in found:
        try:
            made = make_results(one, identity)
            report = diagnostic_report(one, identity) if wanted.fhir else None
        except DataError as error:
            if not isinstance(one.answer, Reject):
                without.append(_reject(one, error))
            continue
        written += map(str, write_results(made, wanted.folder))
        if report is not None:
            written.append(str(wanted.folder / f"{made[0].SOPInstanceUID}.json"))
            write_json(Path(written[-1]), report)
    return written, without


def _reject(one: Analysed, error: DataError) -> dict[str, Any]:
    return {"case": one.answer.case, "code": "no-results", "reason": f"answered, but no results were made: {error}"}


def _is_no_dicom(path: Path) -> bool:
    from lungscan_monai.gate.admitting import DICOM, kind_of

    try:
        return path.is_file() and kind_of(path) != DICOM
    except ReadError:
        return False  # it is turned away with its reason later
