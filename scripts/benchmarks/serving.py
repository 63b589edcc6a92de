"""How soon the REST service answers for one uploaded radiograph, heatmap included, and what uploads cost of memory.

    python scripts/benchmarks/serving.py BUNDLE [--picture FILE] [--uploads 200]

It starts `lungscan serve` with a trained bundle, waits until the model is loaded, and uploads one file again and again
to ``/v1/explain``, one request after the other. Printed are the median and the 95th percentile of the time from the
first byte of the request to the last byte of the answer, and the memory (RSS) of the service and its decoding workers
after ten uploads and after all of them. Without a file a noisy DICOM radiograph of 2500 x 2048 pixels is made.
``OMP_NUM_THREADS`` sets the threads. Linux only.
"""

from __future__ import annotations

import argparse
import io
import re
import signal
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx
import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian, generate_uid

WARM = 10
"""Uploads after which memory is first looked at, and before which no time counts."""


def radiograph() -> bytes:
    """Return a DICOM file of 2500 x 2048 pixels of 12 bits: a bright field with noise."""
    down, across = np.mgrid[-1:1:2500j, -1:1:2048j]
    field = 3000 * np.exp(-(down**2 + across**2)) + np.random.default_rng(0).normal(0, 60, down.shape)
    stored = field.clip(0, 4095).astype(np.uint16)
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = DigitalXRayImageStorageForPresentation
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = generate_uid(), generate_uid()
    dataset.Modality, dataset.ViewPosition = "DX", "PA"
    dataset.Rows, dataset.Columns = stored.shape
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 12, 11, 0
    dataset.PixelData = stored.tobytes()
    stream = io.BytesIO()
    dataset.save_as(stream, enforce_file_format=True)
    return stream.getvalue()


def memory(pid: int) -> float:
    """Return the resident memory of a process and of those it started, in MiB."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    children = " ".join(path.read_text(encoding="ascii") for path in Path(f"/proc/{pid}/task").glob("*/children"))
    own = int(re.search(r"VmRSS:\s+(\d+)", status)[1]) / 1024
    return own + sum(memory(int(child)) for child in children.split())


def address(service: subprocess.Popen) -> str:
    """Return where the service listens, once it says so."""
    for line in service.stderr:
        if found := re.search(r"http://\S+:\d+", line):
            return found[0]
    raise SystemExit("the service did not start")


def measure(url: str, pid: int, content: bytes, uploads: int) -> None:
    """Upload a file again and again, and print what it took."""
    seconds, held = [], {}
    with httpx.Client(base_url=url, timeout=300) as client:
        client.get("/health")
        for number in range(1, uploads + 1):
            start = time.perf_counter()
            answer = client.post("/v1/explain", files={"file": ("radiograph", content)})
            seconds.append(time.perf_counter() - start)
            if answer.status_code != httpx.codes.OK:
                raise SystemExit(f"upload {number}: {answer.text}")
            if number in (WARM, uploads):
                held[number] = memory(pid)
    counted = sorted(seconds[WARM:])
    tail = counted[int(0.95 * len(counted))]
    print(f"file: {len(content) / 2**20:.1f} MiB; answer: {len(answer.content) / 2**20:.1f} MiB")
    print(
        f"first upload: {seconds[0]:.2f} s; median: {statistics.median(counted):.3f} s; 95th percentile: {tail:.3f} s"
    )
    print("; ".join(f"after {number} uploads: {mebibytes:.0f} MiB" for number, mebibytes in held.items()))


def main() -> None:
    """Start the service, measure, end it."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("bundle")
    parser.add_argument("--picture", type=Path)
    parser.add_argument("--uploads", type=int, default=200)
    given = parser.parse_args()
    content = given.picture.read_bytes() if given.picture else radiograph()
    command = [sys.executable, "-m", "lungscan_monai.cli", "serve", given.bundle, "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as service:
        try:
            url = address(service)
            threading.Thread(target=service.stderr.read, daemon=True).start()  # its log is drained
            measure(url, service.pid, content, max(given.uploads, WARM + 1))
        finally:
            service.send_signal(signal.SIGINT)
            service.wait()


if __name__ == "__main__":
    main()
