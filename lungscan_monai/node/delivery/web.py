"""A DICOMweb service: who we are to it, and what its answers mean. Nothing of an answer's text is quoted."""

from __future__ import annotations

import base64
import datetime
import email.utils
import ipaddress
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import requests
from pydicom.datadict import tag_for_keyword

from lungscan_monai.errors import ConfigError, NetworkError, chain_of
from lungscan_monai.node.delivery.certificates import Certificates

DICOM_JSON = "application/dicom+json"
LARGEST_LIST = 1 << 28
"""Bytes of a list of studies, series or instances."""
LONGEST_PAUSE = 3600.0
"""Seconds that a server may ask to be left alone for."""

_LATER = {408, 425, 429, 500, 502, 503, 504, 507}
_BLOCK = 1 << 20
_BOUNDARY = re.compile(r'boundary="?([^";,]+)"?', re.IGNORECASE)


@dataclass(frozen=True)
class WebAddress:
    """Where a DICOMweb service is, and how to be let in.

    Args:
        url: Its root, for instance ``https://pacs.example/dicom-web``.
        token_file: File with a bearer token, read for each request, so that it may be renewed.
        user: Name for basic authentication.
        password_file: File with the password of `user`.
        certificates: For TLS; None for the system's authorities and no certificate of our own.
        seconds: How long to wait for a connection, and for each answer.

    Raises:
        ConfigError: If a part is missing, or a secret would travel without TLS to another machine.
    """

    url: str
    token_file: Path | None = None
    user: str | None = None
    password_file: Path | None = None
    certificates: Certificates | None = None
    seconds: float = 30.0

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ConfigError(f"url: expected the root of a DICOMweb service, https://..., got {self.url!r}")
        if parts.username or parts.password:
            raise ConfigError("url: holds a name or a password; they belong into `user` and `password_file`")
        if (self.user is None) != (self.password_file is None):
            raise ConfigError("`user` and `password_file` belong together, expected both or neither")
        if self.user is not None and self.token_file is not None:
            raise ConfigError("expected `token_file` or `user`, got both")
        secret = self.token_file or self.password_file
        if secret and parts.scheme == "http" and not _is_loopback(parts.hostname):
            raise ConfigError(f"url: {self.url} would take a secret over the network unencrypted; expected https://")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class WebService:
    """Requests to one DICOMweb service; redirects and the environment's proxies are not followed.

    Args:
        address: Where it is.
        name: What messages call it; its URL if None.
    """

    def __init__(self, address: WebAddress, name: str | None = None) -> None:
        self.name = name or address.url
        self._address = address
        self._session = requests.Session()
        self._session.trust_env = False
        certificates = address.certificates or Certificates()
        self._session.verify = str(certificates.authority) if certificates.authority else True
        if certificates.certificate:
            self._session.cert = (str(certificates.certificate), str(certificates.key))

    def ask(self, path: str, question: Mapping[str, str | int | list[str]]) -> list[dict]:
        """Search (QIDO-RS); return the matches as DICOM JSON.

        Args:
            path: Resource below the root.
            question: Parameters; a list repeats one. Orthanc overlooks lists with commas in them once they are encoded.

        Raises:
            NetworkError: If there is no answer, or none in DICOM JSON.
        """
        response, body = self._request("GET", path, params=question, headers={"Accept": DICOM_JSON}, absent=(204, 404))
        if response.status_code != 200:
            return []
        try:
            found = json.loads(body)
        except ValueError as error:
            raise NetworkError(f"{self.name}: a search was not answered in DICOM JSON", retryable=False) from error
        if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
            raise NetworkError(f"{self.name}: a search was not answered with a list of matches", retryable=False)
        return found

    def fetch(self, path: str, largest: int) -> bytes | None:
        """Retrieve one object as it is stored (WADO-RS); None if there is none.

        Args:
            path: Resource below the root.
            largest: Bytes that the answer may have.

        Raises:
            NetworkError: If there is no answer, or one that is larger or no DICOM.
        """
        accept = 'multipart/related; type="application/dicom"; transfer-syntax=*'
        response, body = self._request("GET", path, headers={"Accept": accept}, absent=(404, 410), largest=largest)
        if response.status_code != 200:
            return None
        kind = response.headers.get("Content-Type", "")
        return body if kind.startswith("application/dicom") else self._only_part(kind, body)

    def store(self, body: bytes, content_type: str) -> tuple[int, bytes]:
        """Store (STOW-RS); return the status, 200, 202 or 409, and the answer.

        Raises:
            NetworkError: If there is any other answer, or none.
        """
        headers = {"Accept": DICOM_JSON, "Content-Type": content_type}
        response, answer = self._request("POST", "/studies", data=body, headers=headers, absent=(202, 409))
        return response.status_code, answer

    def _only_part(self, content_type: str, body: bytes) -> bytes:
        boundary = _BOUNDARY.search(content_type)
        if boundary is None:
            raise NetworkError(f"{self.name}: an object came as {content_type[:60]!r}, not as DICOM", retryable=False)
        mark = b"--" + boundary[1].encode()
        start, end = body.find(b"\r\n\r\n") + 4, body.rfind(b"\r\n" + mark)
        if not body.lstrip().startswith(mark) or start < 4 or end < start:
            raise NetworkError(f"{self.name}: an object came without its beginning or its end", retryable=True)
        return body[start:end]

    def _request(
        self, method: str, path: str, absent: tuple[int, ...] = (), largest: int = LARGEST_LIST, **more: object
    ) -> tuple[requests.Response, bytes]:
        """Return an answer of status 200, or of one in `absent`, and its body."""
        headers = {**more.pop("headers", {}), **self._authorization()}
        try:
            with self._session.request(
                method,
                self._address.url.rstrip("/") + path,
                headers=headers,
                timeout=self._address.seconds,
                allow_redirects=False,
                stream=True,
                **more,
            ) as response:
                if response.status_code != 200 and response.status_code not in absent:
                    raise self._refusal(response)
                return response, self._body(response, largest)
        except requests.exceptions.SSLError as error:
            raise NetworkError(
                f"{self.name}: TLS failed ({_last(error)}); does `authority` know its certificate?", retryable=False
            ) from error
        except (requests.RequestException, OSError) as error:
            raise NetworkError(f"{self.name}: no answer ({_last(error)})", retryable=True) from error

    def _body(self, response: requests.Response, largest: int) -> bytes:
        body = bytearray()
        for block in response.iter_content(_BLOCK):
            body += block
            if len(body) > largest:
                raise NetworkError(f"{self.name}: an answer has more than {largest} bytes", retryable=False)
        return bytes(body)

    def _authorization(self) -> dict[str, str]:
        address = self._address
        if address.token_file:
            return {"Authorization": f"Bearer {self._secret('token_file', address.token_file)}"}
        if address.password_file:
            pair = f"{address.user}:{self._secret('password_file', address.password_file)}"
            return {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}
        return {}

    def _secret(self, name: str, path: Path) -> str:
        try:
            secret = path.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise NetworkError(
                f"{self.name}: {name} {path} cannot be read ({_last(error)}), so nothing was sent", retryable=False
            ) from error
        if not secret or "\n" in secret:
            raise NetworkError(f"{self.name}: {name} {path}: expected one line with a secret", retryable=False)
        return secret

    def _refusal(self, response: requests.Response) -> NetworkError:
        status = response.status_code
        hint = {
            401: "; is the token or the password right, and not expired?",
            403: "; may this account do that?",
            404: "; is `url` the root of its DICOMweb services?",
        }.get(status, "; give its final address as `url`" if 300 <= status < 400 else "")
        return NetworkError(
            f"{self.name}: answered {response.request.method} with {status}{hint}",
            retryable=status in _LATER,
            retry_after=_pause(response.headers.get("Retry-After")) if status in _LATER else None,
        )


def tag_text(keyword: str) -> str:
    """Return the tag of a keyword as DICOMweb writes it.

    Example:
        >>> tag_text("SOPInstanceUID")
        '00080018'
    """
    return f"{tag_for_keyword(keyword):08X}"


def single_value(match: Mapping, keyword: str) -> str | None:
    """Return an element's value in DICOM JSON as text; None if it has none, or several."""
    element = match.get(tag_text(keyword))
    values = element.get("Value") if isinstance(element, Mapping) else None
    return str(values[0]) if isinstance(values, list) and len(values) == 1 else None


def _pause(text: str | None) -> float | None:
    """Return the seconds of a Retry-After header: a number, or a date."""
    if text is None:
        return None
    try:
        seconds = float(text)
    except ValueError:
        moment = _moment(text)
        if moment is None:
            return None
        seconds = (moment - datetime.datetime.now(datetime.timezone.utc)).total_seconds()
    return min(max(seconds, 0.0), LONGEST_PAUSE) if math.isfinite(seconds) else None


def _moment(text: str) -> datetime.datetime | None:
    try:
        moment = email.utils.parsedate_to_datetime(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=datetime.timezone.utc)


def _last(error: BaseException) -> str:
    """Return what lies at the bottom of the errors of requests and urllib3, in a few words."""
    system = [one for one in chain_of(error) if isinstance(one, OSError) and one.strerror]
    return system[-1].strerror if system else type(error).__name__
