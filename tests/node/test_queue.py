"""The loops between receiving and done, with an analysis and an archive that do what they are told."""

from __future__ import annotations

import io
import random
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from node_bench import image

from lungscan_monai.errors import NetworkError, OutputError, ReadError
from lungscan_monai.node.analysing import Assignment, Outcome
from lungscan_monai.node.audit import Audit
from lungscan_monai.node.backoff import pause
from lungscan_monai.node.completing import Completing
from lungscan_monai.node.intake import Intake
from lungscan_monai.node.ledger import DONE, FAILED, RECEIVED, SENDING, WAITING, NodeLedger, Result
from lungscan_monai.node.routing import Rule
from lungscan_monai.node.sending import Sending
from lungscan_monai.node.settings import Analysis, Caller, Destination, Keeping, NodeSettings, Retries
from lungscan_monai.node.status import status_of
from lungscan_monai.node.store import NodeStore
from lungscan_monai.node.tidying import Tidying
from lungscan_monai.node.working import Working

RETRIES = Retries(attempts=3, first_seconds=1e-6, longest_seconds=1e-6)


class Process:
    """An analysis that makes one result for each image, or fails as it was told."""

    def __init__(self) -> None:
        self.errors: list[str] = []
        self.unreadable: list[str] = []
        self.is_disk_full = False
        self.asked: list[list[int]] = []

    def run(self, bundle: str, assignments: Sequence[Assignment]) -> Iterator[Outcome]:
        self.asked.append([one.job for one in assignments])
        for one in assignments:
            if self.errors:
                yield Outcome(one.job, (), self.errors.pop(0), is_of_the_disk=self.is_disk_full)
                continue
            one.folder.mkdir(exist_ok=True)
            results = []
            unanswered = tuple((path, "damaged") for path in one.images if f"result of {path.stem}" in self.unreadable)
            for path in (path for path in one.images if (path, "damaged") not in unanswered):
                (one.folder / f"{path.stem}.dcm").write_text(f"of {bundle}")
                results.append(Result(f"result of {path.stem}", f"{one.folder.name}/{path.stem}.dcm"))
            yield Outcome(one.job, tuple(results), unanswered=unanswered)

    def end(self) -> None:
        pass


class Archive:
    """A peer that stores file names, or raises what it was told."""

    name = "ARCHIVE"

    def __init__(self) -> None:
        self.stored: list[str] = []
        self.errors: list[Exception] = []
        self.lost: set[str] = set()

    def send(self, paths: Sequence[Path]) -> None:
        for path in paths:
            if self.errors and self.errors[0] is None:
                self.errors.pop(0)
            elif self.errors:
                raise self.errors.pop(0)
            if f"result of {path.stem}" not in self.lost:
                self.stored.append(f"result of {path.stem}")

    def confirm(self, paths: Sequence[Path]) -> set[str]:
        found = {f"result of {path.stem}" for path in paths} - set(self.stored)
        self.lost -= found
        return found


class Queue:
    """A node without its threads: each step is called by the test."""

    def __init__(self, folder: Path, retries: Retries = RETRIES) -> None:
        self.store, self.ledger = NodeStore(folder), NodeLedger(folder)
        self.process, self.archive = Process(), Archive()
        settings = NodeSettings(
            store=folder,
            rules=(Rule(("chest",), modality=("DX",)), Rule(("chest", "lung"), modality=("CT",))),
            destination=Destination("dimse", "A", "127.0.0.1", 1),
            callers=(Caller("PACS"),),
            quiet_seconds=1e-9,
            analysis=Analysis(attempts=2, batch_size=4),
            retries=retries,
        )
        audit = Audit(folder, "LUNGSCAN")
        self.intake = Intake(self.store, self.ledger, audit, 0)
        self.completing = Completing(settings, self.store, self.ledger, audit, lambda: None)
        self.working = Working(settings, self.store, self.ledger, audit, self.process, lambda _: None, lambda: None)
        self.delivered: list[str] = []
        self.sending = Sending(retries, self.store, self.ledger, audit, self.archive, self.delivered.append)

    def receive(self, number: int, **facts) -> str:
        """Take an image in; return the UID of its result."""
        dataset = image(number, **facts)
        stream = io.BytesIO()
        dataset.save_as(stream, enforce_file_format=True)
        assert self.intake.take([stream.getvalue()], "PACS").status == 0
        (sha256,) = self.ledger._rows("SELECT sha256 FROM instances WHERE sop = ?", dataset.SOPInstanceUID)[-1]
        return f"result of {sha256}"

    def states(self) -> dict[str, int]:
        return {state: count for state, count in self.ledger.counts().items() if count}

    def reasons(self) -> list[str]:
        return [entry["reason"] for entry in status_of(self.ledger)["studies"]]

    def run(self) -> None:
        """Let everything happen that can."""
        while any([self.completing.step(), self.working.step(), self.sending.step()]):
            pass


@pytest.fixture
def queue(tmp_path) -> Queue:
    return Queue(tmp_path / "store")


def test_studies_go_through_and_share_a_pass_and_an_association(queue):
    results = [queue.receive(1, study=1), queue.receive(2, study=2), queue.receive(3, study=3, modality="CT")]
    queue.run()
    assert queue.states() == {DONE: 4}
    assert queue.process.asked == [[1, 2, 3], [4]]
    assert sorted(set(queue.archive.stored)) == sorted(results)


def test_images_without_a_rule_are_told(queue):
    queue.receive(1, study=1, modality="CT", Modality="MR")
    queue.run()
    assert queue.states() == {}
    (entry,) = status_of(queue.ledger, state="unrouted")["studies"]
    assert entry["reason"].startswith("no rule fits: Modality 'MR'")


def test_a_late_image_makes_a_new_job_and_sends_only_what_is_new(queue):
    first = queue.receive(1, series=5)
    queue.run()
    second = queue.receive(2, series=5)
    queue.run()
    assert queue.states() == {DONE: 2}
    assert queue.archive.stored == [first, second]


def test_an_analysis_that_fails_is_tried_alone_and_then_put_aside(queue):
    queue.receive(1, study=1)
    queue.receive(2, study=2)
    queue.process.errors = ["it died", "it died", "it died again"]
    queue.run()
    assert queue.process.asked == [[1, 2], [1], [2]]
    assert queue.states() == {DONE: 1, FAILED: 1}
    assert "analysis: it died again" in queue.reasons()
    assert queue.ledger.retry() == (1, 0)
    queue.run()
    assert queue.states() == {DONE: 2}


def test_a_job_whose_outcome_cannot_be_recorded_is_worked_on_again(queue, monkeypatch):
    queue.receive(1)
    queue.completing.step()
    with monkeypatch.context() as patch:
        patch.setattr(queue.ledger, "analysed", lambda *_: (_ for _ in ()).throw(OutputError("full")))
        with pytest.raises(OutputError):
            queue.working.step()
    queue.run()
    assert queue.states() == {DONE: 1}


def test_an_image_without_a_result_is_told_and_routed_again_when_asked(queue):
    results = [queue.receive(number) for number in (1, 2)]
    queue.process.unreadable = results[:1]
    queue.run()
    assert queue.states() == {DONE: 1} and queue.archive.stored == results[1:]
    (entry,) = status_of(queue.ledger, state="unanswered")["studies"]
    assert (entry["instance"], entry["reason"]) == (image(1).SOPInstanceUID, "damaged")
    queue.process.unreadable = []
    assert queue.ledger.retry() == (0, 1)
    queue.run()
    assert sorted(queue.archive.stored) == sorted(results)
    assert status_of(queue.ledger, state="unanswered")["studies"] == []


def test_a_disk_without_room_for_results_is_waited_for_longer_than_a_study_that_fails(queue):
    queue.receive(1)
    queue.process.errors, queue.process.is_disk_full = ["no room"] * 2, True
    queue.run()
    assert queue.states() == {DONE: 1} and len(queue.process.asked) == 3


def test_an_archive_that_is_away_for_a_moment_gets_each_result_once(queue):
    results = [queue.receive(number, study=number) for number in (1, 2, 3)]
    away = NetworkError("no connection", retryable=True)
    queue.archive.errors = [None, away, None, away]  # one arrives, then nothing; one arrives again, then nothing
    queue.run()
    assert queue.states() == {DONE: 3}
    assert sorted(queue.archive.stored) == sorted(results)
    assert queue.delivered.count("put off") == 4


def test_an_archive_that_stays_away_fails_after_as_many_attempts_until_somebody_retries(queue):
    result = queue.receive(1)
    queue.archive.errors = [NetworkError("503", retryable=True) for _ in range(3)]
    queue.run()
    assert queue.states() == {FAILED: 1} and queue.reasons() == ["sending: 503"]
    queue.ledger.retry()
    queue.run()
    assert queue.states() == {DONE: 1} and queue.archive.stored == [result]
    assert len(queue.process.asked) == 1


def test_a_refusal_for_good_fails_at_once_and_only_what_was_refused(queue):
    for number in (1, 2):
        queue.receive(number, study=number)
    queue.archive.errors = [NetworkError("unknown AE title", retryable=False) for _ in range(2)]
    queue.run()
    assert queue.states() == {DONE: 1, FAILED: 1}


def test_a_result_that_was_acknowledged_and_lost_is_sent_again(queue):
    result = queue.receive(1)
    queue.archive.lost = {result}
    queue.run()
    assert queue.states() == {DONE: 1} and queue.archive.stored == [result]
    assert queue.delivered == ["put off", "done"]


def test_a_pause_that_the_archive_asks_for_is_kept(queue):
    queue.receive(1)
    queue.archive.errors = [NetworkError("503", retryable=True, retry_after=3600.0)]
    queue.run()
    assert queue.states() == {SENDING: 1}
    (entry,) = status_of(queue.ledger)["studies"]
    assert entry["next_attempt"] > entry["changed"]


def test_a_result_that_is_damaged_is_made_again(queue):
    queue.receive(1)
    queue.archive.errors = [ReadError("a.dcm", "not-dicom", "expected a DICOM object to send")]
    queue.run()
    assert queue.states() == {DONE: 1} and queue.process.asked == [[1], [1]]


def test_files_are_deleted_when_they_are_not_needed_any_more(queue):
    queue.receive(1)
    queue.completing.step()
    tidying = Tidying(Keeping(received_days=0.0, results_days=0.0), queue.store, queue.ledger)
    tidying.step()
    assert len(list((queue.store.folder / "received").rglob("*.dcm"))) == 1
    queue.run()
    tidying.step()
    assert list((queue.store.folder / "received").rglob("*.dcm")) == []
    assert list((queue.store.folder / "results").iterdir()) == []
    queue.receive(1)  # an archive that sends it again finds it known
    queue.run()
    assert queue.states() == {DONE: 1}


def test_status_shows_what_is_open_and_takes_a_study_and_a_state(queue):
    queue.receive(1, study=1)
    queue.receive(2, study=2)
    assert [entry["state"] for entry in status_of(queue.ledger)["studies"]] == [RECEIVED, RECEIVED]
    queue.completing.step()
    assert [entry["state"] for entry in status_of(queue.ledger, "2.25.72")["studies"]] == [WAITING]
    assert status_of(queue.ledger, state=FAILED)["studies"] == []


def test_pauses_double_up_to_the_longest_and_are_shortened_at_random():
    retries = Retries(first_seconds=1.0, longest_seconds=10.0)
    for failures, most in ((1, 1.0), (2, 2.0), (4, 8.0), (5, 10.0), (2000, 10.0)):
        found = [pause(retries, failures, random.Random(seed)) for seed in range(50)]
        assert most / 2 <= min(found) < max(found) <= most
