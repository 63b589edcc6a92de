"""Work of many requests in few threads: so many may wait and no more, and none waits for ever."""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from types import TracebackType
from typing import TypeVar

_Result = TypeVar("_Result")
_MEMORY = 0.8  # weight of what was before in the mean duration


class Busy(Exception):
    """As many requests as may be here are here.

    Args:
        retry_after: Seconds after which there may be room.
    """

    def __init__(self, retry_after: int) -> None:
        super().__init__(f"busy; try again after {retry_after} s")
        self.retry_after = retry_after


class TooLate(Exception):
    """The work was not done within the deadline."""


class Desk:
    """Where requests wait for their work to be done. Used in a ``with``.

    Args:
        places: Requests that may be here at a time, those that are worked on among them.
        seconds: The deadline of each.
        workers: Threads that work.
    """

    def __init__(self, places: int, seconds: float, workers: int = 1) -> None:
        self.places, self.seconds = places, seconds
        self._threads = ThreadPoolExecutor(workers, "answering")
        self._lock = threading.Lock()
        self.taken = 0
        self._mean_seconds = 1.0

    def __enter__(self) -> Desk:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._threads.shutdown(cancel_futures=True)

    @contextmanager
    def place(self) -> Iterator[None]:
        """Hold a place while a request is here.

        Raises:
            Busy: If there is none.
        """
        with self._lock:
            if self.taken >= self.places:
                raise Busy(max(1, math.ceil(self._mean_seconds * self.taken)))
            self.taken += 1
        try:
            yield
        finally:
            with self._lock:
                self.taken -= 1

    async def ask(self, work: Callable[..., _Result], *arguments: object) -> _Result:
        """Let a thread work; what has begun when the deadline comes is finished, and forgotten.

        Raises:
            TooLate: If it was not done within the deadline.
        """
        future = asyncio.wrap_future(self._threads.submit(self._timed, work, *arguments))
        done, _ = await asyncio.wait({future}, timeout=self.seconds)
        if not done:
            future.cancel()
            raise TooLate
        return future.result()

    def _timed(self, work: Callable[..., _Result], *arguments: object) -> _Result:
        start = time.monotonic()
        try:
            return work(*arguments)
        finally:
            with self._lock:
                seconds = time.monotonic() - start
                self._mean_seconds = _MEMORY * self._mean_seconds + (1 - _MEMORY) * seconds
