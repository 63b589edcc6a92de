"""A destination by DICOMweb: STOW-RS, then QIDO-RS or WADO-RS to see that it arrived."""

from __future__ import annotations

import io
import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pydicom
from pydicom.errors import InvalidDicomError

from lungscan_monai.errors import ConfigError, NetworkError
from lungscan_monai.node.delivery.peer import COMPARED, Outgoing, another_object, describe, require_same
from lungscan_monai.node.delivery.storing import is_stored, may_go_well_later, meaning_of
from lungscan_monai.node.delivery.web import WebAddress, WebService, single_value, tag_text

QUERY, RETRIEVE, NONE = "query", "retrieve", "none"

CONTENT = (
    "PixelData",
    "FloatPixelData",
    "DoubleFloatPixelData",
    "ContentSequence",
    "SegmentSequence",
    "GraphicAnnotationSequence",
)
"""What makes an object what it is; archives may correct all the rest, patients' names above all."""

_FAILED, _STORED, _REASON = "00081198", "00081199", "00081197"
_CONFLICT = 409
_LARGEST_RESULT = 1 << 30


class DicomWebPeer:
    """A destination that speaks DICOMweb.

    Args:
        address: Where it is, and how to be let in.
        confirmation: How to see that results arrived: ``query`` (QIDO-RS), ``retrieve`` (each is fetched back and its
            content compared), or ``none`` (its answer is believed).

    Raises:
        ConfigError: If `confirmation` is none of the three.
    """

    def __init__(self, address: WebAddress, confirmation: str = QUERY) -> None:
        if confirmation not in (QUERY, RETRIEVE, NONE):
            raise ConfigError(f'confirm: expected "query", "retrieve" or "none", got {confirmation!r}')
        self.name = address.url
        self._confirmation = confirmation
        self._service = WebService(address)

    def send(self, paths: Sequence[Path]) -> None:
        """Store files, one request for each; see :class:`Peer`.

        Raises:
            NetworkError: If the service cannot be reached, or does not take one of them.
            ReadError: If a file is no DICOM object.
        """
        for item in [describe(path) for path in paths]:
            boundary = uuid.uuid4().hex
            body = (
                f"--{boundary}\r\nContent-Type: application/dicom\r\n\r\n".encode()
                + item.path.read_bytes()
                + f"\r\n--{boundary}--\r\n".encode()
            )
            kind = f'multipart/related; type="application/dicom"; boundary={boundary}'
            status, answer = self._service.store(body, kind)
            self._require_stored(item, status, answer)

    def confirm(self, paths: Sequence[Path]) -> set[str]:
        """Return the UIDs of those that are not there; see :class:`Peer`.

        Raises:
            NetworkError: If the service cannot be asked, or has another object under one of the UIDs.
            ReadError: If a file is no DICOM object.
        """
        if self._confirmation == NONE:
            return set()
        is_there = self._is_found if self._confirmation == QUERY else self._is_same
        return {item.uid for item in map(describe, paths) if not is_there(item)}

    def _require_stored(self, item: Outgoing, status: int, answer: bytes) -> None:
        outcome = _Outcome.read(answer)
        if outcome.reason is not None and not is_stored(outcome.reason):
            raise NetworkError(
                f"{self.name}: did not store {item.uid}: {meaning_of(outcome.reason)}",
                retryable=may_go_well_later(outcome.reason),
            )
        if outcome.names_nothing or (status == _CONFLICT and outcome.reason is None):
            raise NetworkError(
                f"{self.name}: answered {status} and names {item.uid} neither as stored nor as failed; see its log",
                retryable=False,
            )

    def _is_found(self, item: Outgoing) -> bool:
        fields = [tag_text(keyword) for keyword in COMPARED]
        found = self._service.ask(
            f"/studies/{item.study}/instances", {"SOPInstanceUID": item.uid, "includefield": fields}
        )
        matches = [told for told in map(_told, found) if told.get("SOPInstanceUID") == item.uid]
        for told in matches:
            if told.get("SeriesInstanceUID", item.series) != item.series:
                raise another_object(self.name, item.uid, "it is in another series")
            require_same(self.name, item, told)
        return bool(matches)

    def _is_same(self, item: Outgoing) -> bool:
        place = f"/studies/{item.study}/series/{item.series}/instances/{item.uid}"
        stored = self._service.fetch(place, _LARGEST_RESULT)
        if stored is None:
            return False
        ours = pydicom.dcmread(item.path)
        try:
            theirs = pydicom.dcmread(io.BytesIO(stored))
        except InvalidDicomError as error:
            raise NetworkError(f"{self.name}: gives back {item.uid} as no DICOM file", retryable=True) from error
        if theirs.file_meta.TransferSyntaxUID != item.transfer_syntax:
            return self._is_found(item)
        other = [keyword for keyword in CONTENT if theirs.get(keyword) != ours.get(keyword)]
        if other:
            raise another_object(self.name, item.uid, f"its {', '.join(other)} differs")
        return True


@dataclass(frozen=True)
class _Outcome:
    """What the answer to a STOW-RS request says of its one object.

    Args:
        reason: Why it was not stored, or with which warning it was; None if neither is said.
        names_nothing: Whether the answer can be read, and names no object at all. Orthanc answers so, with status 200,
            when it threw a part away.
    """

    reason: int | None
    names_nothing: bool

    @classmethod
    def read(cls, answer: bytes) -> _Outcome:
        try:
            content = json.loads(answer)
            failed, stored = (content.get(tag, {}).get("Value") for tag in (_FAILED, _STORED))
        except (ValueError, AttributeError):
            return cls(None, False)
        try:
            return cls(int(failed[0][_REASON]["Value"][0]), False)
        except (ValueError, KeyError, TypeError, IndexError):
            return cls(None, not failed and not stored)


def _told(match: Mapping) -> dict[str, str]:
    """Return what is compared of a match in DICOM JSON, by keyword."""
    told = {keyword: single_value(match, keyword) for keyword in ("SOPInstanceUID", "SeriesInstanceUID", *COMPARED)}
    return {keyword: value for keyword, value in told.items() if value is not None}
