"""From images that came to jobs: a study that has been quiet is complete, and its images are routed."""

from __future__ import annotations

from collections.abc import Callable

from lungscan_monai.node.audit import EXECUTE, SUCCESS, Audit
from lungscan_monai.node.ledger import NodeLedger
from lungscan_monai.node.loops import Loop
from lungscan_monai.node.routing import facts_of, route
from lungscan_monai.node.settings import NodeSettings
from lungscan_monai.node.store import NodeStore


class Completing(Loop):
    """Finds complete studies and makes their jobs.

    Args:
        settings: Rules and quiet time.
        store: Where images lie.
        ledger: Knows what came when.
        audit: Is told what was complete.
        wake: Called when there are new jobs.
    """

    def __init__(
        self, settings: NodeSettings, store: NodeStore, ledger: NodeLedger, audit: Audit, wake: Callable[[], None]
    ) -> None:
        super().__init__("completing", min(1.0, settings.quiet_seconds / 4))
        self._settings, self._store, self._ledger, self._audit, self._wake = settings, store, ledger, audit, wake

    def step(self) -> bool:
        """Take the complete studies, if there are any."""
        studies = self._ledger.quiet_studies(self._settings.quiet_seconds)
        for study in studies:
            if self.is_stopping:
                break
            self._complete(study)
        return bool(studies)

    def _complete(self, study: str) -> None:
        routes = {}
        for sha256 in self._ledger.unrouted(study):
            found = route(self._settings.rules, facts_of(self._store.path_of(sha256)))
            routes[sha256] = (found.bundles, found.reason)
        jobs = self._ledger.begin_jobs(study, routes)
        self._audit.write("study complete", EXECUTE, SUCCESS, "node", study=study, images=len(routes), jobs=len(jobs))
        if jobs:
            self._wake()
