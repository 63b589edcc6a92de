"""A folder of files through a model: found, admitted, decoded, answered, recorded; nothing lost and nothing twice.

Files are read in some threads while the model answers full batches; what is in memory at a time is bounded by the
settings. Batches are made in the order of the names and recorded as a whole, so a run that was killed makes, when it
goes on, the very batches that it would have made, and ends with the same bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lungscan_monai.data.files import IMAGE_SUFFIXES, files_below, is_hidden
from lungscan_monai.data.references import without_fragment
from lungscan_monai.errors import DataError
from lungscan_monai.gate.admitting import admit
from lungscan_monai.gate.codes import SKIPPED as SKIPPED_CODES
from lungscan_monai.inference.ahead import in_order
from lungscan_monai.inference.case_model import Answers, CaseModel
from lungscan_monai.inference.content_hash import blake3_file
from lungscan_monai.inference.image_facts import ImageFacts, facts_of
from lungscan_monai.inference.ledger import DONE, REJECTED, SKIPPED, Ledger, Outcome
from lungscan_monai.inference.opening import ReadFile
from lungscan_monai.inference.pseudonyms import Pseudonyms
from lungscan_monai.inference.refusals import NOT_READ, refusal_of
from lungscan_monai.storage import replacing

HEATMAPS = "heatmaps"
"""Name of the folder of heatmaps."""

_OUTCOMES_AT_ONCE = 1000
_FOUND_AT_ONCE = 1000

Show = Callable[[int, int], None]
"""Is told how many files are through, of how many."""


@dataclass(frozen=True)
class FoundFile:
    """A file of the folder.

    Args:
        path: Where it lies.
        name: What it is called in all that is written.
        hidden: Whether it, or a folder it lies in, is hidden.
    """

    path: Path
    name: str
    hidden: bool


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


class FolderRun:
    """One pass over a folder.

    Args:
        model: Answers.
        read: Reads files.
        folder: The folder.
        output: Where heatmaps go; what lies in it is not looked at.
        ledger: Remembers; the run is begun.
        workers: Files that are read at a time.
        pseudonyms: Take the place of names; None leaves names as they are.
    """

    def __init__(
        self,
        model: CaseModel,
        read: ReadFile,
        folder: Path,
        output: Path,
        ledger: Ledger,
        workers: int,
        pseudonyms: Pseudonyms | None = None,
    ) -> None:
        self._model, self._read, self._folder, self._output, self._ledger = model, read, folder, output, ledger
        self._workers, self._pseudonyms = workers, pseudonyms
        self._outcomes: list[Outcome] = []
        self._known: dict[str, dict[str, Any]] = {}
        self._waiting: dict[str, Examined] = {}

    def run(self, show: Show) -> None:
        """Bring every file that is not through yet to its end, and record it.

        Raises:
            OutputError: If something cannot be written; what was recorded before stays.
        """
        self._note_found()
        counts = self._ledger.counts()
        total = sum(counts.values())
        done = total - counts["found"]
        ahead = 2 * self._model.batch_size + self._workers
        pool = ThreadPoolExecutor(self._workers, "reading")
        try:
            for examined in in_order(pool, self._examined, self._still_waiting(), ahead):
                self._take(examined)
                done += 1
                if len(self._waiting) == self._model.batch_size or len(self._outcomes) == _OUTCOMES_AT_ONCE:
                    self._commit()
                    show(done, total)
        finally:
            pool.shutdown(cancel_futures=True)
        self._commit()
        self._ledger.reject_waiting("missing-file", "the file was there when the run began, and is gone")
        self._ledger.flush()
        show(total, total)

    def _files(self) -> Iterator[FoundFile]:
        output = self._output.resolve()
        for file in files_below(self._folder):
            path = self._folder / file
            if not path.absolute().is_relative_to(output) and not path.resolve().is_relative_to(output):
                name = printable(str(file))
                shown = name if self._pseudonyms is None else self._pseudonyms.text("file", name)
                yield FoundFile(path, shown, is_hidden(file))

    def _note_found(self) -> None:
        block: list[tuple[str, str]] = []
        for file in self._files():
            block.append((file.name, _stamp(file.path)))
            if len(block) == _FOUND_AT_ONCE:
                self._ledger.add_found(block)
                block = []
        self._ledger.add_found(block)

    def _still_waiting(self) -> Iterator[FoundFile]:
        return (file for file in self._files() if self._ledger.is_waiting(file.name))

    def _examined(self, file: FoundFile) -> Examined:
        """Look at one file, and read it if the model can say something about it; any number of threads do this."""
        if file.hidden:
            return Examined(Outcome(file.name, SKIPPED, None, "hidden", "is hidden, or lies in a hidden folder"))
        if without_fragment(str(file.path)) != str(file.path):
            reason = "its name ends like a reference to a part of a file; rename it"
            return Examined(Outcome(file.name, REJECTED, None, "file-name", reason))
        blake3 = None
        try:
            admitted = admit(file.path)
            blake3 = blake3_file(file.path)
            facts = facts_of(file.path, admitted)
            unfit = facts.why_not_assessable(self._model.task)
            image = None if unfit else self._read(file.path)
        except NOT_READ as error:
            return Examined(_not_read(file, blake3, error))
        entry = {"code": unfit[0], "reason": unfit[1]} if unfit else None
        shape = (admitted.rows, admitted.columns)
        return Examined(Outcome(file.name, DONE, blake3), facts.under(self._pseudonyms), image, shape, entry)

    def _take(self, examined: Examined) -> None:
        outcome = examined.outcome
        self._outcomes.append(outcome)
        if outcome.state != DONE or self._is_known(outcome.blake3):
            return
        if examined.entry is None:
            self._waiting[outcome.blake3] = examined
        else:
            self._known[outcome.blake3] = _complete(examined.entry, examined.facts)

    def _is_known(self, blake3: str) -> bool:
        return blake3 in self._waiting or blake3 in self._known or self._ledger.has_answer(blake3)

    def _commit(self) -> None:
        if self._waiting:
            self._known |= self._answered()
        self._ledger.commit(self._outcomes, self._known)
        self._outcomes, self._known, self._waiting = [], {}, {}

    def _answered(self) -> dict[str, dict[str, Any]]:
        images = np.stack([examined.image for examined in self._waiting.values()])
        answers = self._model.answer(images)
        heatmaps = self._heatmaps(images, answers)
        return {
            blake3: _complete(self._model.entry(answers, index), examined.facts, heatmaps.get(blake3))
            for index, (blake3, examined) in enumerate(self._waiting.items())
        }

    def _heatmaps(self, images: np.ndarray, answers: Answers) -> dict[str, str]:
        """Write the heatmaps of the cases that could be assessed; return their paths by content."""
        pictures = self._model.heatmaps(images, answers, [examined.shape for examined in self._waiting.values()])
        written = {}
        for blake3, picture, unfamiliar in zip(
            self._waiting, pictures or (), answers.unfamiliar, strict=bool(pictures)
        ):
            if unfamiliar is None:
                written[blake3] = f"{HEATMAPS}/{blake3[:2]}/{blake3}.png"
                with replacing(self._output / written[blake3]) as part:
                    part.write_bytes(picture)
        return written


def printable(name: str) -> str:
    """Return a file's name as text that can be stored; bytes that are no UTF-8 are written as they are escaped."""
    return name.encode("utf-8", "backslashreplace").decode("utf-8")


def _stamp(path: Path) -> str:
    """Return what changes when a file does; empty if it cannot be looked at."""
    try:
        found = path.stat()
    except OSError:
        return ""
    return f"{found.st_size} {found.st_mtime_ns}"


def _not_read(file: FoundFile, blake3: str | None, error: DataError | OSError | RuntimeError) -> Outcome:
    code, reason = refusal_of(error)
    if code == "unknown-format" and _is_named_otherwise(file.path):
        return Outcome(file.name, SKIPPED, blake3, "other-file", "is no image, and is not named like one")
    return Outcome(file.name, SKIPPED if code in SKIPPED_CODES else REJECTED, blake3, code, reason)


def _is_named_otherwise(path: Path) -> bool:
    """Tell whether a suffix says that a file is no image; without one, or with a number for it, it could be DICOM."""
    suffix = path.suffix[1:]
    return bool(suffix) and not suffix.isdecimal() and not path.name.lower().endswith(IMAGE_SUFFIXES)


def _complete(entry: dict[str, Any], facts: ImageFacts, heatmap: str | None = None) -> dict[str, Any]:
    return {**entry, **facts.entry(), "heatmap": heatmap}
