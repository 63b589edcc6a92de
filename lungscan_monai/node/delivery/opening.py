"""From the settings of a destination to the peer."""

from __future__ import annotations

from lungscan_monai.node.delivery.certificates import Certificates
from lungscan_monai.node.delivery.commitment import CommitmentMailbox
from lungscan_monai.node.delivery.dicomweb import DicomWebPeer
from lungscan_monai.node.delivery.dimse import DimseAddress, DimsePeer
from lungscan_monai.node.delivery.peer import Peer
from lungscan_monai.node.delivery.web import WebAddress
from lungscan_monai.node.settings import Destination


def open_peer(destination: Destination, ae_title: str, mailbox: CommitmentMailbox | None = None) -> Peer:
    """Return the peer that a destination's settings describe; nothing is connected yet.

    Args:
        destination: The settings.
        ae_title: Our own AE title.
        mailbox: Where the node's own listener puts answers to requests for storage commitment.

    Raises:
        ConfigError: If the settings do not fit together.
    """
    if destination.kind == "dimse":
        address = DimseAddress(
            destination.host, destination.port, destination.ae_title, destination.seconds, _dimse_tls(destination)
        )
        return DimsePeer(address, ae_title, destination.confirm, mailbox)
    certificates = Certificates(destination.authority, destination.certificate, destination.key)
    address = WebAddress(
        destination.url,
        destination.token_file,
        destination.user,
        destination.password_file,
        certificates,
        destination.seconds,
    )
    return DicomWebPeer(address, destination.confirm)


def _dimse_tls(destination: Destination) -> Certificates | None:
    tls = destination.tls
    return Certificates(tls.authority, tls.certificate, tls.key) if tls else None
