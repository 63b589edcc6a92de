"""A file before the model sees it: through the gate, hashed, its header looked at, brought to the network's size."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from lungscan_monai.data.files import IMAGE_SUFFIXES, is_hidden
from lungscan_monai.data.references import without_fragment
from lungscan_monai.errors import DataError, NetworkError
from lungscan_monai.gate.admitting import admit
from lungscan_monai.gate.codes import SKIPPED as SKIPPED_CODES
from lungscan_monai.hashing import blake3_file
from lungscan_monai.inference.folders import Folder
from lungscan_monai.inference.image_facts import ImageFacts, facts_of
from lungscan_monai.inference.ledger import DONE, REJECTED, SKIPPED, Outcome
from lungscan_monai.inference.opening import ReadFile
from lungscan_monai.inference.refusals import NOT_READ, refusal_of
from lungscan_monai.task import TaskSpec


@dataclass(frozen=True)
class FoundFile:
    """A file of the folder.

    Args:
        file: Where it lies, relative to the folder.
        name: What it is called in all that is written.
    """

    file: PurePosixPath
    name: str


@dataclass(frozen=True, eq=False)
class Examined:
    """What was found out about one file before the model sees it.

    Args:
        outcome: What becomes of it.
        facts: Where the image belongs; None unless its outcome is ``"done"``.
        image: As the network takes it, ``(C, H, W)``; None if there is nothing to assess.
        shape: Rows and columns of the file's picture.
        entry: The answer, if it is known without the model.
    """

    outcome: Outcome
    facts: ImageFacts | None = None
    image: np.ndarray | None = None
    shape: tuple[int, int] = (0, 0)
    entry: dict[str, Any] | None = None


class Examiner:
    """Looks at the files of a folder, and reads those that the model can say something about.

    Args:
        folder: The folder.
        task: What the model was made for.
        read: Reads files.
    """

    def __init__(self, folder: Folder, task: TaskSpec, read: ReadFile) -> None:
        self._folder, self._task, self._read = folder, task, read

    def __call__(self, found: FoundFile) -> Examined:
        """Look at one file; any number of threads may.

        Raises:
            NetworkError: If the whole folder cannot be reached any more.
        """
        if is_hidden(found.file):
            return Examined(Outcome(found.name, SKIPPED, None, "hidden", "is hidden, or lies in a hidden folder"))
        if without_fragment(str(found.file)) != str(found.file):
            reason = "its name ends like a reference to a part of a file; rename it"
            return Examined(Outcome(found.name, REJECTED, None, "file-name", reason))
        try:
            with self._folder.here(found.file) as path:
                return self._read_here(found, path)
        except NetworkError:
            raise
        except NOT_READ as error:
            return Examined(_not_read(found, None, error))

    def _read_here(self, found: FoundFile, path: Path) -> Examined:
        admitted = admit(path)
        facts = facts_of(path, admitted)
        if unfit := facts.why_not_assessable(self._task):
            entry = {"code": unfit[0], "reason": unfit[1]}
            return Examined(Outcome(found.name, DONE, blake3_file(path)), facts, entry=entry)
        try:
            read = self._read(path)
        except NOT_READ as error:
            return Examined(_not_read(found, blake3_file(path), error))
        return Examined(Outcome(found.name, DONE, read.blake3), facts, read.image, (admitted.rows, admitted.columns))


def _not_read(found: FoundFile, blake3: str | None, error: DataError | OSError | RuntimeError) -> Outcome:
    code, reason = refusal_of(error)
    if code == "unknown-format" and _is_named_otherwise(found.file):
        return Outcome(found.name, SKIPPED, blake3, "other-file", "is no image, and is not named like one")
    return Outcome(found.name, SKIPPED if code in SKIPPED_CODES else REJECTED, blake3, code, reason)


def _is_named_otherwise(file: PurePosixPath) -> bool:
    """Tell whether a suffix says that a file is no image; without one, or with a number for it, it could be DICOM."""
    suffix = file.suffix[1:]
    return bool(suffix) and not suffix.isdecimal() and not file.name.lower().endswith(IMAGE_SUFFIXES)
