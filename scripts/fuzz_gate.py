"""Throw damaged and invented files at the gate, and at the decoders behind it.

Run ``python scripts/fuzz_gate.py --seconds 60``. Whatever comes, the gate lets it in or refuses it with a known code
and one sentence, in less than a second of processor time; everything else is a finding, whose file is kept. Findings
make the exit code 1.

--decode    also reads what was let in, in decoding workers: a crash there is counted, since it costs that file only
--atheris   lets coverage lead (`pip install atheris`) in place of chance
--seeds     changes the files of a folder, too; by default small DICOM, PNG, TIFF, NIfTI and MetaImage files are made
"""

from __future__ import annotations

import argparse
import contextlib
import io
import random
import resource
import struct
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import (
    UID,
    CTImageStorage,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
)

ROOT = Path(__file__).resolve().parents[1]
_MORE_MB = 1024
"""What a run led by coverage may take; one file through the gate takes 300 at most."""
LIMIT_SECONDS = 1.0
SYNTAXES = (
    *(ExplicitVRLittleEndian, ImplicitVRLittleEndian, DeflatedExplicitVRLittleEndian),
    *(RLELossless, JPEGLSLossless, JPEG2000Lossless),
)
BYTES = (0x00, 0x01, 0x7F, 0x80, 0xFE, 0xFF)
NUMBERS = (0, 1, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF, 0xFFFEE000, 0xE000FFFE)

Check = Callable[[bytes], str]
"""From the bytes of a file to the word that they are counted under."""


def dicom_seed(syntax: UID) -> bytes:
    """A small multi-frame CT with nested sequences."""
    values = np.random.default_rng(0).integers(0, 4096, (2, 33, 34)).astype("<u2")
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID, dataset.SOPInstanceUID, dataset.Modality = CTImageStorage, UID("2.25.1"), "CT"
    dataset.NumberOfFrames, dataset.Rows, dataset.Columns = values.shape
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation, dataset.PixelRepresentation = 1, "MONOCHROME2", 0
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 12, 11
    dataset.RescaleSlope, dataset.RescaleIntercept, dataset.WindowCenter, dataset.WindowWidth = 1, -1024, 40, 400
    inner, outer = Dataset(), Dataset()
    inner.CodeValue = "1"
    outer.ConceptNameCodeSequence = [inner]
    outer["ConceptNameCodeSequence"].is_undefined_length = True
    dataset.ContentSequence = [outer, outer]
    dataset.PixelData = values.tobytes()
    dataset["PixelData"].VR = "OW"
    if syntax.is_encapsulated:
        dataset.compress(syntax)
    dataset.file_meta.TransferSyntaxUID = syntax
    stream = io.BytesIO()
    dataset.save_as(stream, implicit_vr=syntax.is_implicit_VR, little_endian=True, enforce_file_format=True)
    return stream.getvalue()


def picture_seed(name: str) -> bytes:
    """A small picture of two pages, where the format has pages."""
    stream = io.BytesIO()
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (9, 11)).astype(np.uint8))
    picture.save(stream, name, **({"save_all": True, "append_images": [picture]} if name == "TIFF" else {}))
    return stream.getvalue()


def volume_seeds() -> list[bytes]:
    """A NIfTI and a MetaImage file of 4 x 3 x 2 numbers of 16 bits."""
    nifti = bytearray(352)
    struct.pack_into("<i", nifti, 0, 348)
    struct.pack_into("<8h", nifti, 40, 3, 4, 3, 2, 1, 1, 1, 1)
    struct.pack_into("<hh", nifti, 70, 4, 16)
    struct.pack_into("<f", nifti, 108, 352)
    nifti[344:348] = b"n+1\0"
    meta = b"ObjectType = Image\nNDims = 3\nDimSize = 4 3 2\nElementType = MET_SHORT\nElementDataFile = LOCAL\n"
    return [bytes(nifti) + bytes(48), meta + bytes(48)]


def seeds(folder: Path | None) -> list[bytes]:
    """What is changed: made here, and the files of a folder."""
    made = [*map(dicom_seed, SYNTAXES), *map(picture_seed, ("PNG", "TIFF", "JPEG", "GIF", "BMP")), *volume_seeds()]
    found = [] if folder is None else [path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()]
    return made + found


def changed(content: bytes, chance: random.Random) -> bytes:
    """A file with some bytes or numbers replaced, parts doubled or left out, or cut short."""
    result = bytearray(content)
    for _ in range(chance.choice((1, 1, 2, 4, 8, 32))):
        if not result:
            break
        # Most of what decides stands at the beginning.
        place = chance.randrange(len(result)) if chance.random() < 0.5 else chance.randrange(min(len(result), 1024))
        end = place + chance.choice((1, 2, 4, 8, 16, 128, 4096))
        kind = chance.randrange(6)
        if kind == 0:
            result[place] = chance.choice(BYTES)
        elif kind == 1:
            result[place] ^= 1 << chance.randrange(8)
        elif kind == 2:
            form = chance.choice(("<I", ">I"))
            result[place : place + 4] = struct.pack(form, chance.choice(NUMBERS))
        elif kind == 3:
            result[place:place] = result[place:end] * chance.choice((1, 2, 64))
        elif kind == 4:
            del result[place:end]
        elif chance.random() < 0.2:
            del result[place:]
    return bytes(result)


@contextlib.contextmanager
def checks(decode: bool) -> Iterator[Check]:
    """Give the check; AssertionError marks a finding, and so does every error that is not a ReadError."""
    from lungscan_monai.decoding.pool import DecodingPool
    from lungscan_monai.errors import DataError, ReadError
    from lungscan_monai.gate.admitting import admit
    from lungscan_monai.gate.codes import READ_CODES

    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        path = Path(folder) / "fuzzed.dcm"
        pool = stack.enter_context(DecodingPool(workers=1, memory_bytes=2**29, seconds=10)) if decode else None

        def check(content: bytes) -> str:
            path.write_bytes(content)
            start = time.process_time()
            try:
                admit(path)
                code = "admitted"
            except ReadError as error:
                code = error.code
                assert code in READ_CODES, f"unknown code {code}"
                assert "\n" not in error.reason and len(error.reason) < 500, "the reason is no sentence"
            assert time.process_time() - start < LIMIT_SECONDS, f"{code} after more than {LIMIT_SECONDS} s"
            if code != "admitted" or pool is None:
                return code
            try:
                pool.decode(path)
            except DataError as error:
                return f"decoding: {getattr(error, 'code', 'not usable')}"
            return "decoded"

        yield check


def by_chance(check: Check, given: list[bytes], seconds: float, seed: int, findings: Path) -> int:
    """Change files at random until the time is over; return the number of findings."""
    chance, counts, found = random.Random(seed), Counter(), 0
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        content = changed(chance.choice(given), chance)
        try:
            counts[check(content)] += 1
        except Exception as error:
            found += 1
            findings.mkdir(parents=True, exist_ok=True)
            (findings / f"finding{found:04}").write_bytes(content)
            print(f"finding {found}: {type(error).__name__}: {error}", file=sys.stderr)
    print(f"{sum(counts.values())} files in {seconds:g} s, {found} findings")
    for code, count in counts.most_common():
        print(f"{count:8} {code}")
    return found


def by_coverage(decode: bool, given: list[bytes], seconds: float, seed: int, findings: Path) -> None:
    """Let atheris look for new ways through the gate; it ends the process by itself."""
    import atheris

    with atheris.instrument_imports(include=["lungscan_monai.gate"]):
        import lungscan_monai.gate.admitting  # noqa: F401
    findings.mkdir(parents=True, exist_ok=True)
    with checks(decode) as check, tempfile.TemporaryDirectory() as corpus:
        for number, content in enumerate(given):
            (Path(corpus) / f"{number:04}").write_bytes(content)
        bounds = [f"-max_total_time={seconds:g}", "-max_len=20000", f"-rss_limit_mb={_peak_mb() + _MORE_MB}"]
        options = [*bounds, f"-artifact_prefix={findings}/", f"-seed={seed}", "-verbosity=1"]
        atheris.Setup([sys.argv[0], *options, corpus], check)
        atheris.Fuzz()


def _peak_mb() -> int:
    """Return the most memory so far, as libFuzzer counts it: Linux hands on that of whoever started this process."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def main() -> int:
    """Read the options and fuzz."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seeds", type=Path, help="a folder of files to change")
    parser.add_argument("--findings", type=Path, default=Path("fuzz-findings"), help="where files of findings are kept")
    parser.add_argument("--decode", action="store_true")
    parser.add_argument("--atheris", action="store_true")
    options = parser.parse_args()
    sys.path.insert(0, str(ROOT))
    warnings.simplefilter("ignore")
    given = seeds(options.seeds)
    if options.atheris:
        by_coverage(options.decode, given, options.seconds, options.seed, options.findings)
    with checks(options.decode) as check:
        return 1 if by_chance(check, given, options.seconds, options.seed, options.findings) else 0


if __name__ == "__main__":
    sys.exit(main())
