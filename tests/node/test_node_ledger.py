"""The ledger of a node: what is recorded is what happens, whoever dies when."""

from __future__ import annotations

import pytest

from lungscan_monai.errors import OutputError
from lungscan_monai.node import ledger as module
from lungscan_monai.node.ledger import (
    CONFLICT,
    DONE,
    FAILED,
    KNOWN,
    NEW,
    SENDING,
    WAITING,
    WORKING,
    Instance,
    NodeLedger,
    Result,
)


@pytest.fixture
def ledger(tmp_path):
    with NodeLedger(tmp_path) as found:
        yield found


def instance(number: int, study: str = "1.1", series: str = "1.2", sha256: str | None = None) -> Instance:
    return Instance(f"1.3.{number}", sha256 or f"sha{number}", study, series, 10, "PACS")


def routed(ledger: NodeLedger, *bundles: str, study: str = "1.1") -> list[int]:
    return ledger.begin_jobs(study, {sha256: (bundles, None) for sha256 in ledger.unrouted(study)})


def state_of(ledger: NodeLedger) -> list[tuple[str, str, int]]:
    return [(row[1], row[2], row[7]) for row in ledger.jobs()]


def test_an_instance_is_new_once_then_known_and_with_other_bytes_a_conflict(ledger):
    assert ledger.add(instance(1)) == NEW
    assert ledger.add(instance(1)) == KNOWN
    assert ledger.add(instance(1, sha256="other")) == CONFLICT
    assert ledger.unrouted("1.1") == {"sha1": "1.2"}
    assert ledger.instance_counts() == {"instances": 2, "unrouted": 0, "unanswered": 0, "conflicts": 1}
    assert [row[:3] for row in ledger.left_out()] == [("1.1", "1.3.1", "conflict")]


def test_a_commit_is_on_the_disk_when_it_returns(ledger):
    assert ledger._base.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL
    assert ledger._base.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_a_study_is_complete_when_it_was_quiet_and_open_again_when_something_comes(ledger, monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(module.time, "time", lambda: now[0])
    ledger.add(instance(1))
    now[0] += 29
    assert ledger.quiet_studies(30) == []
    ledger.add(instance(2))
    now[0] += 29
    assert ledger.quiet_studies(30) == []
    now[0] += 1
    assert ledger.quiet_studies(30) == ["1.1"]
    routed(ledger, "chest")
    assert ledger.quiet_studies(30) == []
    ledger.add(instance(3))
    now[0] += 30
    assert ledger.quiet_studies(30) == ["1.1"]


def test_what_comes_while_a_study_is_routed_keeps_it_open(ledger):
    ledger.add(instance(1))
    routes = {sha256: (("chest",), None) for sha256 in ledger.unrouted("1.1")}
    ledger.add(instance(2))
    ledger.begin_jobs("1.1", routes)
    assert ledger.quiet_studies(0) == ["1.1"]
    assert ledger.unrouted("1.1") == {"sha2": "1.2"}


def test_a_late_image_makes_a_job_with_all_of_its_series_and_nothing_else(ledger):
    for number, series in ((1, "1.2"), (2, "1.2"), (3, "1.9")):
        ledger.add(instance(number, series=series))
    routed(ledger, "chest", "findings")
    ledger.add(instance(4))
    ledger.begin_jobs("1.1", {"sha4": (("chest",), None)})
    assert state_of(ledger) == [("chest", WAITING, 3), ("findings", WAITING, 3), ("chest", WAITING, 3)]
    assert ledger._job(3).instances == ("sha1", "sha2", "sha4")


def test_images_without_a_rule_are_recorded_and_routed_again_when_asked(ledger):
    ledger.add(instance(1))
    assert ledger.begin_jobs("1.1", {"sha1": ((), "no rule fits")}) == []
    assert ledger.left_out() == [("1.1", "1.3.1", "unrouted", "no rule fits")]
    assert ledger.quiet_studies(0) == []
    assert ledger.retry("9.9") == (0, 0)
    assert ledger.retry() == (0, 1)
    assert ledger.quiet_studies(0) == ["1.1"] and ledger.left_out() == []


def test_small_studies_of_one_bundle_are_claimed_together_up_to_the_batch(ledger):
    for study in range(5):
        for number in range(2):
            ledger.add(instance(10 * study + number, study=f"1.{study}", series=f"2.{study}"))
        routed(ledger, "kidney" if study == 1 else "chest", study=f"1.{study}")
    assert [job.study for job in ledger.claim_waiting(4)] == ["1.0", "1.2"]
    assert [job.study for job in ledger.claim_waiting(4)] == ["1.1"]
    assert [job.study for job in ledger.claim_waiting(1)] == ["1.3"]
    assert ledger.counts()[WORKING] == 4


def test_a_job_that_was_tried_before_comes_alone(ledger):
    for study in range(3):
        ledger.add(instance(study, study=f"1.{study}"))
        routed(ledger, "chest", study=f"1.{study}")
    ledger.claim_waiting(1)
    ledger.put_off(1, WAITING, "it died", 0.0)
    assert [job.id for job in ledger.claim_waiting(10)] == [2, 3]
    assert [(job.id, job.attempts) for job in ledger.claim_waiting(10)] == [(1, 2)]


def test_two_jobs_of_one_study_are_not_claimed_together(ledger):
    ledger.add(instance(1))
    routed(ledger, "chest")
    ledger.add(instance(2))
    routed(ledger, "chest")
    assert [job.id for job in ledger.claim_waiting(10)] == [1]


def test_what_was_being_worked_on_waits_again_after_a_crash(tmp_path):
    with NodeLedger(tmp_path) as ledger:
        ledger.add(instance(1))
        routed(ledger, "chest")
        ledger.claim_waiting(1)
    with NodeLedger(tmp_path) as ledger:
        assert ledger.recover() == 1
        assert state_of(ledger) == [("chest", WAITING, 1)]


def test_a_job_goes_from_waiting_to_done(ledger):
    ledger.add(instance(1))
    routed(ledger, "chest")
    (job,) = ledger.claim_waiting(1)
    assert (job.state, job.attempts) == (WORKING, 1)
    ledger.analysed(job.id, [Result("5.1", "1-1/a.dcm"), Result("5.2", "1-1/b.dcm")])
    (job,) = ledger.due_to_send(10)
    assert (job.state, job.attempts) == (SENDING, 1)
    assert [result.sop for result in ledger.results(job.id)] == ["5.1", "5.2"]
    ledger.done(job.id)
    assert ledger.counts() == {"received": 0, WAITING: 0, WORKING: 0, SENDING: 0, DONE: 1, FAILED: 0}
    assert ledger.due_to_send(10) == []


def test_a_result_that_was_confirmed_is_not_sent_again_by_a_later_job(ledger):
    ledger.add(instance(1))
    routed(ledger, "chest")
    ledger.claim_waiting(1)
    ledger.analysed(1, [Result("5.1", "1-1/a.dcm")])
    ledger.done(1)
    ledger.add(instance(2))
    routed(ledger, "chest")
    ledger.claim_waiting(2)
    ledger.analysed(2, [Result("5.1", "2-1/a.dcm"), Result("5.2", "2-1/b.dcm")])
    assert ledger.results(2) == [Result("5.2", "2-1/b.dcm")]


def test_a_result_that_is_on_its_way_is_sent_as_the_first_job_has_it(ledger):
    for number in (1, 2):
        ledger.add(instance(number))
        routed(ledger, "chest")
        ledger.claim_waiting(2)
        ledger.analysed(number, [Result("5.1", f"{number}-1/a.dcm")])
    assert ledger.results(2) == [Result("5.1", "1-1/a.dcm")]


def test_retry_lets_a_failed_job_go_on_where_it_failed(ledger):
    for study in ("1.1", "1.2"):
        ledger.add(instance(int(study[-1]), study=study))
        routed(ledger, "chest", study=study)
        ledger.claim_waiting(1)
    ledger.analysed(1, [Result("5.1", "1-1/a.dcm")])
    ledger.fail(1, "sending: refused")
    ledger.fail(2, "analysis: died")
    assert ledger.retry("1.1") == (1, 0)
    assert [row[2] for row in ledger.jobs()] == [SENDING, FAILED]
    assert ledger.retry() == (1, 0)
    assert [row[2] for row in ledger.jobs()] == [SENDING, WAITING]


def test_images_are_outdated_when_nothing_is_left_to_do_with_their_study(ledger):
    ledger.add(instance(1))
    assert ledger.outdated_contents(0, 10) == []
    routed(ledger, "chest")
    ledger.claim_waiting(1)
    ledger.analysed(1, [Result("5.1", "1-1/a.dcm")])
    assert ledger.outdated_contents(0, 10) == [] and ledger.outdated_results(0, 10) == []
    ledger.done(1)
    assert ledger.outdated_contents(1, 10) == [] and ledger.outdated_results(1, 10) == []
    assert ledger.outdated_contents(0, 10) == ["sha1"] and ledger.outdated_results(0, 10) == [1]
    ledger.forget_content("sha1")
    ledger.forget_results(1)
    assert ledger.outdated_contents(0, 10) == [] and ledger.outdated_results(0, 10) == []
    assert not ledger.has_content("sha1") and not ledger.has_job(1)


def test_a_file_that_is_no_ledger_is_named(tmp_path):
    (tmp_path / module.LEDGER_NAME).write_bytes(b"something else" * 100)
    with pytest.raises(OutputError, match="is not a node's ledger"):
        NodeLedger(tmp_path)


def test_a_transaction_that_fails_leaves_nothing(ledger):
    ledger.add(instance(1))
    with pytest.raises(OutputError):
        ledger.begin_jobs("1.1", {"sha1": ((object(),), None)})
    assert ledger.jobs() == [] and ledger.unrouted("1.1") == {"sha1": "1.2"}
