"""What a node has done and has to do, as its ledger says; the node itself may run or not."""

from __future__ import annotations

import datetime
from typing import Any

from lungscan_monai.node.ledger import RECEIVED, NodeLedger


def status_of(ledger: NodeLedger, study: str | None = None, state: str | None = None) -> dict[str, Any]:
    """Return what `lungscan node status` shows.

    Args:
        ledger: The node's.
        study: Only this study.
        state: Only what is in this state; `unrouted`, `unanswered` and `conflict` for images that go
            nowhere.

    Returns:
        Counts; one entry for each study that is still open, each job, and each image that goes nowhere.
    """
    entries = [*_open(ledger, study), *_jobs(ledger, study), *_left_out(ledger, study)]
    shown = [entry for entry in entries if state is None or entry["state"] == state]
    return {"counts": {**ledger.counts(), **ledger.instance_counts()}, "studies": shown}


def _open(ledger: NodeLedger, study: str | None) -> list[dict[str, Any]]:
    return [
        _entry(uid, RECEIVED, changed=_time(last), images=images)
        for uid, images, last in ledger.open_studies()
        if study in (None, uid)
    ]


def _jobs(ledger: NodeLedger, study: str | None) -> list[dict[str, Any]]:
    entries = []
    for uid, bundle, state, attempts, due, reason, changed, images, results in ledger.jobs(study):
        entries.append(
            _entry(
                uid,
                state,
                reason,
                bundle=bundle,
                images=images,
                results=results,
                attempts=attempts,
                changed=_time(changed),
                next_attempt=_time(due) if reason and state in ("waiting", "sending") else None,
            )
        )
    return entries


def _left_out(ledger: NodeLedger, study: str | None) -> list[dict[str, Any]]:
    return [
        _entry(uid, kind, reason, images=1, instance=instance) for uid, instance, kind, reason in ledger.left_out(study)
    ]


def _entry(study: str, state: str, reason: str | None = None, **facts: Any) -> dict[str, Any]:
    blank = {"bundle": None, "images": 0, "results": 0, "attempts": 0, "changed": None, "next_attempt": None}
    return {"study": study, "state": state, "reason": reason, **blank, "instance": None, **facts}


def _time(seconds: float) -> str:
    return datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc).isoformat(timespec="seconds")
