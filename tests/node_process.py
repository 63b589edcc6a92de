"""A node in a process of its own, as a person starts it, and studies to send to it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import requests
from orthanc import PATIENCE, eventually, free_ports

from lungscan_monai.node.ledger import NodeLedger
from lungscan_monai.node.status import status_of

CALLER = "MODALITY"


@dataclass
class NodeProcess:
    """`lungscan node` with a folder of its own.

    Args:
        folder: Holds its settings, its store and its log.
        settings: What the settings say beyond ports, caller and short pauses.
    """

    folder: Path
    settings: dict = field(default_factory=dict)
    process: subprocess.Popen | None = None

    def __post_init__(self) -> None:
        self.port, self.monitoring_port = free_ports(2)
        self.config = self.folder / "node.json"
        self.folder.mkdir(parents=True, exist_ok=True)
        content = {
            "store": "store",
            "callers": [{"ae_title": CALLER}],
            "dicom": {"port": self.port},
            "quiet_seconds": 1,
            "retries": {"first_seconds": 0.5, "longest_seconds": 2},
            "monitoring_port": self.monitoring_port,
            **self.settings,
        }
        self.config.write_text(json.dumps(content), encoding="utf-8")

    def start(self) -> None:
        """Start it, and wait until it is well."""
        with (self.folder / "node.log").open("ab") as log:
            self.process = subprocess.Popen(self._command(), stdout=log, stderr=log, env=environment())
        eventually(self._is_well, 3 * PATIENCE, f"that the node starts, see {self.folder / 'node.log'}")

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """Stop it, and wait until it is gone."""
        if self.process is not None:
            self.process.send_signal(how)
            self.process.wait(timeout=PATIENCE)
            self.process = None

    def counts(self) -> dict[str, int]:
        """Return how many studies are in each state, as `lungscan node status` does."""
        with NodeLedger(self.folder / "store") as ledger:
            return status_of(ledger)["counts"]

    def wait_until_done(self, jobs: int, seconds: float = 5 * PATIENCE) -> None:
        """Wait until so many studies are through."""
        eventually(lambda: self.counts()["done"] == jobs, seconds, f"that {jobs} studies are done")

    def log(self) -> str:
        """Return what it said."""
        return (self.folder / "node.log").read_text(encoding="utf-8")

    def _command(self) -> list[str]:
        return [sys.executable, "-m", "lungscan_monai.cli", "node", "--config", str(self.config)]

    def _is_well(self) -> bool:
        assert self.process.poll() is None, self.log()[-2000:]
        try:
            return requests.get(f"http://127.0.0.1:{self.monitoring_port}/health", timeout=5).ok
        except requests.RequestException:
            return False


def environment() -> dict[str, str]:
    """Return the environment of processes that import the package from this checkout."""
    return {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[1]), "OMP_NUM_THREADS": "1"}


@contextmanager
def running_node(folder: Path, **settings) -> Iterator[NodeProcess]:
    """Run a node."""
    node = NodeProcess(folder, settings)
    node.start()
    try:
        yield node
    finally:
        node.stop(signal.SIGKILL)


def storescu(port: int, files: Sequence[Path]) -> None:
    """Send files to a node with dcmtk's `storescu`; the test is skipped where there is none."""
    program = shutil.which("storescu")
    if program is None:
        pytest.skip("dcmtk is not installed: bash scripts/system-packages.sh")
    command = [program, "-aet", CALLER, "-aec", "LUNGSCAN", "127.0.0.1", str(port), *map(str, files)]
    subprocess.run(command, check=True, capture_output=True, timeout=2 * PATIENCE)
