"""/health and /metrics over HTTP, for this machine only."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from lungscan_monai.errors import OutputError
from lungscan_monai.node.metrics import CONTENT_TYPE, NodeMetrics

HOST = "127.0.0.1"

Health = Callable[[], dict[str, bool]]
"""Gives what is well and what is not, by name."""


class Monitoring:
    """The HTTP server; a context manager, which serves.

    Args:
        port: On loopback.
        health: Is asked whether all is well.
        metrics: Are shown.
    """

    def __init__(self, port: int, health: Health, metrics: NodeMetrics) -> None:
        self._port, self._health, self._metrics = port, health, metrics

    def __enter__(self) -> Monitoring:
        try:
            self._server = ThreadingHTTPServer((HOST, self._port), _handler(self._health, self._metrics))
        except OSError as error:
            raise OutputError(f"{HOST}:{self._port}: cannot listen here ({error.strerror})") from error
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), name="monitoring", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _handler(health: Health, metrics: NodeMetrics) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        """Answers two paths, and logs nothing."""

        timeout = 10

        def do_GET(self) -> None:
            if self.path == "/health":
                checks = health()
                well = all(checks.values())
                body = json.dumps({"status": "ok" if well else "not well", "checks": checks}).encode()
                self._answer(200 if well else 503, "application/json", body)
            elif self.path == "/metrics":
                try:
                    self._answer(200, CONTENT_TYPE, metrics.text())
                except OutputError:
                    self._answer(503, "text/plain", b"the ledger cannot be read\n")
            else:
                self._answer(404, "text/plain", b"/health and /metrics are here\n")

        def log_message(self, *_: object) -> None:
            pass

        def _answer(self, code: int, kind: str, body: bytes) -> None:
            self.send_response(code)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    return Handler
