"""The analysis process, seen from inside: ``python -m lungscan_monai.node.analysis_process NUMBER``, an open socket's.

It loads each model once, keeps it, and answers jobs until the node is gone. It writes results and nothing else: what a
job has come to is recorded by the node. It says nothing on its own, since what libraries print may quote a file.
"""

from __future__ import annotations

import logging
import os
import shutil
import signal
import sys
import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType

from pydicom import Dataset

from lungscan_monai.errors import LungScanError, OutputError, chain_of, own_error
from lungscan_monai.inference.case_model import CaseModel
from lungscan_monai.inference.opening import ReadFile, open_model, reading
from lungscan_monai.inference.studies import Analysed, ModelIdentity, analyse, identity_of
from lungscan_monai.node.analysing import Assignment, Orders, Outcome
from lungscan_monai.node.ledger import Result
from lungscan_monai.results.making import make_results, write_results
from lungscan_monai.results.options import ResultOptions

_LESS_URGENT = 10
"""How much nicer than the node: whoever sends images is answered first."""


@dataclass(frozen=True)
class Opened:
    """A bundle that is ready to answer.

    Args:
        model: Its model.
        read: Reads files for it.
        identity: Which model it is.
    """

    model: CaseModel
    read: ReadFile
    identity: ModelIdentity


def main(descriptor: int) -> None:
    """Work on jobs until the other side is gone."""
    os.nice(_LESS_URGENT)
    line = Connection(descriptor)
    _be_quiet(line)
    orders: Orders = line.recv()
    opened: dict[str, Opened] = {}
    with ExitStack() as stack:
        for bundle in orders.bundles:  # before a study waits for it; what fails is told when it is asked for
            with suppress(LungScanError, RuntimeError):
                opened[bundle] = _opened(orders, bundle, stack)
        while True:
            try:
                bundle, assignments = line.recv()
            except (EOFError, OSError):
                return
            try:
                if bundle not in opened:
                    opened[bundle] = _opened(orders, bundle, stack)
                _work(line, opened[bundle], orders, assignments)
            except BrokenPipeError:
                return
            except (LungScanError, RuntimeError) as error:
                text = _told(error)
                for one in assignments:
                    line.send(Outcome(one.job, (), text))


def _opened(orders: Orders, bundle: str, stack: ExitStack) -> Opened:
    settings, root = orders.analysis, orders.bundles[bundle]
    model = open_model(
        root, settings.backend, settings.precision, settings.batch_size, settings.check_inputs, settings.explain
    )
    workers = settings.workers or os.cpu_count() or 1
    return Opened(model, stack.enter_context(reading(root, model, workers)), identity_of(model))


def _work(line: Connection, opened: Opened, orders: Orders, assignments: tuple[Assignment, ...]) -> None:
    options = ResultOptions(**asdict(orders.results))
    job_of = {path: one.job for one in assignments for path in one.images}
    answers: dict[int, list[Analysed]] = {one.job: [] for one in assignments}
    for analysed in analyse(opened.model, opened.read, list(job_of), orders.analysis.explain):
        answers[job_of[analysed.sources[0]]].append(analysed)
    with ThreadPoolExecutor(1, "writing") as writer:  # the disk takes as long for some as the next ones take to be made
        written = [
            writer.submit(_tell, line, one, made_of(answers[one.job], opened.identity, options)) for one in assignments
        ]
    for one in written:
        one.result()


def _tell(line: Connection, assignment: Assignment, made: Made) -> None:
    line.send(outcome_of(assignment, made))


@dataclass(frozen=True, eq=False)
class Made:
    """The results of a job, in memory.

    Args:
        datasets: The objects.
        unanswered: The images that none could be made for, each with the reason.
    """

    datasets: tuple[Dataset, ...]
    unanswered: tuple[tuple[Path, str], ...]


def made_of(answers: Sequence[Analysed], identity: ModelIdentity, options: ResultOptions) -> Made:
    """Make the results of a job; an image that none can be made for keeps no other's back."""
    datasets: list[Dataset] = []
    unanswered: list[tuple[Path, str]] = []
    for analysed in answers:
        try:
            datasets += make_results(analysed, identity, options)
        except (LungScanError, RuntimeError) as error:
            unanswered += [(path, _told(error)) for path in analysed.sources]
    return Made(tuple(datasets), tuple(unanswered))


def outcome_of(assignment: Assignment, made: Made) -> Outcome:
    """Write the results of a job; it has failed if there are none, or none can be written."""
    if not made.datasets:
        return Outcome(assignment.job, (), made.unanswered[0][1] if made.unanswered else "it has no images")
    try:
        paths = write_results(made.datasets, assignment.folder)
    except OutputError as error:
        shutil.rmtree(assignment.folder, ignore_errors=True)  # the next attempt has a folder of its own
        return Outcome(assignment.job, (), str(error), is_of_the_disk=True)
    results = [
        Result(str(dataset.SOPInstanceUID), f"{assignment.folder.name}/{path.name}")
        for dataset, path in zip(made.datasets, paths, strict=True)
    ]
    return Outcome(assignment.job, tuple(results), unanswered=made.unanswered)


def _told(error: Exception) -> str:
    own = own_error(error)
    return str(own) if own else f"{type(chain_of(error)[-1]).__name__}"


def _be_quiet(line: Connection) -> None:
    """Let no text of a file come out: warnings and tracebacks quote it."""

    def last_words(kind: type[BaseException], _: BaseException, traceback: TracebackType | None) -> None:
        while traceback is not None and traceback.tb_next is not None:
            traceback = traceback.tb_next
        place = f" in {Path(traceback.tb_frame.f_code.co_filename).name}" if traceback else ""
        line.send(Outcome(None, (), f"the analysis process ended with {kind.__name__}{place}"))

    sys.excepthook = last_words
    warnings.simplefilter("ignore")
    logging.disable()
    for number in (signal.SIGINT, signal.SIGTERM):  # the node ends this process, or goes away itself
        signal.signal(number, signal.SIG_IGN)


if __name__ == "__main__":
    main(int(sys.argv[1]))
