"""A file from a URL that a person pasted: only from hosts on a list, only from addresses of the public internet.

The name of the host is resolved once; every address it has is looked at, and the connection goes to the one that was
looked at, so that a name cannot point elsewhere between the two. A redirect is a new URL and passes everything again.
"""

from __future__ import annotations

import contextlib
import http.client
import ipaddress
import socket
import ssl
import threading
import time
import urllib.parse
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from lungscan_monai.apps.uploads import Upload
from lungscan_monai.errors import ReadError

FETCH_CODES = {
    "url-off": "No host is on the list, so nothing is fetched.",
    "url-malformed": "It is no plain URL: another form, a user name in it, characters that need escapes.",
    "url-scheme": "Another scheme than those allowed.",
    "url-host": "The host is not on the list.",
    "url-port": "Another port than those allowed.",
    "url-address": "The host's name leads to an address that is not of the public internet.",
    "url-redirects": "Too many redirects, or one that leads nowhere.",
    "url-unreachable": "The host has no address, does not answer, or stops in the middle.",
    "url-status": "The host answers with something else than the file.",
    "url-time": "It took longer than the limit.",
    "url-size": "The file is larger than the limit.",
}
"""Code -> meaning, for what cannot be fetched."""

Resolve = Callable[[str, int], list[str]]
"""From the name of a host and a port to its addresses; OSError if it has none."""

Connect = Callable[[str, int, float], socket.socket]
"""From an address, a port and seconds to a connection; OSError if there is none."""

_REDIRECTS = 3
_REDIRECTING = (301, 302, 303, 307, 308)
_BLOCK = 2**16
_CARRY_IPV4 = tuple(map(ipaddress.ip_network, ("::/96", "64:ff9b::/96", "64:ff9b:1::/48", "2001::/32", "2002::/16")))


@dataclass(frozen=True)
class FetchRules:
    """From where files may be fetched; from nowhere, unless hosts are named.

    Args:
        hosts: Names of hosts, letter by letter; a name covers no other below it.
        schemes: ``https``, and ``http`` where somebody insists.
        ports: Ports that may be named, or stand for a scheme.
        max_bytes: Size of a file.
        seconds: For everything after the name of the host is resolved.
    """

    hosts: tuple[str, ...] = ()
    schemes: tuple[str, ...] = ("https",)
    ports: tuple[int, ...] = (443,)
    max_bytes: int = 2**26
    seconds: float = 20.0


@dataclass(frozen=True)
class _Target:
    scheme: str
    host: str
    port: int
    request: str


def resolve_host(host: str, port: int) -> list[str]:
    """Return the addresses of a host.

    Raises:
        OSError: If it has none.
    """
    return [found[4][0] for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


def connect_to(address: str, port: int, seconds: float) -> socket.socket:
    """Connect to an address; names are not taken here.

    Raises:
        OSError: If there is no connection.
    """
    return socket.create_connection((str(ipaddress.ip_address(address)), port), seconds)


def fetch(url: str, rules: FetchRules, resolve: Resolve = resolve_host, connect: Connect = connect_to) -> Upload:
    """Fetch a file; whether it is a picture is for :class:`~lungscan_monai.apps.uploads.UploadFolder` to see.

    Args:
        url: As it was pasted.
        rules: From where files may be fetched.
        resolve: What finds addresses.
        connect: What connects to one.

    Raises:
        ReadError: With a code of :data:`FETCH_CODES`; it names the host at most, never the whole URL.
    """
    if not rules.hosts:
        raise ReadError("URL", "url-off", "files are not fetched here; whoever runs this can allow single hosts")
    deadline = time.monotonic() + rules.seconds
    for _ in range(1 + _REDIRECTS):
        target = _checked(url, rules)
        found = _ask(target, _public_address(target, resolve), rules, deadline, connect)
        if isinstance(found, bytes):
            return Upload(urllib.parse.unquote(target.request.partition("?")[0].rpartition("/")[2]), found)
        url = urllib.parse.urljoin(url, found)
    raise ReadError(target.host, "url-redirects", f"redirects more than {_REDIRECTS} times")


def _checked(url: str, rules: FetchRules) -> _Target:
    if not url.isascii() or not url.isprintable() or any(char in url for char in ' \\<>"'):
        raise ReadError("URL", "url-malformed", "has characters that a URL must escape")
    try:
        parts = urllib.parse.urlsplit(url)
        port = parts.port or {"https": 443, "http": 80}.get(parts.scheme, 0)
    except ValueError as error:
        raise ReadError("URL", "url-malformed", "is no URL") from error
    if parts.scheme not in rules.schemes:
        raise ReadError("URL", "url-scheme", f"must begin with {' or '.join(rules.schemes)}://")
    if "@" in parts.netloc or not parts.hostname:
        raise ReadError("URL", "url-malformed", "must name a host, and no user")
    host = parts.hostname
    if host not in {name.lower() for name in rules.hosts}:
        raise ReadError("URL", "url-host", "its host is not on the list of allowed hosts")
    if port not in rules.ports:
        raise ReadError(host, "url-port", f"port {port} is not allowed")
    query = f"?{parts.query}" if parts.query else ""
    return _Target(parts.scheme, host, port, (parts.path or "/") + query)


def _public_address(target: _Target, resolve: Resolve) -> str:
    try:
        addresses = resolve(target.host, target.port)
    except (OSError, UnicodeError) as error:
        raise ReadError(target.host, "url-unreachable", "has no address") from error
    if not addresses:
        raise ReadError(target.host, "url-unreachable", "has no address")
    if not all(map(is_public, addresses)):
        raise ReadError(target.host, "url-address", "leads to an address that is not of the public internet")
    return addresses[0]


def is_public(address: str) -> bool:
    """Tell whether an address is of the public internet, for one host, and not another one in disguise.

    Example:
        >>> is_public("10.0.0.7"), is_public("::ffff:127.0.0.1"), is_public("93.184.216.34")
        (False, False, True)
    """
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(found, ipaddress.IPv6Address) and (found.ipv4_mapped or any(found in net for net in _CARRY_IPV4)):
        return False
    return found.is_global and not (found.is_multicast or found.is_reserved or found.is_loopback or found.is_link_local)


def _ask(target: _Target, address: str, rules: FetchRules, deadline: float, connect: Connect) -> bytes | str:
    """Return the file, or where the host says that it is."""
    try:
        with _connected(target, address, deadline, connect) as connection:
            host = target.host if target.port in (80, 443) else f"{target.host}:{target.port}"
            connection.request("GET", target.request, headers={"Host": host, "Accept-Encoding": "identity"})
            found = _answer(connection.getresponse(), target.host, rules)
            if time.monotonic() >= deadline:  # what was cut may look whole
                raise TimeoutError
            return found
    except (OSError, ValueError, http.client.HTTPException) as error:
        if isinstance(error, ReadError):
            raise
        if time.monotonic() >= deadline:
            raise ReadError(target.host, "url-time", f"took longer than {rules.seconds:g} s") from error
        reason = f"cannot be reached, or stopped in the middle ({type(error).__name__})"
        raise ReadError(target.host, "url-unreachable", reason) from error


@contextlib.contextmanager
def _connected(
    target: _Target, address: str, deadline: float, connect: Connect
) -> Iterator[http.client.HTTPConnection]:
    """Give a connection to that very address, which is cut when the time is over, whatever drips through it."""
    seconds = deadline - time.monotonic()
    if seconds <= 0:
        raise TimeoutError
    with connect(address, target.port, seconds) as plain, plain.dup() as twin:
        watch = threading.Timer(max(0.0, deadline - time.monotonic()), _cut, [twin])
        watch.start()
        try:
            line = plain
            if target.scheme == "https":
                line = ssl.create_default_context().wrap_socket(plain, server_hostname=target.host)
            with line:
                connection = http.client.HTTPConnection(target.host, target.port)
                connection.auto_open = 0
                connection.sock = line
                yield connection
        finally:
            watch.cancel()
            watch.join()


def _cut(line: socket.socket) -> None:
    with contextlib.suppress(OSError):  # it is closed already
        line.shutdown(socket.SHUT_RDWR)


def _answer(response: http.client.HTTPResponse, host: str, rules: FetchRules) -> bytes | str:
    if response.status in _REDIRECTING:
        if not (place := response.getheader("Location")):
            raise ReadError(host, "url-redirects", "redirects to nowhere")
        return place
    if response.status != http.HTTPStatus.OK:
        raise ReadError(host, "url-status", f"answers with status {response.status}")
    if response.getheader("Content-Encoding", "identity") != "identity":
        raise ReadError(host, "url-status", "answers with a packed file, which was not asked for")
    content = bytearray()
    while block := response.read(_BLOCK):
        content += block
        if len(content) > rules.max_bytes:
            raise ReadError(host, "url-size", f"the file has more than {rules.max_bytes} bytes")
    if response.length:
        raise http.client.IncompleteRead(b"", response.length)
    return bytes(content)
