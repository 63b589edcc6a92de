"""The settings of a node: one JSON file, checked as a whole before anything starts.

Every setting is a field of one of the frozen classes below, with its default; `docs/node.md` has them all.
"""

from __future__ import annotations

import ipaddress
import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from lungscan_monai.bundles import find_bundle, require_model
from lungscan_monai.errors import ConfigError, LungScanError
from lungscan_monai.node.delivery.certificates import Certificates
from lungscan_monai.node.delivery.polling import Polling
from lungscan_monai.node.routing import Rule
from lungscan_monai.node.settings_parsing import parsed

AE_TITLE_LENGTH = 16


@dataclass(frozen=True)
class Tls:
    """TLS of the listener.

    Args:
        certificate: PEM file of this side's certificate, with its chain.
        key: PEM file of its private key.
        authority: PEM file of the authorities that the other side's certificate may come from.
        require_client_certificate: Whether a caller without a certificate of theirs is refused.

    Raises:
        ConfigError: If a file is missing, or a client certificate is required and nobody can be trusted.
    """

    certificate: Path
    key: Path
    authority: Path | None = None
    require_client_certificate: bool = True

    def __post_init__(self) -> None:
        for name in ("certificate", "key", "authority"):
            path = getattr(self, name)
            if path is not None and not path.is_file():
                raise ConfigError(f"{name}: there is no file {path}")
        if self.require_client_certificate and self.authority is None:
            raise ConfigError("authority: needed to check the client certificates that are required")


@dataclass(frozen=True)
class Dicom:
    """Where the node listens for DICOM, and what it bears.

    Args:
        ae_title: Its AE title; callers must call it by this.
        host: Address to listen on; without TLS and a list of callers nothing but loopback is wise.
        port: TCP port.
        max_associations: Associations at a time.
        max_object_bytes: Size of one object; a larger one ends the association. Objects are held in memory while they
            are received, one for each association.
        max_pdu_bytes: The largest PDU that callers may send.
        idle_seconds: A silent association is ended after this.
        tls: TLS; None for plain DICOM.

    Raises:
        ConfigError: If a value cannot be.
    """

    ae_title: str = "LUNGSCAN"
    host: str = "127.0.0.1"
    port: int = 11112
    max_associations: int = 8
    max_object_bytes: int = 2**28
    max_pdu_bytes: int = 2**17
    idle_seconds: float = 60.0
    tls: Tls | None = None

    def __post_init__(self) -> None:
        check_ae_title("ae_title", self.ae_title)
        check_address("host", self.host)
        check_port("port", self.port)
        check_above("max_associations", self.max_associations, 0)
        check_above("max_object_bytes", self.max_object_bytes, 0)
        check_above("max_pdu_bytes", self.max_pdu_bytes, 2**12 - 1)
        check_above("idle_seconds", self.idle_seconds, 0)


@dataclass(frozen=True)
class Caller:
    """Somebody who may send to the node.

    Args:
        ae_title: The AE title that they call with.
        hosts: The addresses that they call from.

    Raises:
        ConfigError: If the AE title or an address cannot be one.
    """

    ae_title: str
    hosts: tuple[str, ...] = ("127.0.0.1",)

    def __post_init__(self) -> None:
        check_ae_title("ae_title", self.ae_title)
        if not self.hosts:
            raise ConfigError("hosts: is empty, so nobody could call")
        for host in self.hosts:
            check_address("hosts", host)


@dataclass(frozen=True)
class Analysis:
    """How studies are analysed; as `lungscan batch` takes it.

    Args:
        backend: What runs the networks.
        precision: ``float32``, ``bfloat16`` or ``int8``.
        batch_size: Images in one pass of a network, and images of small studies that are taken together.
        processes: Analysis processes, each with models of its own.
        workers: Processes that read files for each of them; one for each processor if None.
        explain: Whether results show where the model looked.
        check_inputs: Whether images unlike the validation cases are answered with "not assessable".
        attempts: How often a study is tried before it has failed.
        seconds: A study that takes longer is given up, and tried again.

    Raises:
        ConfigError: If a number is not above 0.
    """

    backend: str = "torch"
    precision: str = "float32"
    batch_size: int = 16
    processes: int = 1
    workers: int | None = None
    explain: bool = True
    check_inputs: bool = True
    attempts: int = 3
    seconds: float = 1800.0

    def __post_init__(self) -> None:
        for name in ("batch_size", "processes", "workers", "attempts", "seconds"):
            if getattr(self, name) is not None:
                check_above(name, getattr(self, name), 0)


@dataclass(frozen=True)
class Retries:
    """How often and when results are sent again to a destination that did not take them.

    Args:
        attempts: How often in all, before the study has failed.
        first_seconds: Pause after the first failure; it doubles after every further one.
        longest_seconds: The longest pause. Each is shortened at random by up to a half, so that not all come at once.

    Raises:
        ConfigError: If a number is not above 0.
    """

    attempts: int = 50
    first_seconds: float = 2.0
    longest_seconds: float = 900.0

    def __post_init__(self) -> None:
        for name in ("attempts", "first_seconds", "longest_seconds"):
            check_above(name, getattr(self, name), 0)


@dataclass(frozen=True)
class Keeping:
    """How long files stay, and how much of the disk is left free.

    Args:
        received_days: Images of studies that are through are deleted after this; None keeps them.
        results_days: The same for results that are confirmed at the destination.
        min_free_bytes: With less room on the disk nothing is received any more (status 0xA700).

    Raises:
        ConfigError: If a number is below 0.
    """

    received_days: float | None = 7.0
    results_days: float | None = 7.0
    min_free_bytes: int = 2**30

    def __post_init__(self) -> None:
        for name in ("received_days", "results_days", "min_free_bytes"):
            if getattr(self, name) is not None:
                check_above(name, getattr(self, name), -1e-9)


@dataclass(frozen=True)
class Results:
    """Which objects are made beside the reports and the picture.

    Args:
        maps: For slices, a parametric map and a segmentation of the saliency.
        presentation_state: A softcopy presentation state with the answer as text.
        key_object: A key object selection of the image that the answer rests on most, where something is found.
    """

    maps: bool = True
    presentation_state: bool = False
    key_object: bool = False


@dataclass(frozen=True)
class Destination:
    """Where results go.

    Args:
        kind: ``dimse`` (C-STORE) or ``dicomweb`` (STOW-RS).
        ae_title: AE title of the archive (dimse).
        host: Its host (dimse).
        port: Its port (dimse).
        url: Root of its DICOMweb services (dicomweb).
        token_file: File with a bearer token (dicomweb); it is read whenever results are sent.
        user: Name for basic authentication (dicomweb); the password is in `password_file`.
        password_file: File with the password (dicomweb).
        authority: PEM file of the authorities that a DICOMweb server's certificate may come from; the system's if None.
        certificate: PEM file of a client certificate for DICOMweb.
        key: PEM file of its private key.
        tls: TLS of DIMSE; None for plain DICOM.
        confirm: How to see that results arrived: ``query``, ``none``, ``commitment`` (dimse), or ``retrieve``
            (dicomweb), which fetches them back and compares them.
        seconds: How long one request may take.

    Raises:
        ConfigError: If the kind is unknown, or what it needs is missing.
    """

    KINDS: ClassVar[tuple[str, ...]] = ("dimse", "dicomweb")
    CONFIRMATIONS: ClassVar[dict[str, tuple[str, ...]]] = {
        "dimse": ("query", "commitment", "none"),
        "dicomweb": ("query", "retrieve", "none"),
    }

    kind: str
    ae_title: str | None = None
    host: str | None = None
    port: int | None = None
    url: str | None = None
    token_file: Path | None = None
    user: str | None = None
    password_file: Path | None = None
    authority: Path | None = None
    certificate: Path | None = None
    key: Path | None = None
    tls: Certificates | None = None
    confirm: str = "query"
    seconds: float = 30.0

    def __post_init__(self) -> None:
        if self.kind not in self.KINDS:
            raise ConfigError(f"kind: is {self.kind!r}, expected one of {', '.join(self.KINDS)}")
        if self.confirm not in self.CONFIRMATIONS[self.kind]:
            ways = ", ".join(self.CONFIRMATIONS[self.kind])
            raise ConfigError(f"confirm: is {self.confirm!r}, expected one of {ways} for {self.kind}")
        needed = ("ae_title", "host", "port") if self.kind == "dimse" else ("url",)
        missing = [name for name in needed if getattr(self, name) is None]
        if missing:
            raise ConfigError(f"a destination of kind {self.kind} needs {', '.join(missing)}")
        if self.kind == "dimse":
            check_ae_title("ae_title", self.ae_title)
            check_port("port", self.port)
        elif not self.url.startswith(("http://", "https://")):
            raise ConfigError(f"url: is {self.url!r}, expected one that begins with https:// or http://")
        for name in ("token_file", "password_file", "authority", "certificate", "key"):
            path = getattr(self, name)
            if path is not None and not path.is_file():
                raise ConfigError(f"{name}: there is no file {path}")
        check_above("seconds", self.seconds, 0)


@dataclass(frozen=True)
class NodeSettings:
    """All settings of a node.

    Args:
        store: Folder of received images, results, the ledger and the audit log.
        rules: Which images go to which bundles; the first rule that fits an image counts.
        destination: Where results go.
        callers: Who may send; nobody else may. Without any the node does not listen, and needs `polling`.
        dicom: Where the node listens.
        quiet_seconds: A study is complete when nothing of it has come for so long.
        analysis: How studies are analysed.
        retries: How results are sent again.
        keep: How long files stay.
        results: Which objects are made.
        polling: An archive that is asked for new studies, beside those that are sent; None for none.
        monitoring_port: Port of /health and /metrics on 127.0.0.1; 0 for none.

    Raises:
        ConfigError: If a value cannot be.
    """

    store: Path
    rules: tuple[Rule, ...]
    destination: Destination
    callers: tuple[Caller, ...] = ()
    dicom: Dicom = field(default_factory=Dicom)
    quiet_seconds: float = 30.0
    analysis: Analysis = field(default_factory=Analysis)
    retries: Retries = field(default_factory=Retries)
    keep: Keeping = field(default_factory=Keeping)
    results: Results = field(default_factory=Results)
    polling: Polling | None = None
    monitoring_port: int = 11180

    def __post_init__(self) -> None:
        if not self.rules:
            raise ConfigError("rules: is empty, so no image would be analysed")
        if not (self.callers or self.polling):
            raise ConfigError("callers: nobody may send, and no `polling` is set, so nothing would ever come")
        check_above("quiet_seconds", self.quiet_seconds, 0)
        if self.monitoring_port:
            check_port("monitoring_port", self.monitoring_port)

    @property
    def bundles(self) -> tuple[str, ...]:
        """The bundles that rules name, each once."""
        return tuple(dict.fromkeys(name for rule in self.rules for name in rule.bundles))


def load_settings(path: str | os.PathLike) -> NodeSettings:
    """Read the settings of a node; paths in them are relative to the file's folder.

    Args:
        path: The JSON file.

    Raises:
        ConfigError: If it cannot be read, or with everything that is wrong in it.
    """
    path = Path(path)
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise ConfigError(f"{path}: not valid JSON ({error})") from error
    return parsed(NodeSettings, content, path)


def check_bundles(settings: NodeSettings) -> dict[str, Path]:
    """Return the folder of each bundle that the rules name.

    Raises:
        ConfigError: With all that are missing or have no model.
    """
    found, wrong = {}, []
    for name in settings.bundles:
        try:
            found[name] = find_bundle(name)
            require_model(found[name])
        except LungScanError as error:
            wrong.append(str(error))
    if wrong:
        raise ConfigError("bundles of the rules cannot be used:\n" + "\n".join(f"  - {text}" for text in wrong))
    return found


def check_ae_title(name: str, title: str) -> None:
    """Raise a ConfigError unless a text can be an AE title (PS3.5 6.2)."""
    printable = all(32 <= ord(character) < 127 and character != "\\" for character in title)
    if not (title.strip() and len(title) <= AE_TITLE_LENGTH and printable):
        raise ConfigError(f"{name}: {title!r} is no AE title (1 to {AE_TITLE_LENGTH} plain characters)")


def check_address(name: str, address: str) -> None:
    """Raise a ConfigError unless a text is an IP address."""
    try:
        ipaddress.ip_address(address)
    except ValueError as error:
        raise ConfigError(f"{name}: {address!r} is no IP address") from error


def check_port(name: str, port: int) -> None:
    """Raise a ConfigError unless a number can be a TCP port."""
    if not 1 <= port <= 65535:
        raise ConfigError(f"{name}: {port} is no TCP port (1 to 65535)")


def check_above(name: str, value: float, bound: float) -> None:
    """Raise a ConfigError unless a number is above another."""
    if not value > bound:
        raise ConfigError(f"{name}: is {value:g}, expected more than {max(bound, 0):g}")
