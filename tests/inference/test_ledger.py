from __future__ import annotations

import sqlite3

import pytest

from lungscan_monai.errors import OutputError
from lungscan_monai.inference.ledger import LEDGER_NAME, Ledger, Outcome

FILES = [("a", "1"), ("b", "1"), ("c", "1"), ("d", "1")]


@pytest.fixture
def ledger(tmp_path):
    with Ledger(tmp_path) as opened:
        opened.add_found(FILES)
        yield opened


def test_every_file_is_in_one_state_and_the_states_add_up(ledger):
    assert ledger.counts() == {"found": 4, "done": 0, "skipped": 0, "rejected": 0}
    outcomes = [Outcome("a", "done", "aa"), Outcome("b", "skipped", None, "hidden", "is hidden")]
    ledger.commit([*outcomes, Outcome("c", "rejected", "cc", "truncated", "is cut short")], {"aa": {"label": "x"}})
    assert ledger.counts() == {"found": 1, "done": 1, "skipped": 1, "rejected": 1}
    assert [ledger.is_waiting(name) for name in "abcde"] == [False, False, False, True, False]
    assert ledger.codes() == {"skipped": {"hidden": 1}, "rejected": {"truncated": 1}}
    assert [(one.file, one.state) for one in ledger.not_done()] == [("b", "skipped"), ("c", "rejected")]


def test_a_content_is_answered_once_wherever_it_lies_and_the_first_answer_stays(ledger):
    ledger.commit([Outcome("b", "done", "aa")], {"aa": {"label": "first"}})
    ledger.commit([Outcome("a", "done", "aa")], {"aa": {"label": "second"}})
    assert [(one.file, one.answer["label"]) for one in ledger.done()] == [("a", "first"), ("b", "first")]
    assert ledger.has_answer("aa") and not ledger.has_answer("bb")
    assert ledger.contents() == 1


def test_of_a_commit_all_counts_or_nothing(ledger):
    broken = [Outcome("a", "done", "aa"), Outcome("b", None, "bb")]
    with pytest.raises(OutputError):
        ledger.commit(broken, {"aa": {"label": "x"}})
    assert ledger.counts()["found"] == 4 and not ledger.has_answer("aa")
    ledger.commit(broken[:1], {"aa": {"label": "x"}})
    assert ledger.counts()["done"] == 1


def test_what_was_recorded_is_there_when_the_ledger_is_opened_again(ledger, tmp_path):
    ledger.begin({"model": "m", "batch_size": 4})
    ledger.commit([Outcome("a", "done", "aa")], {"aa": {"label": "x"}})
    with Ledger(tmp_path) as again:
        assert again.settings() == {"model": "m", "batch_size": 4}
        assert [one.file for one in again.done()] == ["a"]


def test_a_file_that_has_changed_is_found_anew_and_one_that_has_not_is_not(ledger):
    ledger.commit([Outcome("a", "done", "aa"), Outcome("b", "done", "bb")], {"aa": {}, "bb": {}})
    ledger.add_found([("a", "2"), ("b", "1")])
    assert ledger.is_waiting("a") and not ledger.is_waiting("b")
    ledger.commit([Outcome("a", "done", "cc")], {"cc": {}})
    assert [(one.file, one.blake3) for one in ledger.done()] == [("a", "cc"), ("b", "bb")]


def test_a_run_with_other_settings_is_refused_and_the_difference_named(ledger):
    ledger.begin({"model": "m", "batch_size": 4})
    ledger.begin({"model": "m", "batch_size": 4})
    with pytest.raises(OutputError, match="other settings .batch_size 4 there, 8 here.; .* another output folder"):
        ledger.begin({"model": "m", "batch_size": 8})
    assert ledger.settings()["batch_size"] == 4


def test_series_come_together_and_each_content_of_them_once(ledger):
    answers = {sha: {"series_uid": uid} for sha, uid in (("aa", "2"), ("bb", "1"), ("cc", "2"))}
    outcomes = [Outcome("a", "done", "aa"), Outcome("b", "done", "bb"), Outcome("c", "done", "cc")]
    ledger.commit([*outcomes, Outcome("d", "done", "aa")], answers)
    assert [one.file for one in ledger.by_series()] == ["b", "a", "c"]


def test_files_that_have_gone_are_rejected(ledger):
    ledger.commit([Outcome("a", "done", "aa")], {"aa": {}})
    ledger.reject_waiting("missing-file", "is gone")
    assert ledger.counts() == {"found": 0, "done": 1, "skipped": 0, "rejected": 3}


def test_a_file_that_is_no_ledger_is_named(tmp_path):
    (tmp_path / LEDGER_NAME).write_bytes(b"something else " * 100)
    with pytest.raises(OutputError, match="is not a ledger, or is damaged"):
        Ledger(tmp_path)


def test_a_ledger_that_cannot_be_written_says_that_it_is_safe_and_how_to_go_on(ledger, tmp_path):
    other = sqlite3.connect(tmp_path / LEDGER_NAME, isolation_level=None)
    ledger._base.execute("PRAGMA busy_timeout = 0")
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(OutputError, match="what it held before is safe.*--resume"):
        ledger.commit([Outcome("a", "done", "aa")], {"aa": {}})
    other.execute("ROLLBACK")
    assert ledger.counts()["found"] == 4
