"""How the web app was started, as it is handed over to the process that serves it."""

from __future__ import annotations

import hmac
import json
from dataclasses import asdict, dataclass
from pathlib import Path

from lungscan_monai.errors import ConfigError

LOOPBACK = ("127.0.0.1", "::1", "localhost")
"""Hosts that nobody else can reach."""

SHORTEST_TOKEN = 16
"""Characters."""


@dataclass(frozen=True)
class AppSettings:
    """How the app was started.

    Args:
        bundles: Folders of the bundles offered.
        url_hosts: Hosts that images may be fetched from; none by default.
        token_file: File whose first line visitors must know; None asks nobody.
        language: The language that the app begins in.
    """

    bundles: tuple[str, ...]
    url_hosts: tuple[str, ...] = ()
    token_file: str | None = None
    language: str = "en"

    def to_argument(self) -> str:
        """Return it as one argument of a command line."""
        return json.dumps(asdict(self))

    @classmethod
    def from_argument(cls, argument: str) -> AppSettings:
        """Return what :meth:`to_argument` made an argument of."""
        content = json.loads(argument)
        return cls(tuple(content["bundles"]), tuple(content["url_hosts"]), content["token_file"], content["language"])


def read_token(path: str | Path) -> str:
    """Return the token that a file holds.

    Raises:
        ConfigError: If it cannot be read, or is too short to be one.
    """
    try:
        token = Path(path).read_text(encoding="utf-8").partition("\n")[0].strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: the token cannot be read ({type(error).__name__})") from error
    if len(token) < SHORTEST_TOKEN:
        raise ConfigError(f"{path}: a token has at least {SHORTEST_TOKEN} characters; `openssl rand -hex 32` makes one")
    return token


def is_token(given: str, token: str) -> bool:
    """Tell whether a token is the right one, in a time that does not tell how much of it is."""
    return hmac.compare_digest(given.encode(), token.encode())


def require_token_beyond_loopback(host: str, token_file: Path | None) -> None:
    """Check that a service open to a network asks for a token.

    Raises:
        ConfigError: If it does not, or the token cannot be used.
    """
    if token_file is not None:
        read_token(token_file)
    elif host not in LOOPBACK:
        raise ConfigError(f"--host {host} opens this to a network; give --token-file, too: a file with a secret line")
