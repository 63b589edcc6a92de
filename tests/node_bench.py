"""What tests of the node need: studies to send, an archive that records and can misbehave, a node's process."""

from __future__ import annotations

import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian
from pynetdicom import AE, evt
from pynetdicom.sop_class import StudyRootQueryRetrieveInformationModelFind, Verification

from lungscan_monai.node.audit import AUDIT_NAME, Audit
from lungscan_monai.node.delivery.commitment import CommitmentMailbox
from lungscan_monai.node.delivery.contexts import RESULT_SOP_CLASSES
from lungscan_monai.node.intake import Intake
from lungscan_monai.node.ledger import NodeLedger
from lungscan_monai.node.receiving import Listener
from lungscan_monai.node.settings import Caller, Dicom
from lungscan_monai.node.store import NodeStore

ROOT = Path(__file__).resolve().parents[1]
DEADLINE = 120.0
"""Seconds that a test waits for what takes one: the machine may be busy."""


def free_port() -> int:
    """Return a port of loopback that nobody uses at the moment."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def wait_until(condition: Callable[[], object], what: str, seconds: float = DEADLINE) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"{what}: not within {seconds:g} s"
        time.sleep(0.02)


def image(number: int, study: int = 1, series: int | None = None, modality: str = "DX", **attributes) -> Dataset:
    """Return a small image; study and series are numbers, too."""
    stored = np.random.default_rng(number).integers(0, 4096, (36, 30)).astype(np.uint16)
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    sop_class = CTImageStorage if modality == "CT" else DigitalXRayImageStorageForPresentation
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = sop_class
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = f"2.25.9{study}.{number}"
    dataset.StudyInstanceUID = study_uid(study)
    dataset.SeriesInstanceUID = f"2.25.8{study}.{number if series is None else series}"
    dataset.PatientName, dataset.PatientID, dataset.PatientBirthDate, dataset.PatientSex = "DOE^JANE", "P-17", "", "F"
    dataset.StudyDate, dataset.StudyTime, dataset.StudyID, dataset.AccessionNumber = "20240102", "101112", "S1", "A1"
    dataset.Modality, dataset.BodyPartExamined, dataset.ViewPosition = modality, "CHEST", "PA"
    dataset.ReferringPhysicianName, dataset.SeriesNumber, dataset.InstanceNumber = "", 1, number
    dataset.PatientOrientation, dataset.PresentationIntentType = ["L", "F"], "FOR PRESENTATION"
    dataset.ImageType = ["ORIGINAL", "PRIMARY"]
    dataset.Rows, dataset.Columns = stored.shape
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 12, 11, 0
    dataset.PixelData = stored.tobytes()
    for keyword, value in attributes.items():
        setattr(dataset, keyword, value)
    return dataset


def study_uid(study: int) -> str:
    """Return the UID of the study of a number."""
    return f"2.25.7{study}"


@contextmanager
def calling(port: int, datasets: Sequence[Dataset], ae_title: str = "PACS", called: str = "LUNGSCAN") -> Iterator:
    """Give an association to the node that takes these images; it is released at the end, if it still stands.

    On a busy machine pynetdicom's requestor now and then takes an answer for a request, drops it and aborts; it is then
    asked again.
    """
    entity = AE(ae_title)
    entity.dimse_timeout = 10
    pairs = {(one.SOPClassUID, one.file_meta.TransferSyntaxUID) for one in datasets}
    for sop_class, syntax in pairs:
        entity.add_requested_context(sop_class, syntax)
    entity.add_requested_context(Verification)
    handlers = [(evt.EVT_CONN_OPEN, without_delay)]
    for _ in range(5):
        association = entity.associate("127.0.0.1", port, ae_title=called, evt_handlers=handlers)
        if not association.is_aborted:
            break
    try:
        yield association
    finally:
        if association.is_established:
            association.release()


def send(port: int, *datasets: Dataset) -> list[int]:
    """Send images on one association, and on another what was not acknowledged; return the status of each."""
    statuses: list[int] = []
    for _ in range(5):
        with calling(port, datasets) as association:
            while association.is_established and len(statuses) < len(datasets):
                status = association.send_c_store(datasets[len(statuses)]).get("Status")
                if status is None:
                    break
                statuses.append(status)
        if len(statuses) == len(datasets):
            break
    return statuses


def without_delay(event: evt.Event) -> None:
    """Turn Nagle's algorithm off."""
    event.assoc.dul.socket.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


class RecordingArchive:
    """An archive on loopback that keeps what comes, counts it, and can be told to misbehave; a context manager.

    Attributes:
        stored: How often each SOP Instance UID was stored with success.
        objects: The data sets by UID, as they came first.
        statuses: Status codes to answer the next C-STOREs with, in their order; success when it is empty.
        lose: How many of the next objects to acknowledge and forget.
    """

    def __init__(self, port: int | None = None, tls: ssl.SSLContext | None = None) -> None:
        self.port, self._tls = port or free_port(), tls
        self.stored: dict[str, int] = {}
        self.objects: dict[str, Dataset] = {}
        self.statuses: list[int] = []
        self.lose = 0
        self.abort_next = 0
        self._lock = threading.Lock()

    def __enter__(self) -> RecordingArchive:
        entity = AE("ARCHIVE")
        for sop_class in RESULT_SOP_CLASSES:
            entity.add_supported_context(sop_class)
        entity.add_supported_context(StudyRootQueryRetrieveInformationModelFind)
        handlers = [(evt.EVT_C_STORE, self._store), (evt.EVT_C_FIND, self._find), (evt.EVT_CONN_OPEN, without_delay)]
        self._server = entity.start_server(
            ("127.0.0.1", self.port), block=False, evt_handlers=handlers, ssl_context=self._tls
        )
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()

    def _store(self, event: evt.Event) -> int:
        with self._lock:
            if self.abort_next:
                self.abort_next -= 1
                event.assoc.abort()
                return 0xC000
            if self.statuses:
                return self.statuses.pop(0)
            if self.lose:
                self.lose -= 1
                return 0
            dataset = event.dataset
            uid = str(dataset.SOPInstanceUID)
            self.stored[uid] = self.stored.get(uid, 0) + 1
            self.objects.setdefault(uid, dataset)
        return 0

    def _find(self, event: evt.Event) -> Iterator[tuple[int, Dataset | None]]:
        wanted = event.identifier
        uids = wanted.SOPInstanceUID if wanted.get("SOPInstanceUID") else list(self.objects)
        for uid in [uids] if isinstance(uids, str) else uids:
            if uid in self.objects:
                answer = Dataset()
                answer.QueryRetrieveLevel, answer.SOPInstanceUID = "IMAGE", uid
                for element in wanted:
                    if (
                        element.keyword not in ("SOPInstanceUID", "QueryRetrieveLevel")
                        and element.tag in self.objects[uid]
                    ):
                        answer[element.tag] = self.objects[uid][element.tag]
                yield 0xFF00, answer

    def of_study(self, study: int) -> list[Dataset]:
        """Return the results of a study."""
        return [one for one in list(self.objects.values()) if one.StudyInstanceUID == study_uid(study)]

    def modalities(self, study: int) -> list[str]:
        """Return the modalities of a study's results, sorted."""
        return sorted(one.Modality for one in self.of_study(study))


def write_settings(folder: Path, bundle: Path, archive_port: int, **changes) -> Path:
    """Write the settings of a node with quick answers; return the file."""
    content = {
        "store": "store",
        "quiet_seconds": 0.3,
        "rules": [{"modality": ["DX", "CR", "CT"], "bundles": [str(bundle)]}],
        "destination": {
            "kind": "dimse",
            "ae_title": "ARCHIVE",
            "host": "127.0.0.1",
            "port": archive_port,
            "seconds": 10,
        },
        "callers": [{"ae_title": "PACS"}],
        "dicom": {"port": free_port()},
        "analysis": {"workers": 1, "explain": False},
        "retries": {"first_seconds": 0.1, "longest_seconds": 0.5},
        "keep": {"min_free_bytes": 0},
        "monitoring_port": free_port(),
    }
    path = folder / "node.json"
    path.write_text(json.dumps({**content, **changes}), encoding="utf-8")
    return path


class Door:
    """A listener with store, ledger and audit log; a context manager."""

    def __init__(self, folder: Path, min_free_bytes: int = 0, callers=None, **dicom) -> None:
        self.folder, self.port, self.answers = folder, free_port(), []
        self._callers = callers or (Caller("PACS"),)
        self._dicom, self._min_free = Dicom(port=self.port, **dicom), min_free_bytes

    def __enter__(self) -> Door:
        self.store, self.ledger = NodeStore(self.folder), NodeLedger(self.folder)
        audit = Audit(self.folder, "LUNGSCAN")
        self.intake = Intake(self.store, self.ledger, audit, self._min_free)
        observe = lambda status, seconds: self.answers.append((status, seconds))  # noqa: E731
        self._listener = Listener(self._dicom, self._callers, self.intake, audit, observe, CommitmentMailbox())
        self._listener.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.__exit__()
        self.ledger.__exit__(None, None, None)

    def files(self) -> list[Path]:
        return sorted((self.folder / "received").rglob("*.dcm"))

    def audited(self) -> list[str]:
        lines = (self.folder / AUDIT_NAME).read_text().splitlines()
        return [f"{entry['event']}: {entry['code']}" for entry in map(json.loads, lines)]


class NodeProcess:
    """`lungscan node` in a process of its own; a context manager, which ends it.

    Args:
        config: Its settings.
    """

    def __init__(self, config: Path) -> None:
        self.config, self.settings = config, json.loads(config.read_text())
        self.port = self.settings["dicom"]["port"]
        self.log = config.parent / "node.log"

    def __enter__(self) -> NodeProcess:
        command = [sys.executable, "-m", "lungscan_monai.cli", "node", "--config", str(self.config)]
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, env=environment, cwd=ROOT)
        wait_until(lambda: self._listens() or self.process.poll() is not None, "the node listens")
        assert self.process.poll() is None, self.log.read_text()
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def kill(self) -> None:
        """End the process as a power failure would."""
        self.process.kill()
        self.process.wait()

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0
