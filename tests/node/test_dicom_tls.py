"""DICOM over TLS, both ways, with certificates of both sides; dcmtk and pynetdicom are the other side."""

from __future__ import annotations

import ssl
import subprocess
from pathlib import Path

import pydicom
import pytest
from certificates import Person
from dcmtk import dcmtk
from node_bench import Door, RecordingArchive, free_port, image, wait_until, without_delay
from peers import write_result
from pynetdicom import AE, evt

from lungscan_monai.errors import NetworkError
from lungscan_monai.node.delivery.certificates import Certificates
from lungscan_monai.node.delivery.dimse import DimseAddress, DimsePeer
from lungscan_monai.node.settings import Tls


@pytest.fixture
def door(tmp_path, people):
    """A listener with TLS that asks for certificates, which is the default."""
    node = people["node"]
    with Door(tmp_path / "store", tls=Tls(node.certificate, node.key, node.authority)) as found:
        yield found


def sent(port: int, tls: ssl.SSLContext | None) -> list[int]:
    """Send an image; return its status, nothing if there was no association."""
    dataset, entity = image(1), AE("PACS")
    entity.acse_timeout = entity.connection_timeout = 20
    entity.add_requested_context(dataset.SOPClassUID, dataset.file_meta.TransferSyntaxUID)
    association = entity.associate(
        *("127.0.0.1", port),
        ae_title="LUNGSCAN",
        tls_args=(tls, "127.0.0.1") if tls else None,
        evt_handlers=[(evt.EVT_CONN_OPEN, without_delay)],
    )
    if not association.is_established:
        return []
    status = association.send_c_store(dataset).get("Status")
    association.release()
    return [status]


def test_a_caller_with_a_certificate_sends_over_tls(door, people):
    assert sent(door.port, people["pacs"].client_context()) == [0]
    assert len(door.files()) == 1


def test_dcmtk_sends_over_tls(door, people, tmp_path):
    path = tmp_path / "image.dcm"
    image(1).save_as(path, enforce_file_format=True)
    command = [
        dcmtk("storescu"),
        *people["pacs"].dcmtk_options(),
        "-aet",
        "PACS",
        "-aec",
        "LUNGSCAN",
        "127.0.0.1",
        str(door.port),
    ]
    subprocess.run([*command, str(path)], check=True, capture_output=True, timeout=60)
    assert [pydicom.dcmread(stored) for stored in door.files()] == [pydicom.dcmread(path)]


def test_a_caller_without_tls_without_a_certificate_or_with_a_strangers_gets_nowhere(door, people):
    anonymous = ssl.create_default_context(cafile=people["node"].authority)
    strange = ssl.create_default_context(cafile=people["node"].authority)
    strange.load_cert_chain(people["stranger"].certificate, people["stranger"].key)
    for tls in (None, anonymous, strange):
        assert sent(door.port, tls) == []
    assert door.files() == []
    assert sent(door.port, people["pacs"].client_context()) == [0]


def peer_at(port: int, who: Person, authority: Path | None = None, confirm: str = "query") -> DimsePeer:
    certificates = Certificates(authority or who.authority, who.certificate, who.key)
    return DimsePeer(DimseAddress("127.0.0.1", port, "ARCHIVE", 20.0, certificates), "LUNGSCAN", confirm)


def test_results_go_over_tls_and_are_confirmed_over_tls(people, tmp_path, make_dicom):
    results = [write_result(tmp_path / f"{number}.dcm", make_dicom, number) for number in (1, 2)]
    with RecordingArchive(tls=people["pacs"].server_context()) as archive:
        peer = peer_at(archive.port, people["node"])
        assert len(peer.confirm(results)) == 2
        peer.send(results)
        assert peer.confirm(results) == set()
        assert sorted(archive.stored.values()) == [1, 1]


def test_an_archive_with_a_certificate_of_nobody_known_gets_nothing(people, tmp_path, make_dicom):
    results = [write_result(tmp_path / "1.dcm", make_dicom)]
    with RecordingArchive(tls=people["pacs"].server_context()) as archive:
        with pytest.raises(NetworkError, match="TLS failed"):
            peer_at(archive.port, people["node"], people["stranger"].authority).send(results)
        assert archive.stored == {}


def test_dcmtk_receives_results_over_tls(people, tmp_path, make_dicom):
    port, folder = free_port(), tmp_path / "received"
    folder.mkdir()
    command = [dcmtk("storescp"), *people["pacs"].dcmtk_options(), "-od", str(folder), "-aet", "ARCHIVE", str(port)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        try:
            peer = peer_at(port, people["node"], confirm="none")
            path = write_result(tmp_path / "1.dcm", make_dicom)
            wait_until(lambda: _is_taken(peer, path), "storescp takes it")
            (stored,) = folder.iterdir()
            assert pydicom.dcmread(stored) == pydicom.dcmread(path)
        finally:
            server.kill()


def _is_taken(peer: DimsePeer, path: Path) -> bool:
    try:
        peer.send([path])
    except NetworkError as error:
        if not error.retryable:
            raise
        return False
    return True
