"""Certificates of people and authorities, made by openssl for one test run."""

from __future__ import annotations

import shutil
import ssl
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

_PERSON = ("-newkey", "rsa:2048", "-nodes", "-days", "2", "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost")


@dataclass(frozen=True)
class Person:
    """Somebody with a certificate, signed by an authority."""

    certificate: Path
    key: Path
    authority: Path

    def client_context(self) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=self.authority)
        context.load_cert_chain(self.certificate, self.key)
        return context

    def server_context(self) -> ssl.SSLContext:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=self.authority)
        context.load_cert_chain(self.certificate, self.key)
        context.verify_mode = ssl.CERT_REQUIRED
        return context

    def dcmtk_options(self) -> list[str]:
        return ["+tls", str(self.key), str(self.certificate), "+cf", str(self.authority)]


def _openssl(*words: str | Path) -> None:
    subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True, timeout=60)


def _authority(folder: Path) -> Path:
    folder.mkdir()
    paths = ("-keyout", folder / "ca.key", "-out", folder / "ca.pem")
    _openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=Authority", *paths)
    return folder


def _person(authority: Path, name: str) -> Person:
    key, certificate = authority / f"{name}.key", authority / f"{name}.pem"
    signed = ("-CA", authority / "ca.pem", "-CAkey", authority / "ca.key")
    _openssl("req", "-x509", *_PERSON, "-subj", f"/CN={name}", *signed, "-keyout", key, "-out", certificate)
    return Person(certificate, key, authority / "ca.pem")


def make_people(folder: Path) -> dict[str, Person]:
    """Return the node and the PACS, of one authority, and a stranger, of another; skip where openssl is missing."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed; it makes certificates")
    hospital, elsewhere = _authority(folder / "hospital"), _authority(folder / "elsewhere")
    return {
        "node": _person(hospital, "node"),
        "pacs": _person(hospital, "pacs"),
        "stranger": _person(elsewhere, "stranger"),
    }
