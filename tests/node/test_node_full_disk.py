"""A node whose disk is full refuses what it cannot keep, and answers all the rest when there is room again."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from node_bench import NodeProcess, RecordingArchive, image, send, wait_until, write_settings
from small_bundle import small_bundle

from lungscan_monai.errors import OutputError
from lungscan_monai.node.ledger import NodeLedger

pytestmark = pytest.mark.slow

SIZE = 16 << 20
ROOM_FOR_IMAGES = 500 << 10
"""Enough for some small images and the ledger, too little for a picture with its caption (900 KB)."""


@pytest.fixture
def disk(tmp_path) -> Iterator[Path]:
    """A small disk of its own."""
    folder = tmp_path / "disk"
    folder.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if done.returncode:
        pytest.skip("a disk of its own can only be mounted by root")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def leave(disk: Path, room: int) -> Path:
    """Fill a disk but for some bytes; return the file that fills it."""
    ballast = disk / "ballast"
    ballast.unlink(missing_ok=True)
    with ballast.open("wb") as stream:
        stream.write(b"\0" * (shutil.disk_usage(disk).free - room))
    return ballast


def reasons(store: Path) -> list[str | None]:
    try:
        with NodeLedger(store) as ledger:
            return [reason for _, _, _, _, _, reason, _, _, _ in ledger.jobs()]
    except OutputError:
        return []


def test_a_full_disk_that_has_room_again_leaves_each_study_with_its_results_exactly_once(tmp_path, disk):
    with RecordingArchive() as archive:
        store, retries = disk / "store", {"attempts": 10_000, "first_seconds": 0.1, "longest_seconds": 0.5}
        config = write_settings(tmp_path, small_bundle(tmp_path), archive.port, store=str(store), retries=retries)
        with NodeProcess(config) as node:
            leave(disk, ROOM_FOR_IMAGES)
            assert [send(node.port, image(1, study)) for study in (1, 2)] == [[0], [0]]
            wait_until(
                lambda: any("could not be written (No space left" in (why or "") for why in reasons(store)),
                "results do not fit",
            )
            ballast = leave(disk, 0)
            assert send(node.port, image(1, 3)) == [0xA700]
            ballast.unlink()
            assert send(node.port, image(1, 3)) == [0]
            wait_until(lambda: len(archive.stored) == 9, "the results arrive")
            wait_until(lambda: reasons(store) == [None] * 3, "all is done")
        for study in (1, 2, 3):
            assert archive.modalities(study) == ["OT", "SR", "SR"]
        assert set(archive.stored.values()) == {1}
        with NodeLedger(store) as ledger:
            assert ledger.counts()["done"] == 3
