"""The DICOM listener: C-ECHO and C-STORE, for callers on a list, within limits."""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from pydicom.dataset import Dataset
from pynetdicom import AE, _config, evt
from pynetdicom.sop_class import StorageCommitmentPushModel

from lungscan_monai.errors import ConfigError, OutputError
from lungscan_monai.node.audit import EXECUTE, MINOR, SUCCESS, Audit
from lungscan_monai.node.connections import ConnectionServer
from lungscan_monai.node.delivery.commitment import CommitmentMailbox
from lungscan_monai.node.delivery.contexts import received_contexts
from lungscan_monai.node.intake import Intake, file_header
from lungscan_monai.node.settings import Caller, Dicom, Tls

Observe = Callable[[int, float], None]
"""Is told the status and the seconds of each C-STORE."""

_REJECTED_FOR_GOOD, _BY_THE_USER, _UNKNOWN_CALLER = 1, 1, 3  # PS3.8 table 9-21


class Listener:
    """The listener of a node; a context manager, which listens.

    Args:
        settings: Where it listens, and its limits.
        callers: Who may call.
        intake: Takes the objects.
        audit: Is told who came.
        observe: Is told how long each object took.
        mailbox: Takes the answers of archives that are asked for storage commitment.

    Raises:
        ConfigError: If the TLS files cannot be used.
    """

    def __init__(
        self,
        settings: Dicom,
        callers: Sequence[Caller],
        intake: Intake,
        audit: Audit,
        observe: Observe,
        mailbox: CommitmentMailbox,
    ) -> None:
        self._settings, self._intake, self._audit, self._observe = settings, intake, audit, observe
        self._mailbox = mailbox
        self._allowed = {(caller.ae_title.strip(), host) for caller in callers for host in caller.hosts}
        self._tls = None if settings.tls is None else server_context(settings.tls)
        self._entity = AE(settings.ae_title)
        self._entity.require_called_aet = True
        self._entity.maximum_associations = settings.max_associations
        self._entity.maximum_pdu_size = settings.max_pdu_bytes
        self._entity.network_timeout = settings.idle_seconds
        self._entity.supported_contexts = received_contexts()
        self._entity.add_supported_context(StorageCommitmentPushModel, scu_role=False, scp_role=True)
        self._sizes: dict[int, int] = {}

    def __enter__(self) -> Listener:
        address = (self._settings.host, self._settings.port)
        hosts = frozenset(host for _, host in self._allowed)
        try:
            with _without_logging():
                self._server = self._entity.make_server(
                    address,
                    evt_handlers=self._handlers(),
                    server_class=ConnectionServer,
                    hosts=hosts,
                    tls=self._tls,
                )
        except OSError as error:
            raise OutputError(f"{address[0]}:{address[1]}: cannot listen here ({error.strerror})") from error
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), name="listener", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        for association in self._entity.active_associations:
            association.abort()
        self._thread.join()

    @property
    def is_alive(self) -> bool:
        """Whether it listens."""
        return self._thread.is_alive()

    @property
    def associations(self) -> int:
        """Number of associations at the moment."""
        return len(self._entity.active_associations)

    def _handlers(self) -> list[evt.EventHandlerType]:
        return [
            (evt.EVT_REQUESTED, self._requested),
            (evt.EVT_ACCEPTED, self._accepted),
            (evt.EVT_REJECTED, self._rejected),
            (evt.EVT_DATA_RECV, self._measured),
            (evt.EVT_DIMSE_RECV, self._complete),
            (evt.EVT_CONN_CLOSE, self._complete),
            (evt.EVT_C_ECHO, lambda _: 0x0000),
            (evt.EVT_C_STORE, self._store),
            (evt.EVT_N_EVENT_REPORT, self._mailbox.receive),
        ]

    def _requested(self, event: evt.Event) -> None:
        caller = event.assoc.requestor
        title = caller.primitive.calling_ae_title.strip()
        if (title, caller.address) not in self._allowed:
            event.assoc.acse.send_reject(_REJECTED_FOR_GOOD, _BY_THE_USER, _UNKNOWN_CALLER)
            self._audit.write("association refused", EXECUTE, MINOR, title, caller.address, "unknown caller")
            event.assoc.kill()

    def _accepted(self, event: evt.Event) -> None:
        caller = event.assoc.requestor
        self._audit.write("association accepted", EXECUTE, SUCCESS, caller.ae_title.strip(), caller.address)

    def _rejected(self, event: evt.Event) -> None:
        caller = event.assoc.requestor
        code = "called by another AE title, or too many associations"
        self._audit.write("association refused", EXECUTE, MINOR, caller.ae_title.strip(), caller.address, code)

    def _measured(self, event: evt.Event) -> None:
        """Count the bytes of an object on its way; end the association that sends too many."""
        number = id(event.assoc)
        before = self._sizes.get(number, 0)
        size = self._sizes[number] = before + len(event.data)
        if size > self._settings.max_object_bytes >= before:
            caller = event.assoc.requestor
            self._audit.write("association ended", EXECUTE, MINOR, caller.ae_title.strip(), caller.address, "too large")
            event.assoc.acse.send_abort(0)

    def _complete(self, event: evt.Event) -> None:
        self._sizes.pop(id(event.assoc), None)

    def _store(self, event: evt.Event) -> Dataset:
        started = time.perf_counter()
        request, context, caller = event.request, event.context, event.assoc.requestor
        header = file_header(request.AffectedSOPClassUID, request.AffectedSOPInstanceUID, context.transfer_syntax)
        answer = self._intake.take([header, request.DataSet.getbuffer()], caller.ae_title.strip(), caller.address)
        status = Dataset()
        status.Status = answer.status
        if answer.comment:
            status.ErrorComment = answer.comment
        self._observe(answer.status, time.perf_counter() - started)
        return status


def server_context(tls: Tls) -> ssl.SSLContext:
    """Return the server's side of TLS 1.2 or later.

    Raises:
        ConfigError: If a file is no certificate, or a key does not fit its certificate.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(tls.certificate, tls.key)
        if tls.authority is not None:
            context.load_verify_locations(tls.authority)
    except (ssl.SSLError, OSError) as error:
        raise ConfigError(f"dicom.tls: the PEM files cannot be used together ({error})") from error
    if tls.require_client_certificate:
        context.verify_mode = ssl.CERT_REQUIRED
    return context


@contextmanager
def _without_logging() -> Iterator[None]:
    """Let pynetdicom bind none of its loggers to a server; they cost time, and say what is in messages."""
    before, _config.LOG_HANDLER_LEVEL = _config.LOG_HANDLER_LEVEL, "none"
    try:
        yield
    finally:
        _config.LOG_HANDLER_LEVEL = before
