"""A folder of large radiographs through one network: a script, MONAI's loader, and `lungscan batch`.

    python scripts/benchmarks/batch.py --network resnet18
    python scripts/benchmarks/batch.py --syntax jpeg2000 --count 64
    python scripts/benchmarks/batch.py --explain --methods torch onnx openvino
    python scripts/benchmarks/batch.py --sparse --count 10000 --rounds 1 --methods torch openvino

The files are generated, of 16 bits, each with other content. (a) is what scripts do: pydicom, scaled to 8 bits, resized
by Pillow, one image at a time through the eager network. (b) is MONAI's `LoadImaged` and `DataLoader(num_workers=2)`,
batches of 16. (c) is `run_batch` with each backend that is installed, hashes and ledger included; with JPEG 2000 as the
model bears it, in `full` (`--exact`) and `reduced` (`--no-exact`); with `--explain` plain and `explained`. Each runs in
a process of its own. Networks take the threads that `OMP_NUM_THREADS` says, all processors if it says nothing; the
limit is that of these threads.

Printed: images/s after the first quarter (no imports, no start of workers), the ratios to (a) and (b), the share of the
limit ``1 / (model + reading / processors)`` that this run's own timings allow, and the largest memory of all its
processes (proportional set size, so that what they share counts once). Memory is bounded if it is the same for 200 and
for 10,000 files; with `--sparse` these take 0.7 GB of disk, since all but the first lines of a picture is a hole.
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
RIVALS = ("script", "monai")
BACKENDS = ("torch", "torch bfloat16", "onnx", "onnx int8", "openvino", "openvino bfloat16", "openvino int8")
"""With `full`, `reduced` or `explained` after it: how `lungscan batch` runs."""

_PICTURES = 8
_LEAST = 4 * BATCH
_FIRST_LINES = 2**16
_UID = "2.25.1{:09}"


def make_files(folder: Path, count: int, size: int, syntax: str, sparse: bool) -> None:
    """Write radiograph-like DICOM files, each with other content."""
    pictures = [_radiograph(number, size, syntax) for number in range(1 if sparse else min(count, _PICTURES))]
    for number in range(count):
        content, uid = pictures[number % len(pictures)]
        content = content.replace(uid.encode(), _UID.format(number + _PICTURES).encode())
        with (folder / f"{number:05}.dcm").open("wb") as stream:
            stream.write(content[:_FIRST_LINES] if sparse else content)
            stream.truncate(len(content))


def _radiograph(number: int, size: int, syntax: str) -> tuple[bytes, str]:
    """Return a file and the UID in it by which files are told apart."""
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.filebase import DicomBytesIO
    from pydicom.uid import DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian, JPEG2000Lossless

    random = np.random.default_rng(number)
    soft = np.kron(random.normal(size=(size // 50, size // 50)), np.ones((50, 50)))
    picture = soft * 6000 + random.normal(size=soft.shape) * 300 + 30000
    stored = picture.clip(0, 65000).astype(np.uint16)
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = DigitalXRayImageStorageForPresentation
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = _UID.format(number)
    dataset.StudyInstanceUID = dataset.SeriesInstanceUID = _UID.format(number)
    dataset.Modality, dataset.PhotometricInterpretation, dataset.SamplesPerPixel = "DX", "MONOCHROME2", 1
    dataset.Rows, dataset.Columns = stored.shape
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 16, 15, 0
    dataset.WindowCenter, dataset.WindowWidth = 32768, 65536
    dataset.PixelData = stored.tobytes()
    if syntax == "jpeg2000":
        dataset.compress(JPEG2000Lossless, generate_instance_uid=False)
    file = DicomBytesIO()
    dataset.save_as(file, enforce_file_format=True)
    return file.getvalue(), _UID.format(number)


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


def allow_lower_precisions(root: Path, folder: Path, place: Path, precisions: set[str]) -> None:
    """Make the model of int8, and a verdict for the lower precisions: random networks have nothing to lose."""
    from lungscan_monai.data.datalist import Case, Datalist
    from lungscan_monai.inference.backends.verdicts import Tolerances
    from lungscan_monai.inference.precision import PrecisionCheck, check_precision

    files = sorted(folder.iterdir())[: 2 * BATCH]
    cases = tuple(Case(file.name, number % 2) for number, file in enumerate(files))
    sections = {"training": cases[:BATCH], "validation": cases[BATCH:]}
    Datalist("benchmark", "binary", ("Normal", "Pneumonia"), folder, sections).save(place / "datalist.json")
    tolerances = Tolerances(changed_decisions=1, auc_loss=1, mean_difference=1, least_cases=1)
    for precision in sorted(precisions):
        check_precision(root, place / "datalist.json", PrecisionCheck(precision, tolerances=tolerances))


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


def by_batch(root: Path, folder: Path, output: Path, method: str) -> list[tuple[int, float]]:
    """`lungscan batch`."""
    from lungscan_monai.inference.batch_run import BatchSettings, run_batch

    backend, *words = method.split()
    seen: list[tuple[int, float]] = []
    exact = {"full": True, "reduced": False}.get(words[-1] if words else "")
    settings = BatchSettings(
        BATCH, backend=backend, precision=_precision(words), explain="explained" in words, exact=exact
    )
    run_batch(root, folder, output, settings, lambda done, _: seen.append((done, time.perf_counter())))
    return seen[:-1]  # the last is told after the ledger was flushed


def _precision(words: list[str]) -> str:
    return next((word for word in words if word in ("bfloat16", "int8")), "float32")


def limit(root: Path, folder: Path, method: str, size: int) -> float:
    """Images/s if the network and the reading, each at its own speed, shared the processors without loss."""
    from lungscan_monai.gate.admitting import admit
    from lungscan_monai.inference.opening import open_model, reading

    backend, *words = method.split()
    model = open_model(root, backend, _precision(words), BATCH, True, False)
    images = np.random.default_rng(0).random((BATCH, 3, size, size), np.float32)
    of_model = min(_seconds(lambda: model.answer(images)) for _ in range(7)) / BATCH
    with reading(root, model, 1, "reduced" not in words) as read_file:

        def read(path: Path) -> None:
            admit(path)
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
            while not done.wait(0.3):  # looking takes time of a processor
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
            seen = by_batch(root, folder, Path(output), options.one)
    (first, started), (last, ended) = seen[len(seen) // 4], seen[-1]
    print(json.dumps({"rate": (last - first) / (ended - started)}))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--network", choices=SIZES, default="mobilenetv2_035")
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--size", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--syntax", choices=("uncompressed", "jpeg2000"), default="uncompressed")
    parser.add_argument("--sparse", action="store_true", help="files that are mostly holes, for large counts")
    parser.add_argument("--methods", nargs="*", choices=RIVALS + BACKENDS, default=RIVALS + BACKENDS)
    parser.add_argument("--explain", action="store_true", help="(c) with heatmaps, too")
    for name in ("--one", "--method"):
        parser.add_argument(name, help=argparse.SUPPRESS)
    for name in ("--root", "--folder"):
        parser.add_argument(name, type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.sparse and options.syntax != "uncompressed":
        parser.error("--sparse is for uncompressed files")
    if options.count < _LEAST:
        parser.error(f"a rate takes at least {_LEAST} files")
    if options.one:
        one(options)
        return
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "files"
        folder.mkdir()
        make_files(folder, options.count, options.size, options.syntax, options.sparse)
        root = make_bundle(Path(place), options.network)
        shared = ["--network", options.network, "--root", str(root), "--folder", str(folder)]
        methods = list(_methods(options))
        lower = {_precision(name.split()) for name in methods} - {"float32"}
        allow_lower_precisions(root, folder, Path(place), lower)
        limits = {  # first: this exports the model, which none of the runs shall count
            name: measured(["--one", "limit", "--method", name, *shared]).get("limit")
            for name in methods
            if name not in RIVALS and not name.endswith("explained")
            if options.syntax != "jpeg2000" or name.endswith(("full", "reduced"))
        }
        rounds = [{name: measured(["--one", name, *shared]) for name in methods} for _ in range(options.rounds)]
    _print(options, methods, rounds, limits)


def _methods(options: argparse.Namespace) -> Iterator[str]:
    """Give what runs in each round: what was asked for and is installed, each plain one followed by its variants."""
    for name in options.methods:
        if name.startswith("openvino") and importlib.util.find_spec("openvino") is None:
            continue
        yield name
        if name not in RIVALS and options.syntax == "jpeg2000":
            yield f"{name} full"
            yield f"{name} reduced"
        if name not in RIVALS and options.explain:
            yield f"{name} explained"


def _print(
    options: argparse.Namespace, methods: list[str], rounds: list[dict], limits: dict[str, float | None]
) -> None:
    best = {name: max(one[name].get("rate", 0.0) for one in rounds) for name in methods}
    holes, threads = ", mostly holes" * options.sparse, os.environ.get("OMP_NUM_THREADS", "all")
    print(f"{options.network} at {SIZES[options.network]}, threads: {threads}")
    print(f"{options.count} {options.syntax} files of {options.size} x {options.size}{holes}")
    print(f"{'':27} {'images/s':>9} {'to (a)':>7} {'to (b)':>7} {'of limit':>9} {'MB':>6}")
    for name in methods:
        to = [f"{best[name] / best[other]:.1f}x" if best.get(other) else "-" for other in RIVALS]
        share = f"{best[name] / limits[name]:.0%}" if limits.get(name) else "-"
        memory = max(one[name].get("memory_mb", 0.0) for one in rounds)
        print(f"{name:27} {best[name]:9.1f} {to[0]:>7} {to[1]:>7} {share:>9} {memory:6.0f}")
    for name in methods:
        plain, _, last = name.rpartition(" ")
        if last == "explained" and best[name]:
            print(f"heatmaps add {best[plain] / best[name] - 1:.0%} to the time of {plain}")


if __name__ == "__main__":
    main()
