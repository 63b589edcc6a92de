"""The listener: who is let in, what is taken, and what is on the disk when it is acknowledged."""

from __future__ import annotations

import errno
import hashlib
import json
import socket
import subprocess

import pydicom
import pytest
from dcmtk import dcmtk
from node_bench import Door, calling, image, send, wait_until

from lungscan_monai.node import store as store_module
from lungscan_monai.node.audit import AUDIT_NAME, Audit
from lungscan_monai.node.delivery.contexts import RECEIVED_TRANSFER_SYNTAXES
from lungscan_monai.node.intake import file_header
from lungscan_monai.node.settings import Caller


@pytest.fixture
def door(tmp_path):
    with Door(tmp_path / "store") as found:
        yield found


def test_what_is_acknowledged_is_on_the_disk_as_it_came_and_in_the_ledger(door):
    dataset = image(1)
    assert send(door.port, dataset) == [0]
    (path,) = door.files()
    assert path.stem == hashlib.sha256(path.read_bytes()).hexdigest()
    assert pydicom.dcmread(path) == dataset
    assert door.ledger.unrouted(dataset.StudyInstanceUID) == {path.stem: dataset.SeriesInstanceUID}


def test_the_same_instance_again_is_a_success_and_nothing_new(door):
    assert send(door.port, image(1), image(1)) == [0, 0]
    assert len(door.files()) == 1
    assert door.ledger.instance_counts()["instances"] == 1


def test_other_bytes_under_the_same_uid_are_kept_and_noted(door):
    assert send(door.port, image(1), image(1, BodyPartExamined="LUNG")) == [0, 0]
    assert len(door.files()) == 2
    assert door.ledger.instance_counts()["conflicts"] == 1
    assert door.audited()[-1] == "instance received: conflict"


def test_a_c_echo_is_answered(door):
    with calling(door.port, []) as association:
        assert association.send_c_echo().Status == 0


@pytest.mark.parametrize(("calling_title", "called"), [("STRANGER", "LUNGSCAN"), ("PACS", "SOMEBODY")])
def test_a_wrong_ae_title_is_turned_away_and_audited(door, calling_title, called):
    with calling(door.port, [image(1)], calling_title, called) as association:
        assert association.is_rejected
    wait_until(lambda: any(line.startswith("association refused") for line in door.audited()), "it is audited")


def test_a_right_ae_title_from_another_host_is_turned_away(tmp_path):
    callers = (Caller("PACS", ("127.0.0.2",)), Caller("OTHER", ("127.0.0.1",)))
    with Door(tmp_path, callers=callers) as door:
        with calling(door.port, [image(1)]) as association:
            assert association.is_rejected
        with calling(door.port, [image(1)], "OTHER") as association:
            assert association.is_established


def test_a_host_that_nobody_named_is_hung_up_on_before_it_says_anything(tmp_path):
    with Door(tmp_path, callers=(Caller("PACS", ("127.0.0.2",)),)) as door, socket.socket() as caller:
        caller.settimeout(10)
        caller.connect(("127.0.0.1", door.port))
        assert caller.recv(1) == b""


def test_an_object_that_is_too_large_ends_its_association_and_leaves_nothing(tmp_path):
    with Door(tmp_path, max_object_bytes=20_000) as door:
        large = image(1)
        large.add_new(0x00091001, "OB", b"\0" * 200_000)
        with calling(door.port, [large]) as association:
            assert association.send_c_store(large).get("Status") is None
            wait_until(lambda: not association.is_established, "the association is ended")
        assert send(door.port, image(2)) == [0]
        assert len(door.files()) == 1
        assert "association ended: too large" in door.audited()


def test_more_associations_than_allowed_are_turned_away_for_the_moment(tmp_path):
    with Door(tmp_path, max_associations=2) as door:
        with calling(door.port, []) as one, calling(door.port, []) as two, calling(door.port, []) as three:
            assert one.is_established and two.is_established
            assert three.is_rejected
            assert three.acceptor.primitive.result == 2  # transient: come again (PS3.8 9.3.4)
        wait_until(lambda: send(door.port, image(1)) == [0], "there is room again")


def test_an_object_that_the_gate_turns_away_is_not_acknowledged(door):
    without_study, short = image(1), image(2)
    del without_study.StudyInstanceUID
    short.PixelData = short.PixelData[:100]
    with calling(door.port, [short]) as association:
        statuses = [association.send_c_store(one) for one in (without_study, short)]
    assert [status.Status for status in statuses] == [0xC000, 0xC000]
    assert [status.ErrorComment for status in statuses] == ["not taken: malformed", "not taken: truncated"]
    assert door.files() == [] and list((door.folder / "incoming").iterdir()) == []


def test_too_little_room_on_the_disk_is_told_beforehand(tmp_path):
    with Door(tmp_path, min_free_bytes=2**60) as door:
        assert send(door.port, image(1)) == [0xA700]
        assert door.files() == []


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EFBIG])
def test_a_full_disk_is_told_and_loses_nothing(door, monkeypatch, code):
    assert send(door.port, image(1)) == [0]
    with monkeypatch.context() as patch:
        patch.setattr(store_module.os, "fsync", lambda _: (_ for _ in ()).throw(OSError(code, "full")))
        assert send(door.port, image(2)) == [0xA700]
    assert len(door.files()) == 1 and list((door.folder / "incoming").iterdir()) == []
    assert send(door.port, image(2)) == [0]
    assert len(door.files()) == 2


def test_a_full_disk_under_the_ledger_is_told_and_loses_nothing(door):
    assert send(door.port, image(1)) == [0]
    pages = door.ledger._base.execute("PRAGMA page_count").fetchone()[0]
    door.ledger._base.execute(f"PRAGMA max_page_count = {pages}")
    statuses = [send(door.port, image(number))[0] for number in range(2, 60)]
    assert statuses[-1] == 0xA700 and set(statuses) == {0, 0xA700}
    door.ledger._base.execute("PRAGMA max_page_count = 1000000")
    assert send(door.port, image(59)) == [0]
    assert door.ledger.instance_counts()["instances"] == statuses.count(0) + 2


def test_the_store_is_tidied_of_what_was_never_acknowledged(door):
    send(door.port, image(1))
    (acknowledged,) = door.files()
    orphan = acknowledged.with_name("0" * 64 + ".dcm")
    orphan.write_bytes(b"x")
    (door.folder / "incoming" / "half.dcm").write_bytes(b"x")
    (door.folder / "results" / "7-1").mkdir()
    door.store.remove_unfinished(door.ledger)
    assert door.files() == [acknowledged]
    assert list((door.folder / "incoming").iterdir()) == [] and list((door.folder / "results").iterdir()) == []


def test_dcmtk_sends_a_file_as_it_is(door, tmp_path):
    path = tmp_path / "image.dcm"
    image(1).save_as(path, enforce_file_format=True)
    command = [dcmtk("storescu"), "-aet", "PACS", "-aec", "LUNGSCAN", "127.0.0.1", str(door.port), str(path)]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    assert [pydicom.dcmread(stored) for stored in door.files()] == [pydicom.dcmread(path)]


def test_every_transfer_syntax_that_is_read_is_accepted(door):
    datasets = []
    for syntax in RECEIVED_TRANSFER_SYNTAXES:
        dataset = image(1)
        dataset.file_meta.TransferSyntaxUID = syntax
        datasets.append(dataset)
    with calling(door.port, datasets) as association:
        accepted = {context.transfer_syntax[0] for context in association.accepted_contexts}
    assert set(RECEIVED_TRANSFER_SYNTAXES) <= accepted


def test_a_file_header_is_the_same_for_the_same_object():
    header = file_header("1.2.840.10008.5.1.4.1.1.2", "1.3.1", "1.2.840.10008.1.2.1")
    assert header == file_header("1.2.840.10008.5.1.4.1.1.2", "1.3.1", "1.2.840.10008.1.2.1")
    assert header[128:132] == b"DICM"


def test_an_audit_log_that_cannot_be_written_stops_nothing(tmp_path, monkeypatch, caplog):
    with Audit(tmp_path, "LUNGSCAN") as audit:
        audit.write("one", "E", 0, "PACS")
        stream = audit._stream
        monkeypatch.setattr(audit, "_stream", Cut(stream))
        audit.write("cut", "E", 0, "PACS")
        monkeypatch.setattr(audit, "_stream", stream)
        audit.write("three", "E", 0, "PACS")
    lines = (tmp_path / AUDIT_NAME).read_text().splitlines()
    assert [json.loads(line)["event"] for line in (lines[0], lines[-1])] == ["one", "three"]


class Cut:
    """A file that a full disk cuts off in the middle of a line."""

    def __init__(self, stream) -> None:
        self.write = lambda line: stream.write(line[:20])
