"""What answers of a DICOMweb service mean, and how it is asked."""

from __future__ import annotations

import base64
import datetime
import email.utils

import pytest
from peers import stub_server

from lungscan_monai.errors import ConfigError, NetworkError
from lungscan_monai.node.delivery.certificates import Certificates
from lungscan_monai.node.delivery.web import LONGEST_PAUSE, WebAddress, WebService, single_value


def ask(url: str, **more) -> list[dict]:
    return WebService(WebAddress(url, seconds=10.0, **more)).ask("/studies", {"limit": 1})


@pytest.mark.parametrize(
    ("status", "retryable"),
    [(503, True), (429, True), (500, True), (502, True), (507, True), (400, False), (401, False), (403, False)],
)
def test_a_status_says_whether_to_try_again(status, retryable):
    with (
        stub_server((status, {}, b"Doe^Jane")) as (url, _),
        pytest.raises(NetworkError, match=f"GET with {status}") as caught,
    ):
        ask(url)
    assert caught.value.retryable is retryable
    assert "Doe" not in str(caught.value)


def _in_a_minute() -> str:
    return email.utils.format_datetime(datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(minutes=1))


@pytest.mark.parametrize(
    ("header", "low", "high"),
    [
        (lambda: "7", 7, 7),
        (_in_a_minute, 30, 61),
        (lambda: "Sat, 01 Jan 2000 00:00:00 GMT", 0, 0),
        (lambda: "1e9", LONGEST_PAUSE, LONGEST_PAUSE),
    ],
    ids=["seconds", "date to come", "date gone", "too long"],
)
def test_a_server_may_say_when_to_come_again(header, low, high):
    with stub_server((503, {"Retry-After": header()}, b"")) as (url, _), pytest.raises(NetworkError) as caught:
        ask(url)
    assert low <= caught.value.retry_after <= high


@pytest.mark.parametrize("header", ["soon", "nan", "inf"])
def test_a_pause_that_is_none_is_not_heard(header):
    with stub_server((503, {"Retry-After": header}, b"")) as (url, _), pytest.raises(NetworkError) as caught:
        ask(url)
    assert caught.value.retry_after is None


def test_a_redirect_is_not_followed():
    moved = (302, {"Location": "http://127.0.0.1:1/"}, b"")
    with stub_server(moved) as (url, _), pytest.raises(NetworkError, match="give its final address") as caught:
        ask(url)
    assert not caught.value.retryable


@pytest.mark.parametrize("status", [204, 404])
def test_nothing_found_is_an_empty_list(status):
    with stub_server((status, {}, b"")) as (url, _):
        assert ask(url) == []


@pytest.mark.parametrize("body", [b"<html>", b'{"a": 1}', b"[1]", b"\xff"])
def test_an_answer_that_is_no_list_of_matches_is_said_so(body):
    with stub_server((200, {}, body)) as (url, _), pytest.raises(NetworkError, match="search was not answered"):
        ask(url)


def test_an_answer_cut_short_is_tried_again():
    with stub_server((200, {"Content-Length": "1000"}, b"[]")) as (url, _), pytest.raises(NetworkError) as caught:
        ask(url)
    assert caught.value.retryable


def test_an_object_beyond_the_limit_is_not_taken():
    with stub_server((200, {"Content-Type": "application/dicom"}, b"0" * 2000)) as (url, _):
        service = WebService(WebAddress(url))
        assert service.fetch("/x", 2000) == b"0" * 2000
        with pytest.raises(NetworkError, match="more than 1999 bytes"):
            service.fetch("/x", 1999)


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("text/html", b"<html>"),
        ("multipart/related; boundary=abc", b"--abc\r\nContent-Type: application/dicom\r\n\r\nDICM"),
        ("multipart/related; boundary=abc", b"nothing\r\n\r\n"),
    ],
)
def test_an_object_in_no_envelope_is_refused(kind, body):
    with (
        stub_server((200, {"Content-Type": kind}, body)) as (url, _),
        pytest.raises(NetworkError, match="an object came"),
    ):
        WebService(WebAddress(url)).fetch("/x", 1000)


def test_the_token_is_read_for_each_request(tmp_path):
    token = tmp_path / "token"
    with stub_server((204, {}, b"")) as (url, requests):
        service = WebService(WebAddress(url, token_file=token))
        for text in ("first\n", "second"):
            token.write_text(text)
            service.ask("/studies", {})
    assert [headers["Authorization"] for _, _, headers in requests] == ["Bearer first", "Bearer second"]


def test_name_and_password_go_as_basic_authentication(tmp_path):
    (tmp_path / "password").write_text("s3cret\n")
    with stub_server((204, {}, b"")) as (url, requests):
        ask(url, user="node", password_file=tmp_path / "password")
    assert base64.b64decode(requests[0][2]["Authorization"].removeprefix("Basic ")) == b"node:s3cret"


def test_a_missing_token_is_said_before_anything_is_sent(tmp_path):
    said = "token_file .* cannot be read .*nothing was sent"
    with stub_server((204, {}, b"")) as (url, requests), pytest.raises(NetworkError, match=said) as caught:
        ask(url, token_file=tmp_path / "token")
    assert not caught.value.retryable
    assert requests == []


def test_a_token_of_two_lines_is_none(tmp_path):
    (tmp_path / "token").write_text("one\ntwo")
    with pytest.raises(NetworkError, match="one line"):
        ask("http://127.0.0.1:1", token_file=tmp_path / "token")


def test_a_server_that_wants_a_certificate_is_shown_ours(people, tmp_path):
    node, pacs = people["node"], people["pacs"]
    (tmp_path / "token").write_text("secret")
    ours = Certificates(node.authority, node.certificate, node.key)
    with stub_server((204, {}, b""), tls=pacs.server_context()) as (url, requests):
        assert ask(url, certificates=ours, token_file=tmp_path / "token") == []
        assert requests[0][2]["Authorization"] == "Bearer secret"
        with pytest.raises(NetworkError):
            ask(url, certificates=Certificates(node.authority))
        assert len(requests) == 1


def test_a_certificate_of_an_authority_that_is_not_ours_is_refused(people):
    node, pacs = people["node"], people["pacs"]
    theirs = Certificates(people["stranger"].authority, node.certificate, node.key)
    said = "does `authority` know its certificate"
    with (
        stub_server((204, {}, b""), tls=pacs.server_context()) as (url, requests),
        pytest.raises(NetworkError, match=said) as caught,
    ):
        ask(url, certificates=theirs)
    assert not caught.value.retryable and requests == []


def test_a_server_without_tls_is_not_asked_where_tls_is_wanted():
    with stub_server((204, {}, b"")) as (url, _), pytest.raises(NetworkError, match="TLS failed") as caught:
        ask(url.replace("http:", "https:"))
    assert not caught.value.retryable


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"url": "pacs.example/dicom-web"}, "url"),
        ({"url": "https://me:secret@pacs.example"}, "url"),
        ({"url": "http://pacs.example", "token_file": "t"}, "unencrypted"),
        ({"url": "https://pacs.example", "user": "node"}, "password_file"),
        ({"url": "https://pacs.example", "user": "node", "password_file": "p", "token_file": "t"}, "got both"),
    ],
)
def test_an_address_that_cannot_be_is_refused(values, named):
    with pytest.raises(ConfigError, match=named):
        WebAddress(**values)


@pytest.mark.parametrize(
    ("element", "value"),
    [
        ({"Value": ["1"]}, "1"),
        ({"Value": [3]}, "3"),
        ({"Value": ["1", "2"]}, None),
        ({}, None),
        (7, None),
        ({"Value": 7}, None),
    ],
)
def test_an_element_of_dicom_json_gives_its_one_value(element, value):
    assert single_value({"00200013": element}, "InstanceNumber") == value
