"""Files in a store go through the same gate and give the same answers as on a disk."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem
from small_bundle import mixed_folder, small_bundle, write_png

from lungscan_monai.errors import ConfigError, DataError, MissingDependencyError, NetworkError, ReadError
from lungscan_monai.gate.limits import Limits
from lungscan_monai.inference import stores
from lungscan_monai.inference.batch_run import BatchSettings, run_batch
from lungscan_monai.inference.folders import FolderOnDisk, folder_at
from lungscan_monai.inference.stores import FolderInStore

URL = "memory://bucket/archive"


@pytest.fixture
def store() -> Iterator[MemoryFileSystem]:
    """An empty store in memory."""
    system = fsspec.filesystem("memory")
    yield system
    system.store.clear()
    system.pseudo_dirs[:] = [""]


def uploaded(store: MemoryFileSystem, folder: Path) -> None:
    for path in folder.rglob("*"):
        if path.is_file():
            store.pipe(f"/bucket/archive/{path.relative_to(folder).as_posix()}", path.read_bytes())


def test_a_store_has_the_files_of_a_disk_in_their_order(store, tmp_path, make_dicom):
    mixed_folder(tmp_path / "in", make_dicom)
    write_png(tmp_path / "in" / "b" / "deeper" / "z.png", 5)
    uploaded(store, tmp_path / "in")
    on_disk = FolderOnDisk(tmp_path / "in", tmp_path / "out")
    assert list(folder_at(URL, tmp_path / "out").files()) == list(on_disk.files())


def test_the_results_are_those_of_the_folder_on_a_disk(store, tmp_path, make_dicom):
    root = small_bundle(tmp_path)
    mixed_folder(tmp_path / "in", make_dicom)
    uploaded(store, tmp_path / "in")
    how = BatchSettings(batch_size=2, workers=2)
    expected = run_batch(root, tmp_path / "in", tmp_path / "disk", how)
    assert run_batch(root, URL, tmp_path / "store", how) == expected
    for name in ("predictions.csv", "predictions.jsonl", "rejects.csv"):
        assert (tmp_path / "store" / name).read_bytes() == (tmp_path / "disk" / name).read_bytes()
    store.pipe("/bucket/archive/b/picture.png", (tmp_path / "in" / "=1+1.png").read_bytes())
    run_batch(root, URL, tmp_path / "store", BatchSettings(batch_size=2, workers=2, resume=True))
    rows = [json.loads(line) for line in (tmp_path / "store" / "predictions.jsonl").read_text().splitlines()]
    assert len({row["blake3"] for row in rows if row["file"].endswith(".png")}) == 1  # what has changed was done anew


def test_a_file_url_is_a_path(tmp_path):
    folder = folder_at(f"file://{tmp_path}", tmp_path / "out")
    assert folder == FolderOnDisk(tmp_path, tmp_path / "out")


def test_a_file_is_here_under_its_suffix_only_meanwhile(store):
    store.pipe("/bucket/archive/a/Doe^Jane.nii.gz", b"bytes")
    with FolderInStore(URL).here(PurePosixPath("a/Doe^Jane.nii.gz")) as path:
        assert path.read_bytes() == b"bytes"
        assert path.name == "file.nii.gz" and "Doe" not in str(path)
    assert not path.parent.exists()


def test_no_more_of_a_file_is_brought_than_the_limit(store, monkeypatch):
    monkeypatch.setattr(stores, "Limits", lambda: Limits(file_bytes=100))
    monkeypatch.setattr(stores, "_PIECE", 64)
    store.pipe("/bucket/archive/large", b"x" * 1000)
    written = []
    unlimited = Path.open

    def watched(path, *arguments):
        stream = unlimited(path, *arguments)
        written.append(stream)
        return stream

    monkeypatch.setattr(Path, "open", watched)
    with pytest.raises(ReadError, match="too-large"), FolderInStore(URL).here(PurePosixPath("large")):
        pass
    assert written[-1].closed


class Flaky(MemoryFileSystem):
    """A store that fails some times, and can be gone altogether."""

    failures = 0
    is_gone = False

    def open(self, *arguments, **settings):
        if Flaky.failures > 0:
            Flaky.failures -= 1
            raise OSError("connection reset")
        return super().open(*arguments, **settings)

    def info(self, *arguments, **settings):
        if Flaky.is_gone:
            raise ConnectionError("no route")
        return super().info(*arguments, **settings)


@pytest.fixture
def flaky(store, monkeypatch) -> type[Flaky]:
    monkeypatch.setattr(stores, "_WAIT_SECONDS", 0)
    monkeypatch.setattr(FolderInStore, "_system", property(lambda folder: Flaky()))
    store.pipe("/bucket/archive/a", b"bytes")
    monkeypatch.setattr(Flaky, "failures", 0)
    monkeypatch.setattr(Flaky, "is_gone", False)
    return Flaky


def test_what_fails_is_asked_for_again(flaky):
    flaky.failures = stores.TRIES - 1
    with FolderInStore(URL).here(PurePosixPath("a")) as path:
        assert path.read_bytes() == b"bytes"


def test_a_file_that_is_gone_is_a_reject_unless_its_folder_is_gone_too(store):
    store.pipe("/bucket/archive/a", b"bytes")
    folder = FolderInStore(URL)
    with pytest.raises(ReadError, match="missing-file"), folder.here(PurePosixPath("b")):
        pass
    store.store.clear()
    store.pseudo_dirs[:] = [""]
    with pytest.raises(NetworkError, match="FileNotFoundError"), folder.here(PurePosixPath("a")):
        pass


def test_a_file_that_cannot_be_read_is_a_reject_but_a_store_that_is_gone_ends_the_run(flaky):
    flaky.failures = stores.TRIES
    with pytest.raises(ReadError, match="unreadable"), FolderInStore(URL).here(PurePosixPath("a")):
        pass
    flaky.failures, flaky.is_gone = stores.TRIES, True
    with pytest.raises(NetworkError, match="--resume"), FolderInStore(URL).here(PurePosixPath("a")):
        pass


def test_a_store_that_goes_away_in_the_middle_loses_nothing(flaky, store, tmp_path, monkeypatch):
    root = small_bundle(tmp_path)
    for number in range(12):
        picture = write_png(tmp_path / "in" / f"{number:02}.png", number)
        store.pipe(f"/bucket/archive/{picture.name}", picture.read_bytes())
    store.rm("/bucket/archive/a")
    expected = run_batch(root, tmp_path / "in", tmp_path / "disk", BatchSettings(batch_size=1, workers=1))

    def go_away(done: int, total: int) -> None:
        flaky.is_gone, flaky.failures = done >= 4, 1000 if done >= 4 else 0

    with pytest.raises(NetworkError, match="the store cannot be read"):
        run_batch(root, URL, tmp_path / "out", BatchSettings(batch_size=1, workers=1), go_away)
    flaky.is_gone, flaky.failures = False, 0
    assert run_batch(root, URL, tmp_path / "out", BatchSettings(batch_size=1, workers=1, resume=True)) == expected
    name = "predictions.jsonl"
    assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "disk" / name).read_bytes()


def test_what_is_no_folder_is_said(store, tmp_path):
    with pytest.raises(DataError, match="no such folder"):
        folder_at("memory://nowhere", tmp_path)
    with pytest.raises(ConfigError, match="fsspec knows no such URLs"):
        folder_at("nonsense://bucket", tmp_path)


def test_a_store_whose_package_is_missing_is_said(tmp_path, monkeypatch):
    def missing(*arguments, **settings):
        raise ImportError("Install s3fs to access S3")

    monkeypatch.setattr(fsspec.core, "url_to_fs", missing)
    with pytest.raises(MissingDependencyError, match="Install s3fs"):
        folder_at("s3://bucket", tmp_path)


def test_labels_want_a_folder_on_a_disk(store, tmp_path):
    root = shutil.copytree(small_bundle(tmp_path / "one"), tmp_path / "pneumonia_cxr_classification")
    store.pipe("/bucket/archive/a.png", b"")
    labels = tmp_path / "labels.csv"
    labels.write_text("image,label\na.png,Normal\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="labels name files of a folder on a disk"):
        run_batch(root, URL, tmp_path / "out", BatchSettings(labels=labels))
