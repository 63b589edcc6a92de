"""Storage commitment: the peers' answers, which come when they like, and often by a connection of their own."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass

from pydicom.dataset import Dataset
from pynetdicom import evt


@dataclass(frozen=True)
class Commitment:
    """What a peer answered to a request for storage commitment.

    Args:
        committed: SOP Instance UIDs that it answers for.
        failed: Those that it does not, with the FailureReason of PS3.4 J.3.3.1.
    """

    committed: frozenset[str]
    failed: Mapping[str, int]


class CommitmentMailbox:
    """Hands answers over from the threads that receive them to those that wait for them."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._expected: set[str] = set()
        self._answers: dict[str, Commitment] = {}

    def receive(self, event: evt.Event) -> tuple[int, None]:
        """Take an N-EVENT-REPORT: the handler of `evt.EVT_N_EVENT_REPORT` of whatever the peer answers to.

        An answer that nobody waits for any more is acknowledged all the same, and dropped: it was asked for again.
        """
        report: Dataset = event.event_information
        transaction = str(report.get("TransactionUID", ""))
        answer = Commitment(
            frozenset(str(item.ReferencedSOPInstanceUID) for item in report.get("ReferencedSOPSequence", [])),
            {
                str(item.ReferencedSOPInstanceUID): int(item.get("FailureReason", 0))
                for item in report.get("FailedSOPSequence", [])
            },
        )
        with self._changed:
            if transaction in self._expected:
                self._answers[transaction] = answer
                self._changed.notify_all()
        return 0x0000, None

    def expect(self, transaction: str) -> None:
        """Open the mailbox for an answer, before it is asked for."""
        with self._changed:
            self._expected.add(transaction)

    def wait(self, transaction: str, seconds: float) -> Commitment | None:
        """Return the answer, None if it did not come in time; the mailbox is closed for it afterwards."""
        with self._changed:
            self._changed.wait_for(lambda: transaction in self._answers, seconds)
            self._expected.discard(transaction)
            return self._answers.pop(transaction, None)
