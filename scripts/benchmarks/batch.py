"""A folder of large uncompressed radiographs through one network: a script, MONAI's loader, and `lungscan batch`.

    python scripts/benchmarks/batch.py [--network mobilenetv2_035|resnet18] [--count 200] [--size 2000] [--explain]

The files are generated, of 16 bits. (a) is what scripts do: pydicom, scaled to 8 bits, resized by Pillow, one image at
a time through the eager network. (b) is MONAI's `LoadImaged` and `DataLoader(num_workers=2)`, batches of 16. (c) is
`run_batch` with each backend that is installed, hashes and ledger included. Each runs in a process of its own.

Printed: images/s from the first batch on (no imports, no start of workers), the ratios to (a) and (b), the share of the
limit ``1 / (model + reading / processors)`` that this run's own timings allow, and the largest memory of all its
processes (proportional set size, so that what they share counts once).
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

BUNDLE = Path(__file__).resolve().parents[2] / "monai_bundles" / "pneumonia_cxr_classification"
SIZES = {"mobilenetv2_035": 96, "resnet18": 224}
BATCH = 16
METHODS = ("script", "monai", "torch", "torch bfloat16", "onnx", "openvino", "openvino bfloat16")


def make_files(folder: Path, count: int, size: int) -> None:
    """Write radiograph-like DICOM files, each with other content."""
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian

    random = np.random.default_rng(0)
    soft = np.kron(random.normal(size=(size // 50, size // 50)), np.ones((50, 50)))
    picture = soft * 6000 + random.normal(size=soft.shape) * 300 + 30000
    picture = picture.clip(0, 65000).astype(np.uint16)
    for number in range(count):
        stored = np.roll(picture, 37 * number, axis=1) + np.uint16(number)
        dataset = Dataset()
        dataset.file_meta = FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = DigitalXRayImageStorageForPresentation
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = f"2.25.{number + 1}"
        dataset.StudyInstanceUID = dataset.SeriesInstanceUID = f"2.25.1000{number}"
        dataset.Modality, dataset.PhotometricInterpretation, dataset.SamplesPerPixel = "DX", "MONOCHROME2", 1
        dataset.Rows, dataset.Columns = stored.shape
        dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 16, 15, 0
        dataset.PixelData = stored.tobytes()
        dataset.save_as(folder / f"{number:05}.dcm", enforce_file_format=True)


def make_bundle(folder: Path, network: str) -> Path:
    """Return a copy of a bundle with an untrained network, which is as fast as a trained one."""
    from lungscan_monai.checkpoints import CheckpointStore
    from lungscan_monai.networks import TimmClassifier
    from lungscan_monai.task import load_task

    root = folder / BUNDLE.name
    shutil.copytree(BUNDLE, root)
    size = (SIZES[network], SIZES[network])
    CheckpointStore(root / "models", load_task(root)).save_model(
        TimmClassifier(network, 1, weights="none", image_size=size), epoch=0
    )
    return root


def by_script(root: Path, folder: Path, size: int) -> list[tuple[int, float]]:
    """The usual script."""
    import pydicom
    import torch
    from PIL import Image

    network = _network(root)
    seen = []
    with torch.no_grad():
        for number, path in enumerate(sorted(folder.iterdir()), start=1):
            pixels = pydicom.dcmread(path).pixel_array.astype(float)
            pixels = (pixels - pixels.min()) / (pixels.max() - pixels.min()) * 255
            picture = Image.fromarray(pixels.astype(np.uint8)).resize((size, size))
            image = torch.from_numpy(np.asarray(picture).astype(np.float32) / 255)[None, None].repeat(1, 3, 1, 1)
            network(image).sigmoid().item()
            seen.append((number, time.perf_counter()))
    return seen


def by_monai(root: Path, folder: Path, size: int) -> list[tuple[int, float]]:
    """MONAI's reader, transforms and loader."""
    import torch
    from monai.data import DataLoader, Dataset
    from monai.transforms import Compose, EnsureChannelFirstd, LoadImaged, RepeatChanneld, Resized, ScaleIntensityd

    network = _network(root)
    chain = Compose(
        [
            LoadImaged("image"),
            EnsureChannelFirstd("image"),
            ScaleIntensityd("image"),
            Resized("image", spatial_size=(size, size), mode="area"),
            RepeatChanneld("image", repeats=3),
        ]
    )
    records = [{"image": str(path)} for path in sorted(folder.iterdir())]
    loader = DataLoader(Dataset(records, chain), batch_size=BATCH, num_workers=2)
    seen = []
    with torch.no_grad():
        for batch in loader:
            network(batch["image"].as_tensor()).sigmoid()
            seen.append((len(batch["image"]) + (seen[-1][0] if seen else 0), time.perf_counter()))
    return seen


def by_batch(root: Path, folder: Path, output: Path, method: str, explain: bool) -> list[tuple[int, float]]:
    """`lungscan batch`."""
    from lungscan_monai.inference.batch_run import BatchSettings, run_batch

    backend, _, precision = method.partition(" ")
    seen: list[tuple[int, float]] = []
    settings = BatchSettings(BATCH, backend=backend, precision=precision or "float32", explain=explain)
    run_batch(root, folder, output, settings, lambda done, _: seen.append((done, time.perf_counter())))
    return seen[:-1]  # the last is told after the ledger was flushed


def limit(root: Path, folder: Path, method: str, size: int) -> float:
    """Images/s if the network and the reading, each at its own speed, shared the processors without loss."""
    from lungscan_monai.gate.admitting import admit
    from lungscan_monai.inference.content_hash import blake3_file
    from lungscan_monai.inference.opening import open_model, reading

    backend, _, precision = method.partition(" ")
    model = open_model(root, backend, precision or "float32", BATCH, True, False)
    images = np.random.default_rng(0).random((BATCH, 3, size, size), np.float32)
    of_model = min(_seconds(lambda: model.answer(images)) for _ in range(7)) / BATCH
    with reading(root, model, 1) as read_file:

        def read(path: Path) -> None:
            admit(path)
            blake3_file(path)
            read_file(path)

        files = sorted(folder.iterdir())[:20]
        of_reading = min(_seconds(lambda path=path: read(path)) for path in files)
    print(f"  {method}: model {of_model * 1e3:.1f} ms, reading {of_reading * 1e3:.1f} ms", file=sys.stderr)
    return 1 / (of_model + of_reading / (os.cpu_count() or 1))


def _seconds(function: object) -> float:
    started = time.perf_counter()
    function()
    return time.perf_counter() - started


def _network(root: Path) -> object:
    from lungscan_monai.inference.predictor import Predictor

    return Predictor(root, device="cpu").network


def measured(arguments: list[str]) -> dict[str, float]:
    """Run one method in a process of its own; return its rate, its limit and the largest memory of its processes."""
    with tempfile.TemporaryFile("w+") as told:
        process = subprocess.Popen([sys.executable, __file__, *arguments], stdout=told)
        largest = [0.0]
        done = threading.Event()

        def watch() -> None:
            while not done.wait(0.1):
                largest[0] = max(largest[0], sum(map(_proportional_mb, _family(process.pid))))

        watcher = threading.Thread(target=watch)
        watcher.start()
        code = process.wait()
        done.set()
        watcher.join()
        told.seek(0)
        text = told.read()
    return {**json.loads(text.splitlines()[-1]), "memory_mb": largest[0]} if code == 0 else {}


def _family(parent: int) -> Iterator[int]:
    yield parent
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            numbers = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(numbers[1]) == parent:
            yield from _family(int(stat.parent.name))


def _proportional_mb(process: int) -> float:
    try:
        lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


def one(options: argparse.Namespace) -> None:
    """Run one method and print what it took."""
    root, folder, size = options.root, options.folder, SIZES[options.network]
    if options.one == "limit":
        print(json.dumps({"limit": limit(root, folder, options.method, size)}))
        return
    if options.one in ("script", "monai"):
        seen = {"script": by_script, "monai": by_monai}[options.one](root, folder, size)
    else:
        with tempfile.TemporaryDirectory() as output:
            seen = by_batch(root, folder, Path(output), options.one, options.explain)
    (first, started), (last, ended) = seen[0], seen[-1]
    print(json.dumps({"rate": (last - first) / (ended - started)}))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--network", choices=SIZES, default="mobilenetv2_035")
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--size", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--methods", nargs="*", choices=METHODS, default=METHODS)
    parser.add_argument("--explain", action="store_true", help="heatmaps, too (c)")
    for name in ("--one", "--method"):
        parser.add_argument(name, help=argparse.SUPPRESS)
    for name in ("--root", "--folder"):
        parser.add_argument(name, type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        one(options)
        return
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "files"
        folder.mkdir()
        make_files(folder, options.count, options.size)
        root = make_bundle(Path(place), options.network)
        shared = ["--network", options.network, "--root", str(root), "--folder", str(folder)]
        shared += ["--explain"] if options.explain else []
        methods = [name for name in options.methods if name.split()[0] != "openvino" or _has("openvino")]
        rounds = [{name: measured(["--one", name, *shared]) for name in methods} for _ in range(options.rounds)]
        limits = {
            name: measured(["--one", "limit", "--method", name, *shared]).get("limit")
            for name in methods
            if name not in ("script", "monai")
        }
    _print(options, methods, rounds, limits)


def _has(package: str) -> bool:
    return importlib.util.find_spec(package) is not None


def _print(
    options: argparse.Namespace, methods: list[str], rounds: list[dict], limits: dict[str, float | None]
) -> None:
    best = {name: max((one[name].get("rate", 0.0) for one in rounds), default=0.0) for name in methods}
    print(f"{options.network} at {SIZES[options.network]}, {options.count} files of {options.size} x {options.size}")
    print(f"{'':18} {'images/s':>9} {'to (a)':>7} {'to (b)':>7} {'of limit':>9} {'MB':>6}")
    for name in methods:
        to = [f"{best[name] / best[other]:.1f}x" if best.get(other) else "-" for other in ("script", "monai")]
        share = f"{best[name] / limits[name]:.0%}" if limits.get(name) else "-"
        memory = max(one[name].get("memory_mb", 0.0) for one in rounds)
        print(f"{name:18} {best[name]:9.1f} {to[0]:>7} {to[1]:>7} {share:>9} {memory:6.0f}")


if __name__ == "__main__":
    main()
