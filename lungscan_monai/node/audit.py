"""The audit log: who sent or fetched what, when, and with what outcome, by UID; one JSON object a line.

The fields are those of an ATNA audit message (PS3.15 A.5): event, action, outcome, participants and objects. Neither
names nor identifiers of patients are in it, nor anything that a data set says in words.
"""

from __future__ import annotations

import datetime
import json
import logging
import os
import threading
from pathlib import Path
from types import TracebackType

AUDIT_NAME = "audit.jsonl"

SUCCESS, MINOR, SERIOUS = 0, 4, 8
"""Outcomes of DICOM's audit messages: success, minor failure, serious failure."""

CREATE, READ, EXECUTE, DELETE = "C", "R", "E", "D"
"""Actions of DICOM's audit messages."""

logger = logging.getLogger(__name__)


class Audit:
    """The audit log in a node's store; a context manager, which closes it. Any thread may write.

    Args:
        folder: The node's store.
        node: AE title of the node.
    """

    def __init__(self, folder: str | os.PathLike, node: str) -> None:
        self._node, self._lock = node, threading.Lock()
        self._stream = (Path(folder) / AUDIT_NAME).open("ab", buffering=0)
        self._is_cut = False  # a full disk takes half a line; the next one begins anew

    def __enter__(self) -> Audit:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stream.close()

    def write(
        self,
        event: str,
        action: str,
        outcome: int,
        who: str,
        host: str | None = None,
        code: str = "",
        **objects: object,
    ) -> None:
        """Write one line; it is with the operating system when this returns.

        Args:
            event: What happened, as in `"instance received"`.
            action: `CREATE`, `READ`, `EXECUTE` or `DELETE`.
            outcome: `SUCCESS`, `MINOR` or `SERIOUS`.
            who: The other side: AE title, service, or the node itself.
            host: Its address.
            code: Short machine-readable detail.
            **objects: UIDs of study and instances, numbers.
        """
        entry = {
            "time": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="milliseconds"),
            "event": event,
            "action": action,
            "outcome": outcome,
            "participants": [{"id": who, "host": host}, {"id": self._node}],
            "objects": objects,
            "code": code,
        }
        line = json.dumps(entry).encode() + b"\n"
        with self._lock:
            try:
                written = self._stream.write(b"\n" + line if self._is_cut else line)
            except OSError as error:
                logger.error("the audit log cannot be written (%s)", error.strerror)
                return
            self._is_cut = written < len(line)
