"""What comes in, by whichever door: looked at, brought to the disk, recorded, and only then acknowledged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_file_meta_info
from pynetdicom.dsutils import create_file_meta

from lungscan_monai.errors import ReadError
from lungscan_monai.gate.admitting import DICOM, admit
from lungscan_monai.gate.dicom_file import DicomHeader
from lungscan_monai.gate.limits import Limits
from lungscan_monai.node.audit import CREATE, MINOR, SERIOUS, SUCCESS, Audit
from lungscan_monai.node.ledger import CONFLICT, Instance, NodeLedger
from lungscan_monai.node.store import NodeStore, Written, is_full

SAVED, NO_ROOM, NOT_UNDERSTOOD, NOT_SAVED = 0x0000, 0xA700, 0xC000, 0x0110
"""C-STORE status codes (PS3.4 B.2.3, PS3.7 C.4.2): success, out of resources, cannot understand, processing failure."""


@dataclass(frozen=True)
class Answer:
    """What became of an object that came.

    Args:
        status: The C-STORE status.
        comment: Why it was not taken, at most 64 characters; empty if it was.
    """

    status: int
    comment: str = ""


class Intake:
    """Takes objects in; any thread may call.

    Args:
        store: Where files go.
        ledger: Where they are recorded.
        audit: Where it is told.
        min_free_bytes: Room that stays free on the disk.
        limits: What one object may ask for.
    """

    def __init__(
        self, store: NodeStore, ledger: NodeLedger, audit: Audit, min_free_bytes: int, limits: Limits | None = None
    ) -> None:
        self._store, self._ledger, self._audit = store, ledger, audit
        self._min_free_bytes, self._limits = min_free_bytes, limits or Limits()

    def take(self, parts: Sequence[bytes | memoryview], who: str, host: str | None = None) -> Answer:
        """Take one DICOM file.

        Args:
            parts: Its bytes, one after the other, with the file header.
            who: AE title or service it comes from.
            host: Address it comes from.

        Returns:
            The answer. With `SAVED` the object is on the disk and in the ledger; with any other nothing is kept.
        """
        if self._store.free_bytes() - sum(map(len, parts)) < self._min_free_bytes:
            return self._refused(Answer(NO_ROOM, "no room left on the disk of this node"), who, host)
        try:
            written = self._store.write(parts)
        except OSError as error:
            return self._refused(_failed(error), who, host)
        try:
            header = self._admitted(written)
            return self._recorded(written, header, who, host)
        except ReadError as error:
            return self._refused(Answer(NOT_UNDERSTOOD, f"not taken: {error.code}"), who, host, error.code)
        except OSError as error:
            return self._refused(_failed(error), who, host)
        finally:
            written.path.unlink(missing_ok=True)

    def _admitted(self, written: Written) -> DicomHeader:
        admitted = admit(written.path, self._limits)
        if admitted.kind != DICOM:
            raise ReadError(written.path.name, "not-dicom", "is not a DICOM file")
        header = admitted.dicom
        if not (header.study and header.series and header.sop_instance):
            raise ReadError(written.path.name, "malformed", "has no study, series or instance UID")
        return header

    def _recorded(self, written: Written, header: DicomHeader, who: str, host: str | None) -> Answer:
        instance = Instance(header.sop_instance, written.sha256, header.study, header.series, written.size, who)
        with self._store.placing(written):
            kind = self._ledger.add(instance)
        outcome = MINOR if kind == CONFLICT else SUCCESS
        uids = {"study": header.study, "instance": header.sop_instance}
        self._audit.write("instance received", CREATE, outcome, who, host, kind, **uids)
        return Answer(SAVED)

    def _refused(self, answer: Answer, who: str, host: str | None, code: str = "") -> Answer:
        outcome = SERIOUS if answer.status == NO_ROOM else MINOR
        self._audit.write("instance refused", CREATE, outcome, who, host, code or f"status {answer.status:04X}")
        return answer


def file_header(sop_class: str, sop_instance: str, transfer_syntax: str) -> bytes:
    """Return preamble and file meta information, the same for the same object whoever sends it."""
    stream = DicomBytesIO()
    stream.write(b"\0" * 128 + b"DICM")
    write_file_meta_info(
        stream,
        create_file_meta(sop_class_uid=sop_class, sop_instance_uid=sop_instance, transfer_syntax=transfer_syntax),
    )
    return stream.getvalue()


def _failed(error: OSError) -> Answer:
    cause = error.__cause__ or error  # an OutputError tells what SQLite said
    if (isinstance(cause, OSError) and is_full(cause)) or "disk is full" in str(cause):
        return Answer(NO_ROOM, "no room left on the disk of this node")
    return Answer(NOT_SAVED, "the store of this node cannot be written")
