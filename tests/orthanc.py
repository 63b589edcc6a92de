"""A real Orthanc on loopback, one for each test process, emptied between tests."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import requests
from dcmtk import dcmtk

PLUGIN = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")
SHOWN = ("SOPInstanceUID", "SOPClassUID", "SeriesInstanceUID", "Modality", "SeriesDescription")
PATIENCE = 60.0
"""Seconds that a condition may take on a busy machine."""


def free_ports(count: int) -> list[int]:
    """Return ports that nobody listens at."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()


def eventually(condition, seconds: float = PATIENCE, what: str = "the condition"):
    """Return the first true value of a condition that is asked again and again."""
    end = time.monotonic() + seconds
    while True:
        if value := condition():
            return value
        if time.monotonic() > end:
            raise AssertionError(f"{what} was not met within {seconds:g} s")
        time.sleep(0.05)


@dataclass
class Orthanc:
    """Orthanc with its DICOMweb plugin.

    Args:
        folder: Where it keeps its files.
        settings: What differs from the settings below.
    """

    folder: Path
    settings: dict = field(default_factory=dict)
    ae_title: str = "ORTHANC"
    process: subprocess.Popen | None = None

    def __post_init__(self) -> None:
        self.http_port, self.dicom_port, self.answer_port = free_ports(3)
        self.url = f"http://127.0.0.1:{self.http_port}"
        self.web = f"{self.url}/dicom-web"

    def start(self) -> None:
        """Start it, and wait until it answers."""
        self.folder.mkdir(parents=True, exist_ok=True)
        config = self.folder / "orthanc.json"
        config.write_text(json.dumps(self._config()), encoding="utf-8")
        log = (self.folder / "orthanc.log").open("ab")
        self.process = subprocess.Popen(
            [shutil.which("Orthanc"), str(config)],
            stdout=log,
            stderr=log,
            env={**os.environ, "TCP_NODELAY": "1"},
        )
        log.close()
        eventually(self._answers, what=f"that Orthanc starts, see {self.folder / 'orthanc.log'}")

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """Stop it, and wait until it is gone."""
        if self.process is not None:
            self.process.send_signal(how)
            self.process.wait(timeout=PATIENCE)
            self.process = None

    def empty(self) -> None:
        """Delete all that it holds."""
        for patient in self.get("patients"):
            requests.delete(f"{self.url}/patients/{patient}", timeout=PATIENCE).raise_for_status()

    def put(self, file: Path) -> None:
        """Store a file by its own REST interface."""
        answer = requests.post(f"{self.url}/instances", data=file.read_bytes(), timeout=PATIENCE)
        answer.raise_for_status()

    def get(self, path: str):
        """Return what its own REST interface says."""
        answer = requests.get(f"{self.url}/{path}", timeout=PATIENCE)
        answer.raise_for_status()
        return answer.json()

    def stored(self) -> list[dict]:
        """Return the main tags of all instances, with SOP class and modality."""
        found = []
        for instance in self.get("instances"):
            tags = self.get(f"instances/{instance}/simplified-tags")
            found.append({keyword: tags.get(keyword) for keyword in SHOWN})
        return found

    def _answers(self) -> bool:
        assert self.process.poll() is None, (self.folder / "orthanc.log").read_text(errors="replace")[-2000:]
        try:
            return requests.get(f"{self.url}/system", timeout=1).ok
        except requests.RequestException:
            return False

    def _config(self) -> dict:
        return {
            "StorageDirectory": str(self.folder / "store"),
            "IndexDirectory": str(self.folder / "store"),
            "Plugins": [str(PLUGIN)],
            "HttpPort": self.http_port,
            "RemoteAccessAllowed": False,
            "AuthenticationEnabled": False,
            "DicomAet": self.ae_title,
            "DicomPort": self.dicom_port,
            "DicomCheckCalledAet": True,
            "DicomCheckModalityHost": True,
            "DicomAlwaysAllowStore": False,
            "DicomModalities": {"node": ["LUNGSCAN", "127.0.0.1", self.answer_port]},
            "UnknownSopClassAccepted": True,
            "StableAge": 1,
            "MaximumPduLength": 131072,
            "DicomWeb": {"Enable": True, "Root": "/dicom-web/"},
            **self.settings,
        }


def storescu(port: int, *files: Path, caller: str = "PACS", called: str = "LUNGSCAN") -> None:
    """Send files with dcmtk's `storescu`; the test is skipped where there is none."""
    command = [dcmtk("storescu"), "-aet", caller, "-aec", called, "127.0.0.1", str(port), *map(str, files)]
    subprocess.run(command, check=True, capture_output=True, timeout=2 * PATIENCE)


@contextmanager
def running_orthanc(folder: Path, **settings) -> Iterator[Orthanc]:
    """Run an Orthanc of one's own; the test is skipped where there is none."""
    if not shutil.which("Orthanc") or not PLUGIN.is_file():
        pytest.skip("Orthanc is not installed: bash scripts/system-packages.sh")
    server = Orthanc(folder, settings)
    server.start()
    try:
        yield server
    finally:
        server.stop(signal.SIGKILL)
