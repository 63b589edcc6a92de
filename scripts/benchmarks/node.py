"""How much a node bears: receiving, answering while it infers, draining its queue, and how soon results arrive.

    python scripts/benchmarks/node.py [--count 500] [--drain 200] [--backend openvino] [--explain]
        [--network convnextv2_tiny --side 224] [--processes 2]

Everything is on loopback, in processes of its own: `lungscan node`, whoever sends (pynetdicom, TCP_NODELAY), and an
archive that remembers UIDs and answers queries. The images are generated: 512 x 512, 16 bits, 526 KB, one to a study.

Printed: instances/s on one association and on four at once, with what the ledger has of them; the 50th, 95th and 99th
percentile of the time from a C-STORE request to its answer, with and without inference at the same time; how many
studies/s the queue drains, beside `lungscan batch` on the same files; and the seconds from the last image of a
study to its results in the archive, beyond quiet time and analysis.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

BUNDLE = Path(__file__).resolve().parents[2] / "monai_bundles" / "pneumonia_cxr_classification"
QUIET = 2.0


def make_images(folder: Path, count: int, first: int) -> list[Path]:
    """Write images of 526 KB, each a study of its own."""
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian

    random = np.random.default_rng(first)
    picture = np.kron(random.normal(size=(16, 16)), np.ones((32, 32))) * 6000 + 30000
    paths = []
    for number in range(first, first + count):
        stored = (np.roll(picture, 13 * number, axis=1) + random.normal(size=picture.shape) * 300).astype(np.uint16)
        dataset = Dataset()
        dataset.file_meta = FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = DigitalXRayImageStorageForPresentation
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = f"2.25.1{number}"
        dataset.StudyInstanceUID, dataset.SeriesInstanceUID = f"2.25.2{number}", f"2.25.3{number}"
        dataset.PatientName, dataset.PatientID, dataset.PatientBirthDate, dataset.PatientSex = "Bench^Mark", "0", "", ""
        dataset.StudyDate, dataset.StudyTime, dataset.StudyID, dataset.AccessionNumber = "20240101", "120000", "1", ""
        dataset.ReferringPhysicianName, dataset.SeriesNumber, dataset.InstanceNumber = "", 1, 1
        dataset.Modality, dataset.BodyPartExamined, dataset.ViewPosition = "DX", "CHEST", "PA"
        dataset.PresentationIntentType, dataset.ImageType = "FOR PRESENTATION", ["ORIGINAL", "PRIMARY"]
        dataset.PatientOrientation, dataset.PhotometricInterpretation = ["L", "F"], "MONOCHROME2"
        dataset.SamplesPerPixel, (dataset.Rows, dataset.Columns) = 1, stored.shape
        dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 16, 15, 0
        dataset.PixelData = stored.tobytes()
        paths.append(folder / f"{number:05}.dcm")
        dataset.save_as(paths[-1], enforce_file_format=True)
    return paths


def make_bundle(folder: Path, backbone: str, side: int) -> Path:
    """Return a copy of a bundle with an untrained network, which is as fast as a trained one."""
    from lungscan_monai.checkpoints import CheckpointStore
    from lungscan_monai.networks import TimmClassifier
    from lungscan_monai.task import load_task

    root = folder / BUNDLE.name
    shutil.copytree(BUNDLE, root, ignore=shutil.ignore_patterns("*.pt"))
    network = TimmClassifier(backbone, 1, weights="none", image_size=(side, side))
    CheckpointStore(root / "models", load_task(root)).save_model(network, epoch=0)
    return root


def send(port: int, paths: list[Path], pause: float = 0.0) -> list[float]:
    """Send files on one association; return the seconds to each answer, NaN where it was no success."""
    from pydicom import dcmread
    from pydicom.uid import DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian
    from pynetdicom import AE, evt

    entity = AE("BENCH")
    entity.add_requested_context(DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian)
    datasets = [dcmread(path) for path in paths]
    association = entity.associate(
        "127.0.0.1", port, ae_title="LUNGSCAN", evt_handlers=[(evt.EVT_CONN_OPEN, without_delay)]
    )
    seconds = []
    for dataset in datasets:
        started = time.perf_counter()
        status = association.send_c_store(dataset).get("Status")
        seconds.append(time.perf_counter() - started if status == 0 else float("nan"))
        time.sleep(pause)
    association.release()
    return seconds


def without_delay(event: Any) -> None:
    """Turn Nagle's algorithm off."""
    event.assoc.dul.socket.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def archive(port: int, arrivals: Any) -> None:
    """An archive that remembers UIDs only; it tells when the results of a study came."""
    from pydicom.dataset import Dataset
    from pynetdicom import AE, evt
    from pynetdicom.sop_class import StudyRootQueryRetrieveInformationModelFind

    from lungscan_monai.node.delivery.contexts import RESULT_SOP_CLASSES

    stored: set[str] = set()

    def store(event: Any) -> int:
        stored.add(event.request.AffectedSOPInstanceUID)
        arrivals.put((time.time(), str(event.request.AffectedSOPInstanceUID)))
        return 0

    def find(event: Any) -> Iterator[tuple[int, Dataset]]:
        wanted = event.identifier.SOPInstanceUID
        for uid in [wanted] if isinstance(wanted, str) else wanted:
            if uid in stored:
                answer = Dataset()
                answer.QueryRetrieveLevel, answer.SOPInstanceUID = "IMAGE", uid
                yield 0xFF00, answer

    entity = AE("ARCHIVE")
    entity.maximum_pdu_size = 2**17
    for sop_class in (*RESULT_SOP_CLASSES, StudyRootQueryRetrieveInformationModelFind):
        entity.add_supported_context(sop_class)
    handlers = [(evt.EVT_C_STORE, store), (evt.EVT_C_FIND, find), (evt.EVT_CONN_OPEN, without_delay)]
    entity.start_server(("127.0.0.1", port), evt_handlers=handlers)


class Bench:
    """A node with an archive, in a folder; a context manager."""

    def __init__(self, folder: Path, bundle: Path, arguments: argparse.Namespace, quiet: float) -> None:
        folder.mkdir()
        self.folder, self.ports = folder, [free_port() for _ in range(3)]
        node, archive_port, monitoring = self.ports
        self.config = folder / "node.json"
        content = {
            "store": "store",
            "quiet_seconds": quiet,
            "rules": [{"bundles": [str(bundle)]}],
            "destination": {"kind": "dimse", "ae_title": "ARCHIVE", "host": "127.0.0.1", "port": archive_port},
            "callers": [{"ae_title": "BENCH"}],
            "dicom": {"port": node},
            "analysis": {
                "backend": arguments.backend,
                "explain": arguments.explain,
                "processes": arguments.processes,
            },
            "keep": {"min_free_bytes": 0},
            "monitoring_port": monitoring,
        }
        self.config.write_text(json.dumps(content))
        self.arrivals = multiprocessing.get_context("spawn").Queue()

    def __enter__(self) -> Bench:
        spawn = multiprocessing.get_context("spawn")
        self.archive = spawn.Process(target=archive, args=(self.ports[1], self.arrivals), daemon=True)
        self.archive.start()
        command = [sys.executable, "-m", "lungscan_monai.cli", "node", "--config", str(self.config)]
        self.node = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        for port in self.ports[:2]:
            wait_for(lambda port=port: listens(port))
        return self

    def __exit__(self, *_: object) -> None:
        self.node.send_signal(signal.SIGTERM)
        self.node.wait()
        self.archive.kill()

    def counts(self) -> dict[str, int]:
        from lungscan_monai.node.ledger import NodeLedger

        with NodeLedger(self.folder / "store") as ledger:
            return {**ledger.counts(), **ledger.instance_counts()}

    def metric(self, name: str) -> float:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.ports[2]}/metrics") as answer:
            lines = answer.read().decode().splitlines()
        return next(float(line.split()[-1]) for line in lines if line.startswith(f"{name} "))


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def wait_for(condition: Any, pause: float = 0.1) -> None:
    while not condition():
        time.sleep(pause)


@contextmanager
def senders(number: int) -> Iterator[Any]:
    """Processes that are ready to send."""
    with multiprocessing.get_context("spawn").Pool(number) as pool:
        pool.map(len, [[]] * number)
        yield pool


def told(name: str, value: Any) -> None:
    print(f"{name}: {value}", flush=True)


def percentiles(seconds: list[float]) -> str:
    values = 1000 * np.percentile(seconds, [50, 95, 99])
    return ", ".join(f"p{p} {value:.1f} ms" for p, value in zip((50, 95, 99), values, strict=True))


def receiving(work: Path, bundle: Path, arguments: argparse.Namespace, paths: list[Path]) -> None:
    """One association, then four at once; nothing is analysed meanwhile."""
    for number in (1, 4):
        with Bench(work / f"receiving-{number}", bundle, arguments, quiet=3600) as bench, senders(number) as pool:
            shares = [paths[start::number] for start in range(number)]
            found = pool.starmap(send, [(bench.ports[0], share) for share in shares])
            rate = sum(len(share) / sum(seconds) for share, seconds in zip(shares, found, strict=True))
            told(f"received on {number} association(s)", f"{rate:.0f} instances/s")
            told("  to each answer", percentiles([one for seconds in found for one in seconds]))
            told("  in the ledger", f"{bench.counts()['instances']} of {len(paths)}")


def draining(work: Path, bundle: Path, arguments: argparse.Namespace, paths: list[Path]) -> None:
    """A queue that is full, beside a batch; C-STORE answers meanwhile; then one study by itself."""
    later = make_images(work / "later", 600, 100_000)
    with Bench(work / "draining", bundle, arguments, quiet=QUIET) as bench, senders(1) as pool:
        warm = make_images(work / "warm", 1, 200_000)
        pool.apply(send, (bench.ports[0], warm))
        wait_for(lambda: bench.counts()["done"] == 1)
        alone(bench, pool, make_images(work / "alone", 5, 210_000))
        before = bench.counts()["done"]
        pool.apply(send, (bench.ports[0], paths))
        started = time.time()
        wait_for(lambda: bench.counts()["done"] == before + len(paths))
        rate = len(paths) / (time.time() - started - QUIET)
        told("queue drains", f"{rate:.1f} studies/s, analysed, sent and confirmed")
        pool.apply(send, (bench.ports[0], paths_again(work, paths)))
        wait_for(lambda: bench.counts()["working"] > 0, 0.01)
        busy = pool.apply_async(send, (bench.ports[0], later, 0.05))
        seconds: list[float] = busy.get()
        told("answers while it infers", f"{percentiles(seconds)} of {len(seconds)}")


def paths_again(work: Path, paths: list[Path]) -> list[Path]:
    """More images, to keep it busy."""
    return make_images(work / "again", len(paths), 300_000)


def alone(bench: Bench, pool: Any, paths: list[Path]) -> None:
    """Seconds from a study's completeness to its results, without its analysis."""
    beyond = []
    for path in paths:
        done, analysis = bench.counts()["done"], bench.metric("lungscan_node_analysis_seconds_sum")
        pool.apply(send, (bench.ports[0], [path]))
        started = time.time()
        wait_for(lambda done=done: bench.counts()["done"] > done, 0.02)
        analysis = bench.metric("lungscan_node_analysis_seconds_sum") - analysis
        beyond.append((time.time() - started - QUIET, analysis))
    text = ", ".join(f"{total:.2f} s ({analysis:.2f} s analysis)" for total, analysis in beyond)
    told("one study, from complete to confirmed", text)


def batch(work: Path, bundle: Path, arguments: argparse.Namespace, folder: Path, count: int) -> None:
    """`lungscan batch` on the same files, from its first batch on."""
    from lungscan_monai.inference.batch_run import BatchSettings, run_batch

    marks: list[tuple[float, int]] = []
    settings = BatchSettings(backend=arguments.backend, explain=arguments.explain)
    run_batch(bundle, folder, work / "batch", settings, lambda done, _: marks.append((time.time(), done)))
    (first, some), (last, all_) = marks[0], marks[-1]
    told("lungscan batch", f"{(all_ - some) / (last - first):.1f} images/s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--count", type=int, default=500, help="images that are received")
    parser.add_argument("--drain", type=int, default=200, help="images that are analysed")
    parser.add_argument("--backend", default="torch", help="as `lungscan batch` takes it")
    parser.add_argument("--network", default="mobilenetv2_035", help="a timm backbone")
    parser.add_argument("--side", type=int, default=96, help="rows and columns of its input")
    parser.add_argument("--processes", type=int, default=1, help="that analyse")
    parser.add_argument("--explain", action="store_true", help="make heatmaps, too")
    parser.add_argument("--only", choices=("receiving", "draining"), help="one part of it")
    arguments = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        for folder in ("images", "drain", "later", "warm", "alone", "again"):
            (work / folder).mkdir()
        bundle = make_bundle(work, arguments.network, arguments.side)
        if arguments.only != "draining":
            receiving(work, bundle, arguments, make_images(work / "images", arguments.count, 1))
        if arguments.only != "receiving":
            paths = make_images(work / "drain", arguments.drain, 50_000)
            draining(work, bundle, arguments, paths)
            batch(work, bundle, arguments, work / "drain", len(paths))


if __name__ == "__main__":
    main()
