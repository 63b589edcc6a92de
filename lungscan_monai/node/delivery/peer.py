"""Where results go: what every destination can do, and what it is told of an object."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pydicom
from pydicom.errors import InvalidDicomError

from lungscan_monai.errors import NetworkError, ReadError

COMPARED = ("SOPClassUID", "InstanceNumber", "ContentDate", "ContentTime", "Rows", "Columns", "NumberOfFrames")
"""Attributes by which an object that was found is compared with the one that was sent."""

_IDENTITY = ("SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID")


class Peer(Protocol):
    """A destination of results. One thread at a time uses it; sending an object twice is harmless."""

    name: str

    def send(self, paths: Sequence[Path]) -> None:
        """Store DICOM files at the destination.

        Raises:
            NetworkError: If one of them was not taken; those before it may have been.
        """

    def confirm(self, paths: Sequence[Path]) -> set[str]:
        """Return the SOP Instance UIDs that are not there.

        Raises:
            NetworkError: If the destination cannot be asked, or (not retryable) holds another object under one of the
                UIDs: archives answer "success" to the second of two objects with one UID, and keep the first.
        """


@dataclass(frozen=True)
class Outgoing:
    """What is told of an object on its way.

    Args:
        path: Its file.
        transfer_syntax: How the file is encoded.
        study: StudyInstanceUID.
        series: SeriesInstanceUID.
        sop_class: SOPClassUID.
        uid: SOPInstanceUID.
        facts: The values of `COMPARED` as text, those that the object has.
    """

    path: Path
    transfer_syntax: str
    study: str
    series: str
    sop_class: str
    uid: str
    facts: Mapping[str, str]


def describe(path: Path) -> Outgoing:
    """Read what is told of an object.

    Raises:
        ReadError: If the file is no DICOM object with the four UIDs that every stored object has.
    """
    try:
        dataset = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=[*_IDENTITY, *COMPARED])
        syntax = dataset.file_meta.TransferSyntaxUID
        sop_class, uid, series, study = (str(dataset[keyword].value) for keyword in _IDENTITY)
    except (InvalidDicomError, OSError, AttributeError, KeyError) as error:
        raise ReadError(path.name, "not-dicom", f"expected a DICOM object to send, {error}") from error
    facts = {keyword: str(dataset[keyword].value) for keyword in COMPARED if dataset.get(keyword) not in (None, "")}
    return Outgoing(path, str(syntax), study, series, sop_class, uid, facts)


def require_same(peer: str, sent: Outgoing, found: Mapping[str, str]) -> None:
    """Compare what was found with what was sent, as far as the peer tells.

    Args:
        peer: Name of the peer.
        sent: The object as it was sent.
        found: Values by keyword as the peer gives them; empty ones say nothing.

    Raises:
        NetworkError: Not retryable, if they differ.
    """
    told = {keyword: found[keyword] for keyword in sent.facts if found.get(keyword)}
    wrong = [keyword for keyword, value in told.items() if _plain(value) != _plain(sent.facts[keyword])]
    if wrong:
        raise another_object(peer, sent.uid, ", ".join(f"{key} {told[key]}, not {sent.facts[key]}" for key in wrong))


def another_object(peer: str, uid: str, difference: str) -> NetworkError:
    """Return the error for an object that the peer has under the UID of another."""
    return NetworkError(
        f"{peer}: holds another object under {uid} ({difference}); it kept the first of two with one UID. Delete the "
        "object there, or let it be overwritten, then send again",
        retryable=False,
    )


def _plain(value: str) -> str:
    """Return a value without what may be written in more than one way: blanks, zeros of a fraction of a second."""
    value = value.strip()
    return value.rstrip("0").rstrip(".") if "." in value and value.replace(".", "", 1).isdigit() else value
