"""The analysis process, seen from the node: it is given jobs, and hands results back.

Inference has a process of its own, so that whoever sends images does not wait for Python's lock, and so that a study
that crashes a decoder, a network or a library costs an attempt of that study and nothing else.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from lungscan_monai.node.ledger import Result
from lungscan_monai.node.settings import Analysis, Results


@dataclass(frozen=True)
class Orders:
    """What the process is told once.

    Args:
        bundles: The folder of each bundle, by its name in the rules.
        analysis: How studies are analysed.
        results: Which objects are made.
    """

    bundles: dict[str, Path]
    analysis: Analysis
    results: Results


@dataclass(frozen=True)
class Assignment:
    """One job as the process gets it.

    Args:
        job: Its number.
        images: The files.
        folder: Where results go.
    """

    job: int
    images: tuple[Path, ...]
    folder: Path


@dataclass(frozen=True)
class Outcome:
    """What became of a job.

    Args:
        job: Its number; None if the process is about to end, and takes all unanswered jobs with it.
        results: What was written.
        error: Why there are none; None if there are.
        unanswered: The images among others for which no result could be made, each with the reason.
        is_of_the_disk: Whether the results could not be written, which is no fault of the study.
    """

    job: int | None
    results: tuple[Result, ...]
    error: str | None = None
    unanswered: tuple[tuple[Path, str], ...] = ()
    is_of_the_disk: bool = False


class AnalysisProcess:
    """The process; it is started when it is needed, and again after it has died. One thread at a time uses it.

    Args:
        orders: What it is told.
    """

    def __init__(self, orders: Orders) -> None:
        self._orders, self._lock = orders, threading.Lock()
        self._process: subprocess.Popen | None = None

    def run(self, bundle: str, assignments: Sequence[Assignment]) -> Iterator[Outcome]:
        """Let the process work on jobs of one bundle; give what became of each as soon as that is known.

        Nothing raises: a process that dies, or takes too long, is what became of the jobs it has not answered.
        """
        waiting = {one.job for one in assignments}
        try:
            self._start()
            self._line.send((bundle, tuple(assignments)))
            while waiting:
                if not self._line.poll(self._orders.analysis.seconds):
                    self.end()
                    yield from _failed(waiting, f"analysis took longer than {self._orders.analysis.seconds:g} s")
                    return
                outcome = self._line.recv()
                if outcome.job is None:
                    yield from _failed(waiting, outcome.error)
                    self.end()
                    return
                waiting.discard(outcome.job)
                yield outcome
        except (EOFError, OSError):
            yield from _failed(waiting, f"the analysis process ended ({self._cause_of_death()})")

    def start(self) -> None:
        """Start the process before it is needed, so that the first study does not wait for its imports."""
        with contextlib.suppress(OSError):
            self._start()

    def end(self) -> None:
        """Kill the process, if there is one; what it was doing is told as a failure."""
        with self._lock:
            if self._process is not None:
                self._process.kill()

    def close(self) -> None:
        """Kill the process and wait until it is gone."""
        self.end()
        if self._process is not None:
            self._process.wait()

    def _start(self) -> None:
        with self._lock:
            if self._process is not None and self._process.poll() is None:
                return
            ours, theirs = socket.socketpair()
            with theirs:
                number = theirs.fileno()
                self._process = subprocess.Popen(
                    [sys.executable, "-m", "lungscan_monai.node.analysis_process", str(number)],
                    pass_fds=(number,),
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
                )
            self._line = Connection(ours.detach())
            self._line.send(self._orders)

    def _cause_of_death(self) -> str:
        try:
            code = self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            return "it hung up"
        return signal.Signals(-code).name if code < 0 else f"exit code {code}"


def _failed(jobs: Iterable[int], reason: str) -> Iterator[Outcome]:
    return (Outcome(job, (), reason) for job in sorted(jobs))
