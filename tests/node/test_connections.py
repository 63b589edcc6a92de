"""Who connects and then says nothing holds up nobody, is hung up on, and gets nowhere once the node has ended."""

from __future__ import annotations

import select
import socket
import time

import pytest
from certificates import Person
from node_bench import Door, wait_until
from pynetdicom import AE
from pynetdicom.sop_class import Verification

from lungscan_monai.node import connections
from lungscan_monai.node.settings import Tls

HELLO = bytes.fromhex("16 03 01 02 00 01 00 01 fc 03 03")
"""How a ClientHello of 508 bytes begins (RFC 8446, 4.1.2 and 5.1)."""


@pytest.fixture
def door(tmp_path, people):
    """Return a listener with TLS; it begins to listen when it is entered."""
    node = people["node"]
    return Door(tmp_path / "store", tls=Tls(node.certificate, node.key, node.authority))


@pytest.fixture
def silent(door):
    """Return a function that connects callers who say nothing; all hang up at the end."""
    opened: list[socket.socket] = []

    def connect() -> socket.socket:
        opened.append(socket.create_connection(("127.0.0.1", door.port), timeout=30))
        return opened[-1]

    yield connect
    for caller in opened:
        caller.close()


def echoed(port: int, person: Person) -> int | None:
    """Return the status that a C-ECHO over TLS was answered with; None if there was no association."""
    entity = AE("PACS")
    entity.acse_timeout = entity.connection_timeout = entity.dimse_timeout = 30
    entity.add_requested_context(Verification)
    tls = (person.client_context(), "127.0.0.1")
    association = entity.associate("127.0.0.1", port, ae_title="LUNGSCAN", tls_args=tls)
    if not association.is_established:
        return None
    status = association.send_c_echo().Status
    association.release()
    return status


def is_hung_up_on(caller: socket.socket) -> bool:
    return bool(select.select([caller], [], [], 0)[0])


def test_callers_who_say_nothing_hold_up_nobody(door, silent, people, monkeypatch):
    monkeypatch.setattr(connections, "HANDSHAKE_SECONDS", 300.0)
    with door:
        waiting = [silent() for _ in range(20)]  # more than the listener lets associate at a time
        assert echoed(door.port, people["pacs"]) == 0
        assert not any(is_hung_up_on(caller) for caller in waiting)


def test_a_caller_who_says_nothing_or_too_little_is_hung_up_on(door, silent, monkeypatch):
    monkeypatch.setattr(connections, "HANDSHAKE_SECONDS", 0.5)
    with door:
        mute, slow = silent(), silent()
        started = time.monotonic()
        with pytest.raises(ConnectionError):  # a byte now and then does not make the handshake's time longer
            for byte in HELLO + bytes(200):
                slow.sendall(bytes([byte]))
                time.sleep(0.1)
        assert 0.4 < time.monotonic() - started < 15
        assert mute.recv(1) == b""


def test_a_handshake_that_fails_is_no_matter_for_the_log(door, silent, people, capfd):
    with door:
        caller = silent()
        caller.sendall(b"GET / HTTP/1.1\r\n\r\n")
        wait_until(lambda: is_hung_up_on(caller), "the handshake has failed")
        assert echoed(door.port, people["stranger"]) is None
        assert echoed(door.port, people["pacs"]) == 0
    assert capfd.readouterr().err == ""


def test_a_handshake_that_outlives_the_listener_leads_to_no_association(door, silent, people):
    with door:
        caller = silent()
        assert echoed(door.port, people["pacs"]) == 0  # the one before it was accepted, too
    secured = people["pacs"].client_context().wrap_socket(caller, server_hostname="127.0.0.1")
    with secured:
        assert secured.recv(1) == b""
    assert len(door.audited()) == 1
