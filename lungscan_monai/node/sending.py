"""From results to the destination: sent, confirmed, and only then done; what fails is sent again, up to a bound."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from pathlib import Path

from lungscan_monai.errors import NetworkError, ReadError
from lungscan_monai.node.audit import READ, SERIOUS, SUCCESS, Audit
from lungscan_monai.node.backoff import pause
from lungscan_monai.node.delivery.peer import Peer
from lungscan_monai.node.ledger import SENDING, WAITING, Job, NodeLedger, Result
from lungscan_monai.node.loops import Loop
from lungscan_monai.node.settings import Retries
from lungscan_monai.node.store import RESULTS, NodeStore

JOBS_AT_ONCE = 16
"""Jobs whose results share an association."""

Observe = Callable[[str], None]
"""Is told what became of each job: ``done``, ``put off`` or ``failed``."""


class Sending(Loop):
    """Sends results and confirms that they arrived.

    Args:
        retries: How often and when to try again.
        store: Where results lie.
        ledger: Knows what is to be sent.
        audit: Is told what was sent.
        peer: Where to.
        observe: Is told what became of each job.
    """

    def __init__(
        self, retries: Retries, store: NodeStore, ledger: NodeLedger, audit: Audit, peer: Peer, observe: Observe
    ) -> None:
        super().__init__("sending", 0.2)
        self._retries, self._store, self._ledger, self._audit = retries, store, ledger, audit
        self._peer, self._observe = peer, observe
        self._chance = random.Random()

    def step(self) -> bool:
        """Send the results of the next jobs, if there are any."""
        jobs = self._ledger.due_to_send(JOBS_AT_ONCE)
        if not jobs:
            return False
        results = {job.id: self._ledger.results(job.id) for job in jobs}
        try:
            missing = self._send(jobs, [one for job in jobs for one in results[job.id]])
        except NetworkError as error:
            for job in jobs:
                self._not_sent(job, error, is_to_blame=len(jobs) == 1)
            return True
        except ReadError as error:
            for job in jobs:
                self._not_readable(job, error, is_to_blame=len(jobs) == 1)
            return True
        for job in jobs:
            self._sent(job, results[job.id], missing)
        return True

    def _send(self, jobs: Sequence[Job], results: Sequence[Result]) -> set[str]:
        """Send what is not there yet; return the UIDs of what is not there afterwards."""
        if not results:
            return set()
        paths = {one.sop: self._path(one) for one in results}
        wanted = set(paths)
        if any(job.attempts > 1 for job in jobs):  # an earlier attempt may have got through, all of it or a part
            wanted = self._peer.confirm(list(paths.values()))
        if wanted:
            self._peer.send([path for sop, path in paths.items() if sop in wanted])
        return self._peer.confirm(list(paths.values())) if wanted else set()

    def _path(self, result: Result) -> Path:
        return self._store.folder / RESULTS / result.file

    def _sent(self, job: Job, results: Sequence[Result], missing: set[str]) -> None:
        absent = [one.sop for one in results if one.sop in missing]
        if absent:
            reason = f"{self._peer.name}: {len(absent)} of {len(results)} results did not arrive"
            self._not_sent(job, NetworkError(reason, retryable=True), is_to_blame=True)
            return
        self._ledger.done(job.id)
        self._tell(job, SUCCESS, "done", len(results))

    def _not_sent(self, job: Job, error: NetworkError, is_to_blame: bool) -> None:
        """Put a job off, or aside; of several that failed together each is tried alone first."""
        if is_to_blame and (not error.retryable or job.attempts >= self._retries.attempts):
            self._ledger.fail(job.id, f"sending: {error}")
            self._tell(job, SERIOUS, "failed")
            return
        seconds = max(error.retry_after or 0.0, pause(self._retries, job.attempts, self._chance))
        self._ledger.put_off(job.id, SENDING, f"sending: {error}", seconds)
        self._tell(job, SERIOUS, "put off")

    def _not_readable(self, job: Job, error: ReadError, is_to_blame: bool) -> None:
        """A result that lies there damaged is made again."""
        state = WAITING if is_to_blame else SENDING
        self._ledger.put_off(job.id, state, f"sending: {error}", pause(self._retries, 1, self._chance))
        self._tell(job, SERIOUS, "put off")

    def _tell(self, job: Job, outcome: int, code: str, results: int = 0) -> None:
        self._observe(code)
        self._audit.write(
            "results sent",
            READ,
            outcome,
            self._peer.name,
            code=code,
            study=job.study,
            bundle=job.bundle,
            results=results,
        )
