"""Results by DIMSE: to a real Orthanc, and to peers that misbehave."""

from __future__ import annotations

import socket

import pytest
from orthanc import free_ports
from peers import NODE, cutting_proxy, write_result
from pydicom.uid import CTImageStorage, ImplicitVRLittleEndian
from pynetdicom import AE, evt
from pynetdicom.sop_class import SecondaryCaptureImageStorage, StorageCommitmentPushModel, Verification

from lungscan_monai.errors import ConfigError, NetworkError
from lungscan_monai.node.delivery.commitment import CommitmentMailbox
from lungscan_monai.node.delivery.dimse import DimseAddress, DimsePeer


def peer_at(
    port: int,
    confirmation: str = "query",
    ae_title: str = "ORTHANC",
    calling: str = NODE,
    seconds: float = 20.0,
    **more,
) -> DimsePeer:
    return DimsePeer(DimseAddress("127.0.0.1", port, ae_title, seconds), calling, confirmation, **more)


@pytest.fixture
def results(tmp_path, make_dicom):
    return [write_result(tmp_path / f"{number}.dcm", make_dicom, number) for number in (1, 2)]


def test_what_is_sent_is_stored_and_confirmed_by_a_query(orthanc, results):
    peer = peer_at(orthanc.dicom_port)
    assert peer.confirm(results) == {"2.25.1.1.1", "2.25.1.1.2"}
    peer.send(results[:1])
    assert peer.confirm(results) == {"2.25.1.1.2"}
    peer.send(results)
    assert peer.confirm(results) == set()
    assert sorted(item["SOPInstanceUID"] for item in orthanc.stored()) == ["2.25.1.1.1", "2.25.1.1.2"]


def test_storage_commitment_is_answered_to_the_nodes_own_listener(orthanc, results):
    mailbox = CommitmentMailbox()
    listener = AE(NODE)
    listener.add_supported_context(StorageCommitmentPushModel, scu_role=False, scp_role=True)
    server = listener.start_server(
        ("127.0.0.1", orthanc.answer_port), block=False, evt_handlers=[(evt.EVT_N_EVENT_REPORT, mailbox.receive)]
    )
    peer = peer_at(orthanc.dicom_port, "commitment", mailbox=mailbox)
    try:
        peer.send(results[:1])
        assert peer.confirm(results[:1]) == set()
        assert peer.confirm(results) == {"2.25.1.1.2"}
    finally:
        server.shutdown()


def test_a_commitment_that_is_never_answered_is_asked_for_again_later(orthanc, results):
    peer = peer_at(orthanc.dicom_port, "commitment", seconds=1.0)
    peer.send(results)
    with pytest.raises(NetworkError, match="no answer to a request for commitment within 1 s") as caught:
        peer.confirm(results)
    assert caught.value.retryable


def test_another_object_under_the_same_uid_is_noticed(orthanc, results, tmp_path, make_dicom):
    peer = peer_at(orthanc.dicom_port)
    peer.send(results[:1])
    changed = write_result(tmp_path / "changed.dcm", make_dicom, seed=1, ContentTime="120000.7")
    peer.send([changed])
    with pytest.raises(NetworkError, match="ContentTime 120000.5, not 120000.7") as caught:
        peer.confirm([changed])
    assert not caught.value.retryable


def test_a_wrong_ae_title_is_said_and_not_tried_again(orthanc, results):
    with pytest.raises(NetworkError, match="Called AE title not recognised") as caught:
        peer_at(orthanc.dicom_port, ae_title="WRONG").send(results)
    assert not caught.value.retryable


def test_a_query_that_is_not_allowed_names_the_ae_title(orthanc, results):
    with pytest.raises(NetworkError, match="STRANGER"):
        peer_at(orthanc.dicom_port, calling="STRANGER").confirm(results)


def test_nobody_at_the_port_is_tried_again(results):
    with pytest.raises(NetworkError, match="no connection") as caught:
        peer_at(free_ports(1)[0]).send(results)
    assert caught.value.retryable


def test_silence_is_tried_again(results):
    silent = socket.create_server(("127.0.0.1", 0))
    with silent, pytest.raises(NetworkError, match="within 0.5 s") as caught:
        peer_at(silent.getsockname()[1], seconds=0.5).send(results)
    assert caught.value.retryable


@pytest.mark.parametrize("after", [100, 5000, 15000], ids=["association", "first object", "second object"])
def test_a_reset_in_the_middle_is_tried_again_and_then_each_object_is_there_once(orthanc, results, after):
    with cutting_proxy(orthanc.dicom_port, after) as port, pytest.raises(NetworkError) as caught:
        peer_at(port, seconds=5.0).send(results)
    assert caught.value.retryable
    peer = peer_at(orthanc.dicom_port)
    peer.send(results)
    assert peer.confirm(results) == set()
    assert len(orthanc.stored()) == 2


def answering(port: int, status: int, *contexts):
    """Start an SCP that answers each C-STORE with a status."""
    entity = AE("ORTHANC")
    for sop_class, syntax in contexts:
        entity.add_supported_context(sop_class, syntax)
    return entity.start_server(("127.0.0.1", port), block=False, evt_handlers=[(evt.EVT_C_STORE, lambda event: status)])


@pytest.mark.parametrize(
    ("status", "meaning", "retryable"),
    [(0xA700, "out of resources", True), (0xA900, "does not fit its SOP class", False), (0xC123, "understood", False)],
)
def test_a_failure_is_tried_again_if_it_is_the_moments(results, status, meaning, retryable):
    port = free_ports(1)[0]
    server = answering(port, status, (SecondaryCaptureImageStorage, "1.2.840.10008.1.2.1"))
    try:
        with pytest.raises(NetworkError, match=f"did not store 2.25.1.1.1: .*{meaning}") as caught:
            peer_at(port).send(results)
    finally:
        server.shutdown()
    assert caught.value.retryable is retryable


def test_a_warning_means_stored(results):
    port = free_ports(1)[0]
    server = answering(port, 0xB000, (SecondaryCaptureImageStorage, "1.2.840.10008.1.2.1"))
    try:
        peer_at(port).send(results)
    finally:
        server.shutdown()


@pytest.mark.parametrize(
    "context",
    [(CTImageStorage, "1.2.840.10008.1.2.1"), (SecondaryCaptureImageStorage, ImplicitVRLittleEndian)],
    ids=["another class", "another syntax"],
)
def test_a_class_or_an_encoding_that_the_peer_does_not_take_is_named(results, context):
    port = free_ports(1)[0]
    server = answering(port, 0, context)
    try:
        with pytest.raises(NetworkError, match="1.2.840.10008.5.1.4.1.1.7 encoded as 1.2.840.10008.1.2.1") as caught:
            peer_at(port).send(results)
    finally:
        server.shutdown()
    assert not caught.value.retryable


@pytest.mark.parametrize("confirmation", ["query", "commitment"])
def test_a_peer_without_that_service_is_told_by_what_to_set(results, confirmation):
    port = free_ports(1)[0]
    server = answering(port, 0, (Verification, "1.2.840.10008.1.2.1"))
    try:
        with pytest.raises(NetworkError, match="set confirm to") as caught:
            peer_at(port, confirmation).confirm(results)
    finally:
        server.shutdown()
    assert not caught.value.retryable


def test_a_peer_that_is_believed_is_not_asked(results):
    assert peer_at(free_ports(1)[0], "none").confirm(results) == set()


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"port": 0}, "port"),
        ({"ae_title": ""}, "ae_title"),
        ({"ae_title": "A" * 17}, "ae_title"),
        ({"seconds": 0.0}, "seconds"),
    ],
)
def test_an_address_that_cannot_be_is_refused(values, named):
    with pytest.raises(ConfigError, match=named):
        DimseAddress(**{"host": "127.0.0.1", "port": 104, "ae_title": "PACS", **values})


def test_a_way_to_confirm_that_there_is_not_is_refused():
    with pytest.raises(ConfigError, match="confirm"):
        peer_at(104, "retrieve")
