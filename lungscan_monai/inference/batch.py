"""One pass over a folder: files found, brought through a model by an engine, recorded; nothing lost and nothing twice.

Portions of files are recorded in the order of the names and each as a whole, so a run that was killed makes, when it
goes on, the very portions that it would have made, and ends with the same bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any

from lungscan_monai.inference.composing import AnsweredBatch, AnsweredCase
from lungscan_monai.inference.examining import FoundFile
from lungscan_monai.inference.folders import Folder
from lungscan_monai.inference.ledger import FOUND, Ledger, Outcome
from lungscan_monai.inference.pseudonyms import Pseudonyms
from lungscan_monai.storage import replacing

HEATMAPS = "heatmaps"
"""Name of the folder of heatmaps."""

_FOUND_AT_ONCE = 1000

Show = Callable[[int, int], None]
"""Is told how many files are through, of how many."""

Engine = Callable[[Iterator[FoundFile]], Generator[AnsweredBatch, None, None]]
"""Brings files through a model. Batches come as :func:`~lungscan_monai.inference.composing.batches_of` makes them, in
order, whoever works on them."""


class FolderRun:
    """One pass over a folder.

    Args:
        folder: The folder.
        output: Where heatmaps go.
        ledger: Remembers; the run is begun.
        pseudonyms: Take the place of names; None leaves names as they are.
        limit: How many files are looked at, the first by their names; None for all.
    """

    def __init__(
        self,
        folder: Folder,
        output: Path,
        ledger: Ledger,
        pseudonyms: Pseudonyms | None = None,
        limit: int | None = None,
    ) -> None:
        self._folder, self._output, self._ledger, self._pseudonyms = folder, output, ledger, pseudonyms
        self._limit = limit
        self._outcomes: list[Outcome] = []
        self._answers: dict[str, dict[str, Any]] = {}

    def run(self, engine: Engine, show: Show) -> None:
        """Bring every file that is not through yet to its end, and record it.

        Raises:
            OutputError: If something cannot be written; what was recorded before stays.
            NetworkError: If the folder lies in a store that cannot be reached any more; the same.
        """
        self._note_found()
        counts = self._ledger.counts()
        total = sum(counts.values())
        done = total - counts[FOUND]
        with closing(engine(self._still_waiting())) as batches:
            for batch in batches:
                self._take(batch)
                done += len(batch.outcomes)
                if batch.ends_portion:
                    self._commit()
                show(done, total)
        self._ledger.reject_waiting("missing-file", "the file was there when the run began, and is gone")
        self._ledger.flush()
        show(total, total)

    def _note_found(self) -> None:
        block: list[tuple[str, str]] = []
        for file, stamp in islice(self._folder.stamps(), self._limit):
            block.append((self._name(str(file)), stamp))
            if len(block) == _FOUND_AT_ONCE:
                self._ledger.add_found(block)
                block = []
        self._ledger.add_found(block)

    def _still_waiting(self) -> Iterator[FoundFile]:
        found = (FoundFile(file, self._name(str(file))) for file in self._folder.files())
        return (file for file in found if self._ledger.is_waiting(file.name))

    def _name(self, file: str) -> str:
        name = printable(file)
        return name if self._pseudonyms is None else self._pseudonyms.text("file", name)

    def _take(self, batch: AnsweredBatch) -> None:
        """Keep what came of a batch; of a content that has an answer, the first one stands."""
        self._outcomes += batch.outcomes
        for content, case in batch.cases.items():
            if not self._ledger.has_answer(content):
                heatmap = self._written(content, case)
                facts = case.facts.under(self._pseudonyms)
                self._answers[content] = {**case.entry, **facts.entry(), "heatmap": heatmap}

    def _written(self, content: str, case: AnsweredCase) -> str | None:
        """Write the heatmap, if there is one; return its path."""
        if case.heatmap is None:
            return None
        name = f"{HEATMAPS}/{content[:2]}/{content}.jpg"
        with replacing(self._output / name) as part:
            part.write_bytes(case.heatmap)
        return name

    def _commit(self) -> None:
        self._ledger.commit(self._outcomes, self._answers)
        self._outcomes, self._answers = [], {}


def printable(name: str) -> str:
    """Return a file's name as text that can be stored; bytes that are no UTF-8 are written as they are escaped."""
    return name.encode("utf-8", "backslashreplace").decode("utf-8")
