"""Files that are not needed any more are deleted."""

from __future__ import annotations

from lungscan_monai.node.ledger import NodeLedger
from lungscan_monai.node.loops import Loop
from lungscan_monai.node.settings import Keeping
from lungscan_monai.node.store import NodeStore

_AT_ONCE = 200


class Tidying(Loop):
    """Deletes images of studies that are through, and results that are confirmed, after some days.

    Args:
        keep: How many days.
        store: Where the files are.
        ledger: Knows which.
    """

    def __init__(self, keep: Keeping, store: NodeStore, ledger: NodeLedger) -> None:
        super().__init__("tidying", 60.0)
        self._keep, self._store, self._ledger = keep, store, ledger

    def step(self) -> bool:
        """Delete some files, if there are any; tell whether there may be more."""
        images, jobs = [], []
        if self._keep.received_days is not None:
            images = self._ledger.outdated_contents(self._keep.received_days, _AT_ONCE)
        if self._keep.results_days is not None:
            jobs = self._ledger.outdated_results(self._keep.results_days, _AT_ONCE)
        for sha256 in images:
            self._store.delete_received(sha256, self._ledger)
        for job in jobs:
            self._store.delete_results(job, self._ledger)
        return _AT_ONCE in (len(images), len(jobs))
