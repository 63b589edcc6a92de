"""The other side of a decoding worker: a process that reads one picture at a time, with bounds of its own.

It is started by `pool` as ``python -m lungscan_monai.decoding.worker NUMBER``, the number of an open socket. What a
decoder does to it stays in it: the answers are JSON and plain numbers, which nobody has to trust.
"""

from __future__ import annotations

import json
import logging
import resource
import signal
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType

import cv2
import numpy as np

from lungscan_monai.errors import LungScanError, ReadError
from lungscan_monai.hashing import Hashed

Read = Callable[[str], np.ndarray | Hashed]
"""From an image reference to an array, with the hash of the file or without; errors are LungScanErrors. It is pickled:
a function of a module, or an object that can be."""

GRACE = 5.0
"""Seconds after which a worker that nobody ended ends itself."""


@dataclass(frozen=True)
class Orders:
    """What a worker is told once.

    Args:
        read: How files are read.
        memory_bytes: What it may take beyond what it has after its imports.
        seconds: How long one file may take.
    """

    read: Read
    memory_bytes: int
    seconds: float


def main(descriptor: int) -> None:
    """Answer one reference after the other, until the other side is gone."""
    connection = Connection(descriptor)
    orders: Orders = connection.recv()
    _be_quiet(connection)
    cv2.setNumThreads(1)
    _set_bounds(orders.memory_bytes)
    connection.send_bytes(b"ready")
    while True:
        try:
            reference = connection.recv_bytes().decode("utf-8", "surrogateescape")
        except EOFError:
            return
        signal.setitimer(signal.ITIMER_REAL, orders.seconds + GRACE)
        _answer(connection, orders.read, reference)
        signal.setitimer(signal.ITIMER_REAL, 0)


def _answer(connection: Connection, read: Read, reference: str) -> None:
    try:
        found = read(reference)
        facts = {"blake3": found.blake3} if isinstance(found, Hashed) else {}
        image = np.ascontiguousarray(found.image if facts else found)
    except ReadError as error:
        _send(connection, code=error.code, reason=error.reason)
    except LungScanError as error:
        _send(connection, code=None, reason=str(error))
    except MemoryError:
        _send(connection, code="memory-limit", reason="decoding needs more memory than it may have")
    else:
        _send(connection, shape=image.shape, dtype=image.dtype.str, **facts)
        if image.size and image.dtype.kind in "uif":
            connection.send_bytes(image.data.cast("B"))


def _send(connection: Connection, **facts: object) -> None:
    connection.send_bytes(json.dumps(facts).encode())


def _be_quiet(connection: Connection) -> None:
    """Let no text of a file come out: warnings and tracebacks quote it."""

    def last_words(kind: type[BaseException], _: BaseException, traceback: TracebackType | None) -> None:
        while traceback is not None and traceback.tb_next is not None:
            traceback = traceback.tb_next
        place = f" in {Path(traceback.tb_frame.f_code.co_filename).name}" if traceback else ""
        _send(connection, code="crashed", reason=f"the decoder ended with {kind.__name__}{place}")

    sys.excepthook = last_words
    warnings.simplefilter("ignore")
    logging.disable()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the other side ends this one


def _set_bounds(memory_bytes: int) -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    pages = Path("/proc/self/statm")
    if pages.exists():  # elsewhere the system does not say, and often does not bound, the address space
        most = int(pages.read_text().split()[0]) * resource.getpagesize() + memory_bytes
        resource.setrlimit(resource.RLIMIT_AS, (most, most))


if __name__ == "__main__":
    main(int(sys.argv[1]))
