"""Killed at any moment, a node that is started again brings every study to its results, each exactly once."""

from __future__ import annotations

import threading

import pytest
from node_bench import NodeProcess, RecordingArchive, image, send, wait_until, write_settings
from small_bundle import small_bundle

from lungscan_monai.node.ledger import NodeLedger

pytestmark = pytest.mark.slow


class Trap:
    """Something that happens in the archive; it waits there until the node is dead."""

    def __init__(self) -> None:
        self.sprung, self.released = threading.Event(), threading.Event()

    def __call__(self) -> None:
        if not self.sprung.is_set():
            self.sprung.set()
            self.released.wait(60)


class TrapArchive(RecordingArchive):
    """An archive with traps: before it stores an object, after it did, and before it answers a query."""

    def __init__(self) -> None:
        super().__init__()
        self.before_store = self.after_store = self.before_find = lambda: None

    def _store(self, event):
        self.before_store()
        status = super()._store(event)
        self.after_store()
        return status

    def _find(self, event):
        self.before_find()
        yield from super()._find(event)


def test_killed_at_any_moment_each_study_has_its_results_exactly_once(tmp_path):
    with TrapArchive() as archive:
        config = write_settings(tmp_path, small_bundle(tmp_path), archive.port)
        store = tmp_path / "store"

        def in_state(state: str) -> bool:
            with NodeLedger(store) as ledger:
                return ledger.counts()[state] > 0

        with NodeProcess(config) as node:  # as soon as it has acknowledged
            assert send(node.port, image(1, 1)) == [0]
            node.kill()
        with NodeProcess(config) as node:  # while it analyses
            wait_until(lambda: in_state("working"), "it works")
            node.kill()
        for study, place in enumerate(("before_store", "after_store", "before_find"), start=2):
            trap = Trap()
            setattr(archive, place, trap)
            with NodeProcess(config) as node:
                assert send(node.port, image(1, study)) == [0]
                wait_until(trap.sprung.is_set, f"{place} happens")
                node.kill()
            trap.released.set()
        with NodeProcess(config):
            wait_until(lambda: not any(map(in_state, ("received", "waiting", "working", "sending"))), "all is done")
        with NodeLedger(store) as ledger:
            assert ledger.counts()["failed"] == 0 and ledger.counts()["done"] == 4
        for study in range(1, 5):
            assert archive.modalities(study) == ["OT", "SR", "SR"]
        assert set(archive.stored.values()) == {1}


def test_killed_in_the_middle_of_receiving_nothing_that_was_acknowledged_is_lost(tmp_path):
    with RecordingArchive() as archive:
        config = write_settings(tmp_path, small_bundle(tmp_path), archive.port, quiet_seconds=3600)
        acknowledged: list[str] = []

        def sending(port: int) -> None:
            from node_bench import calling

            images = [image(number, 1) for number in range(500)]
            with calling(port, images[:1]) as association:
                for one in images:
                    if not association.is_established or association.send_c_store(one).get("Status") != 0:
                        return
                    acknowledged.append(str(one.SOPInstanceUID))

        with NodeProcess(config) as node:
            sender = threading.Thread(target=sending, args=(node.port,))
            sender.start()
            wait_until(lambda: len(acknowledged) >= 20, "it receives")
            node.kill()
            sender.join()
        with NodeProcess(config), NodeLedger(tmp_path / "store") as ledger:
            contents = ledger.unrouted(image(1, 1).StudyInstanceUID)
            recorded = {row[0] for row in ledger._rows("SELECT sop FROM instances")}
            assert set(acknowledged) <= recorded
            files = {path.stem for path in (tmp_path / "store" / "received").rglob("*.dcm")}
            assert set(contents) == files and len(files) == len(recorded)
