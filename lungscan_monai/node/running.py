"""The node: its parts put together, run until somebody ends it."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from lungscan_monai.node.analysing import AnalysisProcess, Orders
from lungscan_monai.node.audit import EXECUTE, SUCCESS, Audit
from lungscan_monai.node.completing import Completing
from lungscan_monai.node.delivery.commitment import CommitmentMailbox
from lungscan_monai.node.delivery.opening import open_peer
from lungscan_monai.node.delivery.peer import Peer
from lungscan_monai.node.fetching import Fetching
from lungscan_monai.node.intake import Intake
from lungscan_monai.node.ledger import NodeLedger
from lungscan_monai.node.loops import Loop
from lungscan_monai.node.metrics import NodeMetrics
from lungscan_monai.node.monitoring import Monitoring
from lungscan_monai.node.receiving import Listener
from lungscan_monai.node.sending import Sending
from lungscan_monai.node.settings import NodeSettings, check_bundles
from lungscan_monai.node.store import NodeStore
from lungscan_monai.node.tidying import Tidying
from lungscan_monai.node.working import Working

_WATCH_SECONDS = 1.0
_TURN_SECONDS = 0.0005
_FOREIGN_LOGGERS = ("pynetdicom", "pydicom", "urllib3")
"""Their messages quote what is in data sets."""

logger = logging.getLogger(__name__)


def run_node(settings: NodeSettings) -> None:
    """Run a node until SIGTERM or SIGINT.

    Args:
        settings: Everything it needs to know.

    Raises:
        ConfigError: If a bundle or a file that the settings name cannot be used.
        OutputError: If the store cannot be used, or a port is taken.
    """
    bundles = check_bundles(settings)
    mailbox = CommitmentMailbox()
    peer = open_peer(settings.destination, settings.dicom.ae_title, mailbox)
    with (
        _ended_by_signals() as ended,
        _saying_nothing(),
        _taking_short_turns(),
        Node(settings, bundles, peer, mailbox) as node,
    ):
        if settings.callers:
            dicom = settings.dicom
            logger.info("%s listens on %s:%d", dicom.ae_title, dicom.host, dicom.port)
        logger.info("results go to %s", peer.name)
        while not ended.wait(_WATCH_SECONDS):
            node.check()
    logger.info("ended")


class Node:
    """A node at work; a context manager, which starts and ends it.

    Args:
        settings: Everything it needs to know.
        bundles: The folder of each bundle, by its name in the rules.
        peer: Where results go.
        mailbox: Where the peer's answers about storage commitment go that come to the listener.
    """

    def __init__(
        self, settings: NodeSettings, bundles: dict[str, Path], peer: Peer, mailbox: CommitmentMailbox
    ) -> None:
        self._settings, self._bundles, self._peer, self._mailbox = settings, bundles, peer, mailbox
        self._listener: Listener | None = None
        self._stack = ExitStack()

    def __enter__(self) -> Node:
        settings = self._settings
        with ExitStack() as stack:
            store = self._store = NodeStore(settings.store)
            stack.enter_context(store.only_node())
            ledger = stack.enter_context(NodeLedger(settings.store))
            store.remove_unfinished(ledger)
            audit = stack.enter_context(Audit(settings.store, settings.dicom.ae_title))
            audit.write("node started", EXECUTE, SUCCESS, "node")
            stack.callback(audit.write, "node stopped", EXECUTE, SUCCESS, "node")
            metrics = NodeMetrics(store, ledger)
            ledger.recover()
            sending = Sending(settings.retries, store, ledger, audit, self._peer, metrics.delivered)
            working = [
                Working(settings, store, ledger, audit, process, metrics.analysed, sending.wake)
                for process in self._processes(stack)
            ]
            completing = Completing(settings, store, ledger, audit, lambda: [one.wake() for one in working])
            intake = Intake(store, ledger, audit, settings.keep.min_free_bytes)
            self._loops: list[Loop] = [sending, *working, completing, Tidying(settings.keep, store, ledger)]
            if settings.polling is not None:
                self._loops.append(Fetching(settings.polling, store, intake))
            for loop in self._loops:
                stack.enter_context(loop)
            if settings.callers:
                listener = Listener(settings.dicom, settings.callers, intake, audit, metrics.stored, self._mailbox)
                self._listener = stack.enter_context(listener)
            if settings.monitoring_port:
                stack.enter_context(Monitoring(settings.monitoring_port, self.health, metrics))
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _processes(self, stack: ExitStack) -> list[AnalysisProcess]:
        orders = Orders(self._bundles, self._settings.analysis, self._settings.results)
        processes = [AnalysisProcess(orders) for _ in range(self._settings.analysis.processes)]
        for process in processes:
            process.start()
            stack.callback(process.close)
        return processes

    def health(self) -> dict[str, bool]:
        """Return what is well, by name."""
        names = {loop.name for loop in self._loops}
        return {
            "listening": self._listener is None or self._listener.is_alive,
            "disk": self._store.free_bytes() >= self._settings.keep.min_free_bytes,
            **{name: all(loop.is_alive for loop in self._loops if loop.name == name) for name in sorted(names)},
        }

    def check(self) -> None:
        """End the process if a part of the node has died, so that whoever started it starts it anew.

        The ledger is made for that: a node that was killed goes on where it was.
        """
        dead = [name for name, well in self.health().items() if not well and name != "disk"]
        if dead:
            logger.critical("%s ended unexpectedly; the node ends, to be started again", ", ".join(dead))
            os._exit(1)


@contextmanager
def _ended_by_signals() -> Iterator[threading.Event]:
    """Give an event that SIGTERM and SIGINT set."""
    ended = threading.Event()
    numbers = (signal.SIGTERM, signal.SIGINT)
    before = [signal.signal(number, lambda *_: ended.set()) for number in numbers]
    try:
        yield ended
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


@contextmanager
def _taking_short_turns() -> Iterator[None]:
    """Let threads wait less for each other than Python's 5 ms; storing one object hands the turn over many times."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(_TURN_SECONDS)
    try:
        yield
    finally:
        sys.setswitchinterval(before)


@contextmanager
def _saying_nothing() -> Iterator[None]:
    """Keep what a file says out of the log: other libraries' messages, and the texts of unexpected errors."""
    loggers = [logging.getLogger(name) for name in _FOREIGN_LOGGERS]
    levels, hook = [one.level for one in loggers], threading.excepthook
    for one in loggers:
        one.setLevel(logging.CRITICAL + 1)
    threading.excepthook = _tell_kind_and_place
    try:
        yield
    finally:
        threading.excepthook = hook
        for one, level in zip(loggers, levels, strict=True):
            one.setLevel(level)


def _tell_kind_and_place(died: threading.ExceptHookArgs) -> None:
    place = died.exc_traceback
    while place is not None and place.tb_next is not None:
        place = place.tb_next
    where = f" at {Path(place.tb_frame.f_code.co_filename).name}:{place.tb_lineno}" if place else ""
    name = died.thread.name if died.thread else "a thread"
    logger.critical("%s ended with %s%s", name, died.exc_type.__name__, where)
