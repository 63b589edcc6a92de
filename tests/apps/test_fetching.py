from __future__ import annotations

import contextlib
import shutil
import socket
import ssl
import subprocess
import threading
import time

import pytest

from lungscan_monai.apps.fetching import FETCH_CODES, FetchRules, connect_to, fetch, is_public
from lungscan_monai.errors import ReadError

PUBLIC = "93.184.216.34"
RULES = FetchRules(("images.example.org",), ("http", "https"), (80, 443), max_bytes=1000, seconds=5)
INSIDE = (
    ["127.0.0.1", "127.8.8.8", "0.0.0.0", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1"]
    + ["224.0.0.1", "239.1.1.1", "240.0.0.1", "255.255.255.255", "192.0.2.1", "198.18.0.1", "::", "::1", "fe80::1"]
    + ["fe80::1%eth0", "fc00::1", "fd12::1", "ff02::1", "::ffff:127.0.0.1", "::ffff:93.184.216.34", "::7f00:1"]
    + ["64:ff9b::7f00:1", "64:ff9b:1::1", "2002:7f00:1::", "2001:0:53aa:64c:0:0:80ff:fffe", "2001:db8::1", "localhost"]
)


class Internet:
    """Stands in for the resolver and the connector: hosts have addresses, addresses have answers."""

    def __init__(self, addresses: list[str] | None = None, *answers: bytes, drip: float = 0) -> None:
        self.addresses = [PUBLIC] if addresses is None else addresses
        self.answers, self.drip = list(answers), drip
        self.resolved: list[str] = []
        self.connected: list[tuple[str, int]] = []
        self.requests: list[str] = []

    def resolve(self, host: str, port: int) -> list[str]:
        self.resolved.append(host)
        return self.addresses

    def connect(self, address: str, port: int, seconds: float) -> socket.socket:
        self.connected.append((address, port))
        ours, theirs = socket.socketpair()
        ours.settimeout(seconds)
        threading.Thread(target=self._serve, args=(theirs, self.answers.pop(0)), daemon=True).start()
        return ours

    def _serve(self, line: socket.socket, answer: bytes) -> None:
        with line, contextlib.suppress(OSError):
            self.requests.append(line.recv(65536).decode())
            for start in range(0, len(answer), 1 if self.drip else len(answer)):
                line.sendall(answer[start : start + 1] if self.drip else answer)
                time.sleep(self.drip)

    def fetch(self, url: str = "http://images.example.org/a/chest%20x.png?size=2", rules: FetchRules = RULES):
        return fetch(url, rules, self.resolve, self.connect)

    def code(self, url: str = "http://images.example.org/x.png", rules: FetchRules = RULES) -> str:
        with pytest.raises(ReadError) as caught:
            self.fetch(url, rules)
        assert caught.value.code in FETCH_CODES and "secret" not in str(caught.value)
        return caught.value.code


def ok(content: bytes, *headers: str) -> bytes:
    lines = ["HTTP/1.1 200 OK", *headers, f"Content-Length: {len(content)}", "", ""]
    return "\r\n".join(lines).encode() + content


def redirect(place: str) -> bytes:
    return f"HTTP/1.1 302 Found\r\nLocation: {place}\r\nContent-Length: 0\r\n\r\n".encode()


def test_a_file_comes_from_the_address_that_was_looked_at():
    internet = Internet([PUBLIC, "2606:2800:220:1::1"], ok(b"picture"))
    found = internet.fetch()
    assert (found.name, found.content) == ("chest x.png", b"picture")
    assert internet.resolved == ["images.example.org"] and internet.connected == [(PUBLIC, 80)]
    assert internet.requests[0].startswith("GET /a/chest%20x.png?size=2 HTTP/1.1\r\nHost: images.example.org\r\n")


def test_nothing_is_fetched_unless_hosts_are_named():
    internet = Internet(None, ok(b""))
    assert internet.code(rules=FetchRules()) == "url-off" and not internet.resolved


@pytest.mark.parametrize("address", INSIDE)
def test_nothing_connects_to_an_address_inside(address):
    assert not is_public(address)
    for addresses in ([address], [PUBLIC, address]):
        internet = Internet(addresses, ok(b""))
        assert internet.code() == "url-address" and internet.connected == []


@pytest.mark.parametrize("address", [PUBLIC, "8.8.8.8", "2606:2800:220:1::1"])
def test_addresses_of_the_internet_are_public(address):
    assert is_public(address)


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("file:///etc/passwd", "url-scheme"),
        ("ftp://images.example.org/x", "url-scheme"),
        ("gopher://images.example.org/x", "url-scheme"),
        ("data:image/png;base64,AAAA", "url-scheme"),
        ("//images.example.org/x", "url-scheme"),
        ("images.example.org/x", "url-scheme"),
        ("http://secret@images.example.org/x", "url-malformed"),
        ("http://images.example.org@evil.example/secret", "url-malformed"),
        ("http://images.example.org\\@evil.example/", "url-malformed"),
        ("http://images.example.org/a b", "url-malformed"),
        ("http://images.example.org/\r\nX-Secret: secret", "url-malformed"),
        ("http://images.example.org:99999/", "url-malformed"),
        ("http://[::1", "url-malformed"),
        ("http:///x", "url-malformed"),
        ("http://ｉmages.example.org/x", "url-malformed"),
        ("http://images.example.org:22/x", "url-port"),
        ("http://images.example.org.evil.example/x", "url-host"),
        ("http://sub.images.example.org/x", "url-host"),
        ("http://evil.example/secret", "url-host"),
        ("http://127.0.0.1/x", "url-host"),
        ("http://0x7f.1/x", "url-host"),
        ("http://2130706433/x", "url-host"),
        ("http://[::ffff:127.0.0.1]/x", "url-host"),
    ],
)
def test_what_is_refused_by_its_url_alone_is_not_even_resolved(url, code):
    internet = Internet(None, ok(b""))
    assert internet.code(url) == code and not internet.resolved and not internet.connected


def test_http_is_refused_unless_it_is_allowed():
    assert Internet(None, ok(b"")).code(rules=FetchRules(("images.example.org",))) == "url-scheme"


def test_an_address_on_the_list_of_hosts_is_looked_at_like_any_other():
    internet = Internet(["127.0.0.1"], ok(b""))
    assert internet.code("http://127.0.0.1/x", FetchRules(("127.0.0.1",), ("http",), (80,))) == "url-address"
    assert internet.connected == []


def test_a_redirect_is_checked_as_a_new_url():
    internet = Internet(None, redirect("/b.png"), ok(b"there"))
    assert internet.fetch().content == b"there" and len(internet.resolved) == 2
    for place, code in [
        ("http://127.0.0.1/", "url-host"),
        ("http://evil.example/", "url-host"),
        ("file:///etc/passwd", "url-scheme"),
        ("//images.example.org:22/", "url-port"),
    ]:
        internet = Internet(None, redirect(place))
        assert internet.code() == code and internet.connected == [(PUBLIC, 80)]
    assert Internet(None, *[redirect("/again")] * 9).code() == "url-redirects"


def test_a_name_that_points_inside_the_second_time_is_refused():
    internet = Internet(None, redirect("/b.png"), ok(b"there"))
    addresses = iter([[PUBLIC], ["10.0.0.1"]])
    internet.resolve = lambda host, port: next(addresses)
    assert internet.code() == "url-address" and internet.connected == [(PUBLIC, 80)]


def test_size_is_limited_whatever_the_header_says():
    assert Internet(None, ok(bytes(1001))).code() == "url-size"
    assert Internet(None, b"HTTP/1.1 200 OK\r\n\r\n" + bytes(5000)).code() == "url-size"
    assert Internet(None, ok(bytes(1000))).fetch().content == bytes(1000)


def test_time_is_limited_for_what_drips():
    start = time.monotonic()
    slow = FetchRules(RULES.hosts, RULES.schemes, RULES.ports, seconds=0.6)
    assert Internet(None, ok(bytes(900)), drip=0.05).code(rules=slow) == "url-time"
    assert time.monotonic() - start < 5


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "url-status"),
        (b"HTTP/1.1 206 Partial\r\nContent-Length: 0\r\n\r\n", "url-status"),
        (b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n", "url-redirects"),
        (ok(b"x", "Content-Encoding: gzip"), "url-status"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort", "url-unreachable"),
        (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200 + b"\r\n", "url-unreachable"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "url-unreachable"),
        (b"no http at all\r\n\r\n", "url-unreachable"),
        (b"", "url-unreachable"),
    ],
)
def test_every_odd_answer_has_a_code(answer, code):
    assert Internet(None, answer or b"\0").code() == code


def test_a_host_without_an_address_is_unreachable():
    internet = Internet([])
    assert internet.code() == "url-unreachable"
    internet.resolve = lambda host, port: socket.getaddrinfo("host.invalid", port)
    assert internet.code() == "url-unreachable"


def test_the_connector_takes_addresses_only():
    with pytest.raises(ValueError, match="localhost"):
        connect_to("localhost", 80, 1)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    folder = tmp_path_factory.mktemp("tls")
    names = ["-subj", "/CN=images.example.org", "-addext", "subjectAltName=DNS:images.example.org"]
    files = ["-keyout", folder / "key.pem", "-out", folder / "cert.pem"]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *names, *files]
    subprocess.run(command, check=True, capture_output=True)
    return folder


class Tls(Internet):
    certificate = None

    def _serve(self, line: socket.socket, answer: bytes) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate / "cert.pem", self.certificate / "key.pem")
        with contextlib.suppress(OSError):
            super()._serve(context.wrap_socket(line, server_side=True), answer)


def test_the_certificate_must_be_the_hosts_and_trusted(certificate, monkeypatch):
    def internet(name: str = "images.example.org"):
        made = Tls(None, ok(b"safe"))
        made.certificate = certificate
        return made, f"https://{name}/x.png", FetchRules((name,))

    made, url, rules = internet()
    assert made.code(url, rules) == "url-unreachable"  # not trusted
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate / "cert.pem"))
    made, url, rules = internet()
    assert made.fetch(url, rules).content == b"safe" and made.connected == [(PUBLIC, 443)]
    made, url, rules = internet("other.example.org")
    assert made.code(url, rules) == "url-unreachable"
