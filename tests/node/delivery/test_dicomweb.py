"""Results by DICOMweb: to a real Orthanc, and to servers that answer as they like."""

from __future__ import annotations

import json

import pytest
from dicomweb_client import DICOMwebClient
from orthanc import free_ports
from peers import cutting_proxy, stub_server, write_result

from lungscan_monai.errors import ConfigError, NetworkError
from lungscan_monai.node.delivery.dicomweb import DicomWebPeer
from lungscan_monai.node.delivery.web import WebAddress


def peer_at(url: str, confirmation: str = "query", **more) -> DicomWebPeer:
    return DicomWebPeer(WebAddress(url, seconds=20.0, **more), confirmation)


@pytest.fixture
def results(tmp_path, make_dicom):
    return [write_result(tmp_path / f"{number}.dcm", make_dicom, number) for number in (1, 2)]


@pytest.mark.parametrize("confirmation", ["query", "retrieve"])
def test_what_is_stored_is_confirmed(orthanc, results, confirmation):
    peer = peer_at(orthanc.web, confirmation)
    assert peer.confirm(results) == {"2.25.1.1.1", "2.25.1.1.2"}
    peer.send(results[:1])
    assert peer.confirm(results) == {"2.25.1.1.2"}
    peer.send(results)
    assert peer.confirm(results) == set()


def test_another_client_finds_what_was_stored(orthanc, results):
    peer_at(orthanc.web).send(results)
    found = DICOMwebClient(orthanc.web).search_for_instances("2.25.1")
    assert sorted(item["00080018"]["Value"][0] for item in found) == ["2.25.1.1.1", "2.25.1.1.2"]


def test_another_object_under_the_same_uid_is_noticed_by_what_is_compared(orthanc, results, tmp_path, make_dicom):
    peer_at(orthanc.web).send(results[:1])
    later = write_result(tmp_path / "later.dcm", make_dicom, seed=1, ContentTime="120000.7")
    with pytest.raises(NetworkError, match="ContentTime 120000.5, not 120000.7") as caught:
        peer_at(orthanc.web).confirm([later])
    assert not caught.value.retryable


def test_other_pixels_under_the_same_uid_are_noticed_by_fetching_them_back(orthanc, results, tmp_path, make_dicom):
    peer_at(orthanc.web).send(results[:1])
    repainted = write_result(tmp_path / "repainted.dcm", make_dicom, seed=1)
    assert peer_at(orthanc.web).confirm([repainted]) == set()
    with pytest.raises(NetworkError, match="PixelData differs") as caught:
        peer_at(orthanc.web, "retrieve").confirm([repainted])
    assert not caught.value.retryable


def test_an_object_that_lies_in_another_series_is_noticed(orthanc, results, tmp_path, make_dicom):
    peer_at(orthanc.web).send(results[:1])
    moved = write_result(tmp_path / "moved.dcm", make_dicom, SeriesInstanceUID="2.25.1.9")
    with pytest.raises(NetworkError, match="another series"):
        peer_at(orthanc.web).confirm([moved])


def test_nobody_at_the_port_is_tried_again(results):
    with pytest.raises(NetworkError, match="Connection refused") as caught:
        peer_at(f"http://127.0.0.1:{free_ports(1)[0]}/dicom-web").send(results)
    assert caught.value.retryable


def test_a_reset_in_the_middle_is_tried_again_and_then_each_object_is_there_once(orthanc, results):
    with cutting_proxy(orthanc.http_port, 9000) as port, pytest.raises(NetworkError) as caught:
        peer_at(f"http://127.0.0.1:{port}/dicom-web").send(results)
    assert caught.value.retryable
    peer = peer_at(orthanc.web)
    peer.send(results)
    assert peer.confirm(results) == set()
    assert len(orthanc.stored()) == 2


def stow_answer(reason: int) -> bytes:
    failed = {"00081155": {"vr": "UI", "Value": ["2.25.1.1.1"]}, "00081197": {"vr": "US", "Value": [reason]}}
    return json.dumps({"00081198": {"vr": "SQ", "Value": [failed]}}).encode()


@pytest.mark.parametrize("status", [200, 202, 409])
@pytest.mark.parametrize(("reason", "retryable"), [(0xA700, True), (0x0110, True), (0x0122, False), (0xA900, False)])
def test_the_reason_why_an_object_was_not_stored_is_read(results, status, reason, retryable):
    with (
        stub_server((status, {}, stow_answer(reason))) as (url, _),
        pytest.raises(NetworkError, match=f"did not store 2.25.1.1.1: .*0x{reason:04X}") as caught,
    ):
        peer_at(url).send(results)
    assert caught.value.retryable is retryable


@pytest.mark.parametrize(("status", "answer"), [(409, b"<xml/>"), (200, b'{"00081199": {"vr": "SQ"}}')])
def test_an_answer_that_names_nothing_is_not_taken_for_success(results, status, answer):
    with stub_server((status, {}, answer)) as (url, _), pytest.raises(NetworkError, match="neither as stored nor as"):
        peer_at(url).send(results)


def test_the_file_goes_out_as_it_is(results):
    with stub_server((200, {}, b"")) as (url, requests):
        peer_at(url).send(results[:1])
    (method, path, headers) = requests[0]
    assert (method, path) == ("POST", "/studies")
    assert headers["Content-Type"].startswith('multipart/related; type="application/dicom"; boundary=')


def test_a_peer_that_is_believed_is_not_asked(results):
    assert peer_at(f"http://127.0.0.1:{free_ports(1)[0]}", "none").confirm(results) == set()


def test_a_way_to_confirm_that_there_is_not_is_refused():
    with pytest.raises(ConfigError, match="confirm"):
        peer_at("http://127.0.0.1", "commitment")
