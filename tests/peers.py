"""Peers that misbehave: a proxy that cuts connections, a server that answers as it is told; and objects to send."""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset
from pydicom.uid import SecondaryCaptureImageStorage

NODE = "LUNGSCAN"
_RESET = b"\1\0\0\0\0\0\0\0"
"""SO_LINGER, on, 0 seconds: closing sends a reset."""


def write_result(path: Path, make_dicom: Callable[..., Dataset], number: int = 1, seed: int = 0, **attributes) -> Path:
    """Write a small Secondary Capture with UIDs made of a number; other pixels for another seed."""
    stored = np.random.default_rng(seed).integers(0, 256, (64, 64, 3)).astype(np.uint8)
    given = {
        "SOPClassUID": SecondaryCaptureImageStorage,
        "StudyInstanceUID": "2.25.1",
        "SeriesInstanceUID": "2.25.1.1",
        "SOPInstanceUID": f"2.25.1.1.{number}",
        "PatientID": "P1",
        "PatientName": "Phantom^One",
        "Modality": "OT",
        "InstanceNumber": number,
        "ContentDate": "20261121",
        "ContentTime": "120000.5",
        **attributes,
    }
    dataset = make_dicom(stored, **given)
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.save_as(path, enforce_file_format=True)
    return path


@contextlib.contextmanager
def cutting_proxy(port: int, after: int) -> Iterator[int]:
    """Forward connections to a port, and reset each when so many bytes went there; give the proxy's own port."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = listener.accept()
                server = socket.create_connection(("127.0.0.1", port))
                threading.Thread(target=_carry, args=(client, server, after), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def _carry(client: socket.socket, server: socket.socket, after: int) -> None:
    """Forward both ways until so many bytes went to the server, then reset both connections."""
    with contextlib.suppress(OSError):
        while after > 0:
            for ready in select.select([client, server], [], [])[0]:
                block = ready.recv(min(4096, after) if ready is client else 4096)
                if not block:
                    after = 0
                elif ready is client:
                    server.sendall(block)
                    after -= len(block)
                else:
                    client.sendall(block)
    for one in (client, server):
        one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        one.close()


@contextlib.contextmanager
def stub_server(
    *answers: tuple[int, dict[str, str], bytes], tls: ssl.SSLContext | None = None
) -> Iterator[tuple[str, list[tuple[str, str, dict]]]]:
    """Serve answers one after the other, the last again and again; give the root and the list of requests."""
    requests: list[tuple[str, str, dict]] = []
    left = list(answers)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            requests.append((self.command, self.path, dict(self.headers)))
            status, headers, body = left.pop(0) if len(left) > 1 else left[0]
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http{'s' if tls else ''}://127.0.0.1:{server.server_port}", requests
    finally:
        server.shutdown()
        server.server_close()
