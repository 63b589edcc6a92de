"""This machine: files are read in some threads, each of which waits for a process, while the network answers."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor

from lungscan_monai.inference.ahead import in_order
from lungscan_monai.inference.case_model import CaseModel
from lungscan_monai.inference.composing import AnsweredBatch, Batch, answered, batches_of
from lungscan_monai.inference.examining import Examiner, FoundFile
from lungscan_monai.inference.folders import Folder
from lungscan_monai.inference.opening import reading


def read_batches(files: Iterator[FoundFile], examine: Examiner, batch_size: int, workers: int) -> Iterator[Batch]:
    """Give the batches of files, two batches and one file for each worker ahead.

    One more thread than workers: it hashes a file while they decode others.
    """
    pool = ThreadPoolExecutor(workers + 1, "reading")
    try:
        yield from batches_of(in_order(pool, examine, files, 2 * batch_size + workers), batch_size)
    finally:
        pool.shutdown(cancel_futures=True)


class LocalEngine:
    """Bring files through a model on this machine.

    Args:
        bundle_root: The bundle.
        folder: Where the files lie.
        model: Its model.
        workers: Files that are read at a time.
        exact: Whether large JPEG 2000 frames are decoded in full, too.
    """

    def __init__(
        self, bundle_root: str | os.PathLike, folder: Folder, model: CaseModel, workers: int, exact: bool
    ) -> None:
        self._bundle_root, self._folder, self._model = bundle_root, folder, model
        self._workers, self._exact = workers, exact

    def __call__(self, files: Iterator[FoundFile]) -> Generator[AnsweredBatch, None, None]:
        """Give what came of the files, in order."""
        with reading(self._bundle_root, self._model, self._workers, self._exact) as read:
            examine = Examiner(self._folder, self._model.task, read)
            for batch in read_batches(files, examine, self._model.batch_size, self._workers):
                yield answered(self._model, batch)
