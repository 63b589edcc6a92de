"""What every request passes before anything of it is read: who asks, whether there is room, how much and how slowly."""

from __future__ import annotations

import asyncio
import hmac
import ipaddress
import logging
import time
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import ExitStack
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response

from lungscan_monai.apps.desk import Busy, Desk
from lungscan_monai.apps.problems import NOTICE, NOTICE_HEADER, problem

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

OPEN_PATHS = ("/health",)
"""Asked by supervisors, who have no token."""

_METHODS = ("GET", "HEAD", "POST", "OPTIONS")
_HEADERS = {
    NOTICE_HEADER: NOTICE,
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'",
}
_SPARE_BYTES = 2**16  # of a multipart body around its files

logger = logging.getLogger(__name__)


class Meters:
    """What is counted, for Prometheus; nothing of a person is in it."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "lungscan_requests",
            "Requests by what became of them.",
            ("path", "method", "status"),
            registry=self.registry,
        )
        self.seconds = Histogram(
            "lungscan_request_seconds",
            "From a request's head to the end of its answer.",
            ("path",),
            registry=self.registry,
        )
        self.answers = Counter("lungscan_answers", "Answers by model.", ("model",), registry=self.registry)
        self.rejects = Counter("lungscan_rejects", "Files turned away, by code.", ("code",), registry=self.registry)
        self.here = Gauge("lungscan_requests_here", "Requests that wait or are worked on.", registry=self.registry)


def is_loopback(host: str) -> bool:
    """Tell whether an address, or ``localhost``, is reached from this machine only."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"


class Guard:
    """The outermost layer of an ASGI application.

    Args:
        app: What answers.
        paths: What it answers at; in the log and in the numbers other paths are only "other".
        desk: Where a request with files takes a place.
        meters: What is counted.
        token: Whoever asks must have it; None lets in whoever names this machine by a loopback name.
        body_bytes: Most bytes of a request.
    """

    def __init__(
        self,
        app: Callable[..., Awaitable[None]],
        paths: frozenset[str],
        desk: Desk,
        meters: Meters,
        token: str | None,
        body_bytes: int,
    ) -> None:
        self._app, self._paths, self._desk, self._meters = app, paths, desk, meters
        self._token = None if token is None else token.encode()
        self._body_bytes = body_bytes

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer one request, or pass it on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = _Request(scope, receive, send, self._body_bytes, self._desk.seconds)
        try:
            with ExitStack() as stack:
                refusal = self._refusal(scope, stack)
                if refusal is not None:
                    await refusal(scope, receive, request.send)
                else:
                    await self._app(scope, request.receive, request.send)
        finally:
            self._note(scope, request)

    def _refusal(self, scope: Message, stack: ExitStack) -> Response | None:
        headers = Headers(scope=scope)
        if self._token is None and not is_loopback(headers.get("host", "").rsplit(":", 1)[0]):
            return problem(421, "host", "this service answers under the names of this machine only")
        if self._token is not None and scope["path"] not in OPEN_PATHS and not self._knows(headers):
            sentence = "expected the header `Authorization: Bearer TOKEN` with the token of this service"
            return problem(401, "token", sentence, {"WWW-Authenticate": "Bearer"})
        if not headers.get("content-length", "0").isdecimal():
            return problem(400, "request", "its Content-Length is no number")
        if int(headers.get("content-length", "0")) > self._body_bytes + _SPARE_BYTES:
            return _too_large(self._body_bytes)
        if scope["method"] == "POST":
            try:
                stack.enter_context(self._desk.place())
            except Busy as busy:
                sentence = f"all {self._desk.places} places are taken; try again after {busy.retry_after} s"
                return problem(429, "busy", sentence, {"Retry-After": str(busy.retry_after)})
        return None

    def _knows(self, headers: Headers) -> bool:
        scheme, _, given = headers.get("authorization", "").partition(" ")
        return hmac.compare_digest(given.strip().encode(), self._token) and scheme.lower() == "bearer"

    def _note(self, scope: Message, request: _Request) -> None:
        """Count and log a request, without anything that may name a person: no query, no file name, no address."""
        path = scope["path"] if scope["path"] in self._paths else "other"
        method = scope["method"] if scope["method"] in _METHODS else "other"
        seconds = time.monotonic() - request.began
        self._meters.requests.labels(path, method, str(request.status)).inc()
        self._meters.seconds.labels(path).observe(seconds)
        logger.info("%s %s %s %.3f s", method, path, request.status, seconds)


class _Request:
    """A request on its way: its body is counted and timed, its answer gets our headers."""

    def __init__(self, scope: Message, receive: Receive, send: Send, body_bytes: int, seconds: float) -> None:
        self._scope, self._receive, self._send = scope, receive, send
        self._body_bytes, self._limit = body_bytes, body_bytes + _SPARE_BYTES
        self.began = time.monotonic()
        self._deadline = self.began + seconds
        self._bytes = 0
        self._has_body = True
        self._refusal: Response | None = None
        self.status = 0

    async def receive(self) -> Message:
        """Return the next part of the body; one that is too much, or too late, is the end of the request."""
        if self._refusal is not None:
            return {"type": "http.disconnect"}
        if not self._has_body:
            return await self._receive()  # nothing more comes but the end
        try:
            message = await asyncio.wait_for(self._receive(), max(0.0, self._deadline - time.monotonic()))
        except (TimeoutError, asyncio.TimeoutError):
            return self._refused(problem(408, "slow-request", "the request did not arrive within the deadline"))
        self._bytes += len(message.get("body", b""))
        self._has_body = message.get("more_body", False)
        if self._bytes > self._limit:
            return self._refused(_too_large(self._body_bytes))
        return message

    async def send(self, message: Message) -> None:
        """Send what the application answers, unless the request was refused meanwhile."""
        if self.status and message["type"] == "http.response.start":
            return
        if self._refusal is not None and not self.status:
            self.status = self._refusal.status_code
            await self._refusal(self._scope, self._receive, self._send_with_headers)
        elif self._refusal is None:
            await self._send_with_headers(message)

    async def _send_with_headers(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = MutableHeaders(scope=message)
            for name, value in _HEADERS.items():
                headers[name] = value
            if self._refusal is not None:
                headers["Connection"] = "close"
        await self._send(message)

    def _refused(self, refusal: Response) -> Message:
        self._refusal = refusal
        return {"type": "http.disconnect"}


def _too_large(body_bytes: int) -> Response:
    return problem(413, "body-too-large", f"a request may have {body_bytes} bytes", {"Connection": "close"})
