"""Files are decoded in processes of their own, which may take so much memory and so much time, and may die.

A decoder that hangs, takes all memory or is made to crash by a file costs that file: it is rejected with a code, the
worker is replaced, and the others go on.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import re
import signal
import socket
import subprocess
import sys
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from multiprocessing.connection import Connection
from types import TracebackType

import numpy as np

from lungscan_monai.data.references import split_reference
from lungscan_monai.decoding.worker import Orders, Read
from lungscan_monai.errors import ConfigError, DataError, LungScanError, MissingDependencyError, ReadError
from lungscan_monai.gate.admitting import Admitted, admit
from lungscan_monai.gate.limits import Limits
from lungscan_monai.hashing import Hashed
from lungscan_monai.transforms.images import read_image

START_SECONDS = 120.0
"""How long a worker may take for its imports."""

_NUMBERS = {kind.str: kind for kind in map(np.dtype, ("u1", "<u2", "<i2", "<f4", "<f8"))}
_HASH = re.compile("[0-9a-f]{64}")
_ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


@dataclass(frozen=True, eq=False)
class Decoded:
    """A file that was admitted and read.

    Args:
        reference: As it was given.
        admitted: What the gate saw.
        image: What `read` made of it.
    """

    reference: str
    admitted: Admitted
    image: np.ndarray | Hashed


@dataclass(frozen=True, eq=False)
class NotDecoded:
    """A file that was not.

    Args:
        reference: As it was given.
        error: Why; a `ReadError` has a code of :data:`~lungscan_monai.gate.codes.READ_CODES`.
    """

    reference: str
    error: LungScanError


class DecodingPool:
    """Workers that decode, used in a ``with``. For Linux and macOS; memory is bounded on Linux only.

    Args:
        workers: Number of processes.
        memory_bytes: What each may take beyond its imports (some 100 MB).
        seconds: How long one file may take.
        read: From an image reference to an array of uint8, uint16, int16, float32 or float64: `read_image`, or what
            also brings pictures to the network's size, and hashes files meanwhile
            (:class:`~lungscan_monai.inference.quick_steps.QuickSteps`). Workers import its module.
        limits: Of the gate; `Limits()` if None.

    Raises:
        ConfigError: If a number is not above 0.

    Example:
        >>> with DecodingPool(workers=2) as pool:  # doctest: +SKIP
        ...     for found in pool.map(["a.dcm", "b.png"]):
        ...         print(found.reference, isinstance(found, Decoded))
    """

    def __init__(
        self,
        workers: int = 2,
        memory_bytes: int = 2**30,
        seconds: float = 60.0,
        read: Read = read_image,
        limits: Limits | None = None,
    ) -> None:
        if min(workers, memory_bytes, seconds) <= 0:
            raise ConfigError(f"decoding: {workers} workers, {memory_bytes} bytes, {seconds} s; expected all above 0")
        self._limits = limits or Limits()
        self._workers = [_Worker(Orders(read, memory_bytes, seconds)) for _ in range(workers)]
        self._idle: queue.SimpleQueue[_Worker] = queue.SimpleQueue()

    def __enter__(self) -> DecodingPool:
        for worker in self._workers:
            worker.start()
            self._idle.put(worker)
        self._threads = ThreadPoolExecutor(len(self._workers), "decoding")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)
        for worker in self._workers:
            worker.interrupt()
        self._threads.shutdown()
        for worker in self._workers:
            worker.end()

    def read(self, reference: str | os.PathLike) -> np.ndarray | Hashed:
        """Read one file that was admitted; any number of threads may ask, and wait for an idle worker.

        Returns:
            What the pool's `read` makes of it.

        Raises:
            ReadError: If it cannot be read; ``time-limit``, ``memory-limit`` and ``crashed`` among
                the codes.
            DataError: If `read` refuses the picture for another reason.
            MissingDependencyError: If a worker cannot be started.
        """
        path, _ = split_reference(reference)
        worker = self._idle.get()
        try:
            return worker.ask(os.fspath(reference), path.name)
        finally:
            self._idle.put(worker)

    def decode(self, reference: str | os.PathLike) -> Decoded:
        """Admit and read one file; any number of threads may ask.

        Raises:
            ReadError: If it is not admitted; and as for :meth:`read`.
            DataError: As for :meth:`read`.
            MissingDependencyError: As for :meth:`read`.
        """
        admitted = admit(split_reference(reference)[0], self._limits)
        return Decoded(os.fspath(reference), admitted, self.read(reference))

    def map(self, references: Iterable[str | os.PathLike], ahead: int | None = None) -> Iterator[Decoded | NotDecoded]:
        """Decode many files; the results come in their order.

        Args:
            references: Taken one by one, never more than `ahead` before the result that is waited for.
            ahead: Results that may be in memory at a time; three for each worker if None.

        Raises:
            MissingDependencyError: If a worker cannot be started.
        """
        ahead = ahead or 3 * len(self._workers)
        running: deque[Future[Decoded | NotDecoded]] = deque()
        try:
            for reference in references:
                running.append(self._threads.submit(self._outcome, reference))
                if len(running) == ahead:
                    yield running.popleft().result()
            while running:
                yield running.popleft().result()
        finally:
            for future in running:
                future.cancel()

    def _outcome(self, reference: str | os.PathLike) -> Decoded | NotDecoded:
        try:
            return self.decode(reference)
        except DataError as error:
            return NotDecoded(os.fspath(reference), error)


class _Worker:
    """One process and the line to it; it is replaced when it has died."""

    def __init__(self, orders: Orders) -> None:
        self._orders = orders
        self._process: subprocess.Popen | None = None

    def start(self) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            number = theirs.fileno()
            self._process = subprocess.Popen(
                [sys.executable, "-m", "lungscan_monai.decoding.worker", str(number)],
                pass_fds=(number,),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env={**os.environ, **_ONE_THREAD, "PYTHONPATH": os.pathsep.join(sys.path)},
            )
        self._line = Connection(ours.detach())
        self._is_ready = False
        with contextlib.suppress(ConnectionError):  # one that is dead already is found out when it shall answer
            self._line.send(self._orders)

    def interrupt(self) -> None:
        """Kill the process; who waits for its answer sees it dead."""
        if self._process is not None:
            self._process.kill()

    def end(self) -> None:
        """Kill the process and forget it."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
            self._line.close()

    def ask(self, reference: str, name: str) -> np.ndarray | Hashed:
        """Let the process read a file; raise what it says, or what became of it."""
        self._make_ready()
        try:
            self._line.send_bytes(reference.encode("utf-8", "surrogateescape"))
            if not self._line.poll(self._orders.seconds):
                self.end()
                reason = f"took longer than {self._orders.seconds:g} s to decode"
                raise ReadError(name, "time-limit", reason)
            return self._received(name)
        except (EOFError, ConnectionError) as error:
            raise ReadError(name, "crashed", f"the decoder died of it ({self._cause_of_death()})") from error

    def _make_ready(self) -> None:
        if self._process is None:
            self.start()
        if not self._is_ready:
            try:
                self._is_ready = self._line.poll(START_SECONDS) and self._line.recv_bytes() == b"ready"
            except (EOFError, ConnectionError):
                self._is_ready = False
        if not self._is_ready:
            self.end()
            raise MissingDependencyError(
                "a decoding worker did not start; `python -m lungscan_monai.decoding.worker 0` shows what it lacks"
            )

    def _received(self, name: str) -> np.ndarray | Hashed:
        facts = json.loads(self._line.recv_bytes())
        if "shape" in facts:
            blake3 = facts.get("blake3")
            if facts["dtype"] not in _NUMBERS or not (blake3 is None or _HASH.fullmatch(blake3)):
                self.end()
                raise ReadError(name, "crashed", "the decoder gave no numbers")
            image = np.empty(facts["shape"], _NUMBERS[facts["dtype"]])
            if image.size:
                self._line.recv_bytes_into(image.data.cast("B"))
            return image if blake3 is None else Hashed(image, blake3)
        if facts["code"] is None:
            raise DataError(facts["reason"])
        if facts["code"] == "crashed":
            self.end()
        raise ReadError(name, facts["code"], facts["reason"])

    def _cause_of_death(self) -> str:
        process = self._process
        try:
            code = process.wait(timeout=1)
        except subprocess.TimeoutExpired:
            code = 0
        self.end()
        return signal.Signals(-code).name if code < 0 else f"exit code {code}"
