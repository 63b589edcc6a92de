"""The other door: an archive is asked for new studies, and what it gives is taken in as what is sent."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

from lungscan_monai.errors import OutputError
from lungscan_monai.node.delivery.polling import FetchedStudy, Poller, Polling
from lungscan_monai.node.intake import NOT_UNDERSTOOD, SAVED, Intake
from lungscan_monai.node.loops import Loop
from lungscan_monai.node.store import INCOMING, NodeStore

STATE_NAME = "fetched.sqlite"


class Fetching(Loop):
    """Asks an archive for new studies.

    Args:
        polling: Which, and how often.
        store: Where files lie meanwhile, and where it is remembered what was fetched.
        intake: Takes the objects.

    Raises:
        OutputError: If it cannot be remembered what was fetched.
    """

    def __init__(self, polling: Polling, store: NodeStore, intake: Intake) -> None:
        super().__init__("fetching", polling.every_seconds)
        self._store, self._intake = store, intake
        self._poller = Poller(polling, store.folder / STATE_NAME)
        self._host = urlsplit(polling.url).hostname

    def step(self) -> bool:
        """Look once; the next look comes after the pause, whatever was found."""
        folder = Path(tempfile.mkdtemp(dir=self._store.folder / INCOMING))
        try:
            for study in self._poller.fetch(folder):
                self._take(study)
                if self.is_stopping:
                    break
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        return False

    def _take(self, study: FetchedStudy) -> None:
        """Take the files of a study in; what is not wanted now or ever is not asked for again."""
        for path in study.files.values():
            answer = self._intake.take([path.read_bytes()], "polling", self._host)
            path.unlink()
            if answer.status not in (SAVED, NOT_UNDERSTOOD):
                raise OutputError(f"{self._store.folder}: {answer.comment}; what was fetched is fetched again")
        self._poller.acknowledge(study)
