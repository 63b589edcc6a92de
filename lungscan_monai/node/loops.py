"""What a node does beside receiving, each in a thread: complete studies, analyse, send, tidy up."""

from __future__ import annotations

import logging
import threading
from abc import ABC, abstractmethod

from lungscan_monai.errors import LungScanError

logger = logging.getLogger(__name__)


class Loop(ABC):
    """A step that is done again and again by a thread of its own; a context manager, which runs it.

    A step that cannot read or write (a full disk, a locked ledger) is told, and tried again: nothing is lost by it,
    since whatever a step has done is recorded by the step as a whole.

    Args:
        name: Of the thread.
        seconds: Pause after a step that found nothing to do.
    """

    _PAUSE_AFTER_ERROR = 5.0

    def __init__(self, name: str, seconds: float) -> None:
        self.name, self._seconds = name, seconds
        self._stopped, self._woken = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def __enter__(self) -> Loop:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._woken.set()
        self.interrupt()
        self._thread.join(timeout=_PATIENCE)

    @property
    def is_alive(self) -> bool:
        """Whether the thread runs."""
        return self._thread.is_alive()

    @property
    def is_stopping(self) -> bool:
        """Whether the node is about to end."""
        return self._stopped.is_set()

    def wake(self) -> None:
        """Let the next step begin at once."""
        self._woken.set()

    def interrupt(self) -> None:  # noqa: B027 - most steps are short
        """End a step that takes long; called when the node ends."""

    @abstractmethod
    def step(self) -> bool:
        """Do one step; tell whether there was anything to do."""

    def _run(self) -> None:
        while not self.is_stopping:
            self._woken.clear()
            try:
                found = self.step()
            except (LungScanError, OSError) as error:
                logger.error("%s: %s; trying again", self.name, error)
                self._stopped.wait(self._PAUSE_AFTER_ERROR)
                continue
            if not found:
                self._woken.wait(self._seconds)


_PATIENCE = 10.0
