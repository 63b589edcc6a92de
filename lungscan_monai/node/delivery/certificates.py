"""Certificates for TLS: whom to believe, and who we are."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path

from lungscan_monai.errors import ConfigError


@dataclass(frozen=True)
class Certificates:
    """PEM files for a TLS connection.

    Args:
        authority: The authority that signed the peer's certificate; None for those that the system trusts.
        certificate: Our own, if the peer asks for one.
        key: The private key of `certificate`.

    Raises:
        ConfigError: If a file is missing, or only one of `certificate` and `key` is given.
    """

    authority: Path | None = None
    certificate: Path | None = None
    key: Path | None = None

    def __post_init__(self) -> None:
        if (self.certificate is None) != (self.key is None):
            raise ConfigError("tls: `certificate` and `key` belong together, expected both or neither")
        for name in ("authority", "certificate", "key"):
            path = getattr(self, name)
            if path is not None and not path.is_file():
                raise ConfigError(f"tls: {name} {path}: expected a PEM file, there is none")

    def context(self) -> ssl.SSLContext:
        """Return the client's side of TLS 1.2 or later; the peer's certificate and its host name are checked.

        Raises:
            ConfigError: If a file is no certificate, or a key does not fit its certificate.
        """
        try:
            context = ssl.create_default_context(cafile=self.authority)
            context.minimum_version = ssl.TLSVersion.TLSv1_2
            if self.certificate is not None:
                context.load_cert_chain(self.certificate, self.key)
        except (ssl.SSLError, OSError) as error:
            raise ConfigError(f"tls: the PEM files cannot be used together ({error})") from error
        return context
