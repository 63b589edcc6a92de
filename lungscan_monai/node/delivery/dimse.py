"""A destination by DIMSE: C-STORE, then C-FIND or storage commitment to see that it arrived."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydicom.dataset import Dataset
from pydicom.uid import generate_uid
from pynetdicom import AE, evt
from pynetdicom.association import Association
from pynetdicom.presentation import PresentationContext
from pynetdicom.sop_class import (
    StorageCommitmentPushModel,
    StorageCommitmentPushModelInstance,
    StudyRootQueryRetrieveInformationModelFind,
)

from lungscan_monai.errors import ConfigError, NetworkError
from lungscan_monai.node.delivery.certificates import Certificates
from lungscan_monai.node.delivery.commitment import Commitment, CommitmentMailbox
from lungscan_monai.node.delivery.contexts import commitment_contexts, contexts_for, query_contexts
from lungscan_monai.node.delivery.peer import COMPARED, Outgoing, another_object, describe, require_same
from lungscan_monai.node.delivery.storing import is_stored, may_go_well_later, meaning_of

QUERY, COMMITMENT, NONE = "query", "commitment", "none"

_PENDING = (0xFF00, 0xFF01)
_ASK_FOR_COMMITMENT = 1
_CLASS_CONFLICT = 0x0119
_NEVER = (0x0122, 0x0124, 0xA900)
_TRANSIENT = 2


@dataclass(frozen=True)
class DimseAddress:
    """Where a DICOM application entity is.

    Args:
        host: Name or IP address.
        port: Port of its DICOM listener, 1 to 65535.
        ae_title: Its AE title, 1 to 16 characters.
        seconds: How long to wait for a connection, and for each answer.
        tls: Certificates; None for a connection without TLS.

    Raises:
        ConfigError: If one of them cannot be.
    """

    host: str
    port: int
    ae_title: str
    seconds: float = 30.0
    tls: Certificates | None = None

    def __post_init__(self) -> None:
        if not 0 < self.port < 65536:
            raise ConfigError(f"port: expected 1 to 65535, got {self.port}")
        if not 0 < len(self.ae_title.strip()) <= 16 or not self.ae_title.isascii():
            raise ConfigError(f"ae_title: expected 1 to 16 ASCII characters, got {self.ae_title!r}")
        if not self.seconds > 0:
            raise ConfigError(f"seconds: expected more than 0, got {self.seconds}")

    def __str__(self) -> str:
        return f"{self.ae_title} at {self.host}:{self.port}"


class DimsePeer:
    """A destination that speaks DIMSE.

    Args:
        address: Where it is.
        calling_ae_title: Our own AE title.
        confirmation: How to see that results arrived: ``query`` (C-FIND at IMAGE level), ``commitment`` (the peer
            answers for them), or ``none`` (its status is believed).
        mailbox: Where answers to requests for commitment arrive that come by a connection of the peer's own.

    Raises:
        ConfigError: If `confirmation` is none of the three.
    """

    def __init__(
        self,
        address: DimseAddress,
        calling_ae_title: str,
        confirmation: str = QUERY,
        mailbox: CommitmentMailbox | None = None,
    ) -> None:
        if confirmation not in (QUERY, COMMITMENT, NONE):
            raise ConfigError(f'confirm: expected "query", "commitment" or "none", got {confirmation!r}')
        self.name = str(address)
        self._address = address
        self._calling_ae_title = calling_ae_title
        self._confirmation = confirmation
        self._mailbox = mailbox or CommitmentMailbox()

    def send(self, paths: Sequence[Path]) -> None:
        """Store files, on one association; see :class:`Peer`.

        Raises:
            NetworkError: If the peer cannot be reached, or does not take one of them.
            ReadError: If a file is no DICOM object.
        """
        objects = [describe(path) for path in paths]
        contexts = contexts_for((item.sop_class, item.transfer_syntax) for item in objects)
        with self._association(contexts) as association:
            taken = {(context.abstract_syntax, context.transfer_syntax[0]) for context in association.accepted_contexts}
            for item in objects:
                if (item.sop_class, item.transfer_syntax) not in taken:
                    raise self._refused(f"does not take {item.sop_class} encoded as {item.transfer_syntax}")
                self._store(association, item)

    def confirm(self, paths: Sequence[Path]) -> set[str]:
        """Return the UIDs of those that are not there; see :class:`Peer`.

        Raises:
            NetworkError: If the peer cannot be asked, or has another object under one of the UIDs.
            ReadError: If a file is no DICOM object.
        """
        objects = [describe(path) for path in paths]
        if self._confirmation == QUERY:
            return self._query(objects)
        if self._confirmation == COMMITMENT:
            return self._ask_for_commitment(objects)
        return set()

    def _store(self, association: Association, item: Outgoing) -> None:
        try:
            code = association.send_c_store(item.path).get("Status")
        except RuntimeError as error:
            raise self._lost() from error
        if code is None:
            raise self._lost()
        if not is_stored(code):
            raise NetworkError(
                f"{self.name}: did not store {item.uid}: {meaning_of(code)}", retryable=may_go_well_later(code)
            )

    def _query(self, objects: Sequence[Outgoing]) -> set[str]:
        missing: set[str] = set()
        with self._association(query_contexts()) as association:
            if not association.accepted_contexts:
                raise self._refused("offers no C-FIND of the study root; set confirm to commitment or none")
            for study, series in dict.fromkeys((item.study, item.series) for item in objects):
                sent = {item.uid: item for item in objects if (item.study, item.series) == (study, series)}
                found = self._find(association, study, series, sorted(sent))
                missing |= sent.keys() - found.keys()
                for uid in sent.keys() & found.keys():
                    require_same(self.name, sent[uid], found[uid])
        return missing

    def _find(self, association: Association, study: str, series: str, uids: list[str]) -> dict[str, dict[str, str]]:
        """Return by UID what the peer tells of the instances of a series."""
        question = Dataset()
        question.QueryRetrieveLevel = "IMAGE"
        question.StudyInstanceUID, question.SeriesInstanceUID, question.SOPInstanceUID = study, series, uids
        for keyword in COMPARED:
            setattr(question, keyword, None)
        found: dict[str, dict[str, str]] = {}
        for status, answer in association.send_c_find(question, StudyRootQueryRetrieveInformationModelFind):
            code = status.get("Status")
            if code is None:
                raise self._lost(f"; may {self._calling_ae_title} query there?")
            if code in _PENDING:
                found[str(answer.SOPInstanceUID)] = {
                    keyword: str(answer[keyword].value) for keyword in COMPARED if answer.get(keyword) is not None
                }
            elif code != 0:
                raise NetworkError(
                    f"{self.name}: no answer to a C-FIND: {meaning_of(code)}; may {self._calling_ae_title} query?",
                    retryable=code not in _NEVER,
                )
        return found

    def _ask_for_commitment(self, objects: Sequence[Outgoing]) -> set[str]:
        request, transaction = _commitment_request(objects)
        self._mailbox.expect(transaction)
        handlers = [(evt.EVT_N_EVENT_REPORT, self._mailbox.receive)]
        try:
            with self._association(commitment_contexts(), handlers) as association:
                if not association.accepted_contexts:
                    raise self._refused("offers no storage commitment; set confirm to query or none")
                status, _ = association.send_n_action(
                    request, _ASK_FOR_COMMITMENT, StorageCommitmentPushModel, StorageCommitmentPushModelInstance
                )
                code = status.get("Status")
                if code is None:
                    raise self._lost()
                if code != 0:
                    raise NetworkError(
                        f"{self.name}: did not take a request for commitment: {meaning_of(code)}",
                        retryable=code not in _NEVER,
                    )
                answer = self._mailbox.wait(transaction, self._address.seconds)
        finally:
            self._mailbox.wait(transaction, 0)
        return self._not_committed(objects, answer)

    def _not_committed(self, objects: Sequence[Outgoing], answer: Commitment | None) -> set[str]:
        if answer is None:
            raise NetworkError(
                f"{self.name}: no answer to a request for commitment within {self._address.seconds:g} s; can it reach "
                f"{self._calling_ae_title}?",
                retryable=True,
            )
        for uid, reason in answer.failed.items():
            if reason == _CLASS_CONFLICT:
                raise another_object(self.name, uid, "its SOP class is another")
        return {item.uid for item in objects} - answer.committed

    @contextlib.contextmanager
    def _association(
        self, contexts: list[PresentationContext], handlers: Sequence[evt.EventHandlerType] = ()
    ) -> Iterator[Association]:
        entity = AE(self._calling_ae_title)
        entity.connection_timeout = entity.acse_timeout = entity.dimse_timeout = self._address.seconds
        entity.network_timeout = 2 * self._address.seconds
        tls = self._address.tls
        association = entity.associate(
            self._address.host,
            self._address.port,
            contexts,
            self._address.ae_title,
            tls_args=(tls.context(), self._address.host) if tls else None,
            evt_handlers=[(evt.EVT_CONN_OPEN, send_without_delay), *handlers],
        )
        if not association.is_established and not association.rejected_contexts:
            raise self._no_association(association)
        try:
            yield association
        finally:
            if association.is_established:
                association.release()

    def _no_association(self, association: Association) -> NetworkError:
        if not association.is_rejected:
            secured = " or TLS failed" if self._address.tls else ""
            return NetworkError(
                f"{self.name}: no connection: refused, cut{secured}, or no answer within {self._address.seconds:g} s",
                retryable=True,
            )
        answer = association.acceptor.primitive
        return NetworkError(
            f"{self.name}: turned away {self._calling_ae_title}: {answer.reason_str}; does each side know the other's "
            "AE title?",
            retryable=answer.result == _TRANSIENT,
        )

    def _lost(self, hint: str = "") -> NetworkError:
        return NetworkError(
            f"{self.name}: the connection was lost, or no answer came within {self._address.seconds:g} s{hint}",
            retryable=True,
        )

    def _refused(self, what: str) -> NetworkError:
        return NetworkError(f"{self.name}: {what}", retryable=False)


def send_without_delay(event: evt.Event) -> None:
    """Turn off Nagle's algorithm, which costs 40 ms for each object; handler of `evt.EVT_CONN_OPEN`."""
    event.assoc.dul.socket.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _commitment_request(objects: Sequence[Outgoing]) -> tuple[Dataset, str]:
    request = Dataset()
    request.TransactionUID = generate_uid(prefix=None)
    request.ReferencedSOPSequence = []
    for item in objects:
        reference = Dataset()
        reference.ReferencedSOPClassUID, reference.ReferencedSOPInstanceUID = item.sop_class, item.uid
        request.ReferencedSOPSequence.append(reference)
    return request, str(request.TransactionUID)
