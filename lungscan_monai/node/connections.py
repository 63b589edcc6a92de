"""Connections to the DICOM listener: from hosts on a list, each in a thread of its own from the TLS handshake on."""

from __future__ import annotations

import socket
import ssl
import threading
from socketserver import TCPServer
from typing import Any

from pynetdicom.transport import ThreadedAssociationServer

HANDSHAKE_SECONDS = 10.0
"""How long a TLS handshake may take altogether."""


class ConnectionServer(ThreadedAssociationServer):
    """A server that hangs up on hosts that nobody named, answers at once, and waits for no handshake for ever.

    The thread that accepts connections shakes no hands: who connects and then says nothing holds up nobody.

    Args:
        *args: Those of :class:`~pynetdicom.transport.AssociationServer`, as its keywords.
        hosts: IP addresses that may connect.
        tls: The server's side of TLS; None for plain connections.
    """

    daemon_threads = True

    def __init__(self, *args: Any, hosts: frozenset[str], tls: ssl.SSLContext | None, **kwargs: Any) -> None:
        self._hosts, self._tls = hosts, tls
        self._is_closed, self._beginning = False, threading.Lock()
        super().__init__(*args, **kwargs)

    def verify_request(self, request: socket.socket, client_address: tuple[str, int]) -> bool:
        """Return whether the host may connect; nothing was read of it yet."""
        return client_address[0] in self._hosts

    def finish_request(self, request: socket.socket, client_address: tuple[str, int]) -> None:
        """Shake hands where there is TLS, and begin the association; in the connection's own thread."""
        try:
            request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._tls is not None:
                request.settimeout(HANDSHAKE_SECONDS)
                request = self._tls.wrap_socket(request, server_side=True)
                request.settimeout(None)
        except OSError:
            self.shutdown_request(request)
            return
        with self._beginning:
            if self._is_closed:  # meanwhile
                self.shutdown_request(request)
            else:
                super().finish_request(request, client_address)

    def shutdown(self) -> None:
        """End the server; no association begins after this."""
        TCPServer.shutdown(self)  # pynetdicom's own wants the server to be one that it started
        with self._beginning:
            self._is_closed = True
        self.server_close()
