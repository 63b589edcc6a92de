"""From jobs to results: the analysis process is given what waits, and what comes of it is recorded."""

from __future__ import annotations

import random
import time
from collections.abc import Callable

from lungscan_monai.node.analysing import AnalysisProcess, Assignment, Outcome
from lungscan_monai.node.audit import EXECUTE, SERIOUS, SUCCESS, Audit
from lungscan_monai.node.backoff import pause
from lungscan_monai.node.ledger import WAITING, Job, NodeLedger
from lungscan_monai.node.loops import Loop
from lungscan_monai.node.settings import NodeSettings
from lungscan_monai.node.store import NodeStore

Observe = Callable[[float], None]
"""Is told the seconds that each job took, from when it was given away."""


class Working(Loop):
    """Gives jobs to one analysis process; there may be several loops, each with a process of its own.

    Args:
        settings: How often a job is tried.
        store: Where images and results lie.
        ledger: Knows what waits.
        audit: Is told what was analysed.
        process: Does the work.
        observe: Is told how long it took.
        wake: Called when there are results to send.
    """

    def __init__(
        self,
        settings: NodeSettings,
        store: NodeStore,
        ledger: NodeLedger,
        audit: Audit,
        process: AnalysisProcess,
        observe: Observe,
        wake: Callable[[], None],
    ) -> None:
        super().__init__("working", 0.2)
        self._settings, self._store, self._ledger, self._audit = settings, store, ledger, audit
        self._process, self._observe, self._wake = process, observe, wake
        self._chance = random.Random()
        self._claimed: dict[int, Job] = {}  # after a step that failed: what of it was not recorded

    def interrupt(self) -> None:
        """Kill the analysis process: its job waits for the next start."""
        self._process.end()

    def step(self) -> bool:
        """Work on the next jobs, if there are any."""
        if self._claimed:
            self._ledger.release(self._claimed)
        self._claimed = {job.id: job for job in self._ledger.claim_waiting(self._settings.analysis.batch_size)}
        found = bool(self._claimed)
        if found:
            self._work(self._claimed)
        self._claimed = {}
        return found

    def _work(self, jobs: dict[int, Job]) -> None:
        assignments = [
            Assignment(job.id, tuple(map(self._store.path_of, job.instances)), self._store.results_of(job))
            for job in jobs.values()
        ]
        bundle, started = next(iter(jobs.values())).bundle, time.monotonic()
        for outcome in self._process.run(bundle, assignments):
            if self.is_stopping and outcome.error:
                return  # it was ended, not to blame; the job is claimed and comes back at the next start
            self._record(jobs[outcome.job], outcome)
            self._observe(time.monotonic() - started)

    def _record(self, job: Job, outcome: Outcome) -> None:
        if outcome.error is None:
            self._ledger.analysed(job.id, outcome.results, {path.stem: why for path, why in outcome.unanswered})
            code = f"{len(outcome.results)} results"
            self._wake()
        elif job.attempts >= self._most_attempts(outcome):
            self._ledger.fail(job.id, f"analysis: {outcome.error}")
            code = "failed"
        else:
            seconds = pause(self._settings.retries, job.attempts, self._chance)
            self._ledger.put_off(job.id, WAITING, f"analysis: {outcome.error}", seconds)
            code = "put off"
        result = SERIOUS if outcome.error or outcome.unanswered else SUCCESS
        self._audit.write("study analysed", EXECUTE, result, "node", code=code, study=job.study, bundle=job.bundle)

    def _most_attempts(self, outcome: Outcome) -> int:
        """A disk without room may have some again in hours, as an archive may be there again."""
        settings = self._settings
        return settings.retries.attempts if outcome.is_of_the_disk else settings.analysis.attempts
