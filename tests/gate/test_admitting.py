from __future__ import annotations

import gzip
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import pydicom
import pytest
import SimpleITK
from bombs import BOMBS, CT, element, file_of, fragments, image, nested, write_bomb
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian, ImplicitVRLittleEndian, RLELossless

from lungscan_monai.errors import ReadError
from lungscan_monai.gate.admitting import admit
from lungscan_monai.gate.codes import READ_CODES
from lungscan_monai.gate.limits import Limits

ROOT = Path(__file__).parents[2]
PYDICOM_FILES = Path(pydicom.__file__).parent / "data" / "test_files"
MEMORY = 300 * 2**20
Writer = Callable[..., Path]


def refusal(path: Path, limits: Limits | None = None) -> ReadError:
    with pytest.raises(ReadError) as caught:
        admit(path, limits)
    assert caught.value.code in READ_CODES
    return caught.value


def written(folder: Path, content: bytes, name: str = "a.dcm") -> Path:
    (folder / name).write_bytes(content)
    return folder / name


# --- bombs ------------------------------------------------------------------------------------------------------

_ADMIT = """
import json, re, sys, time
from pathlib import Path
from lungscan_monai.errors import ReadError
from lungscan_monai.gate.admitting import admit


def peak():
    return int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1])


for path in sorted(Path(sys.argv[1]).iterdir()):
    before = peak()
    start = time.process_time()  # the machine may be busy
    try:
        admit(path / "bomb.dcm")
    except ReadError as error:
        seconds = time.process_time() - start
        more = peak() - before
        print(json.dumps([path.name, error.code, error.reason, seconds, more]))
"""


def test_bombs_are_refused_with_their_code_a_sentence_and_little_memory(tmp_path: Path) -> None:
    for number, name in enumerate(BOMBS):
        (tmp_path / f"{number:02}").mkdir()
        write_bomb(name, tmp_path / f"{number:02}")
    done = subprocess.run(
        [sys.executable, "-c", _ADMIT, tmp_path], cwd=ROOT, capture_output=True, text=True, check=True
    )
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(lines) == len(BOMBS)
    for (_, code, reason, seconds, more), (name, (expected, _)) in zip(lines, BOMBS.items(), strict=True):
        print(f"{name}: {code}, {seconds:.3f} s, {more} KB more")
        assert code == expected, name
        assert len(reason) < 300 and "\n" not in reason, name
        assert seconds < 1, name
        assert more * 1024 < MEMORY, name


def test_nothing_but_the_gate_of_a_pipe_is_asked(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.dcm")
    assert refusal(tmp_path / "pipe.dcm").code == "not-a-file"
    assert refusal(tmp_path).code == "not-a-file"
    assert refusal(tmp_path / "gone.dcm").code == "missing-file"


def test_an_unreadable_file_is_a_reject(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root reads every file")
    path = written(tmp_path, file_of(image()))
    path.chmod(0)
    assert refusal(path).code == "unreadable"


# --- cut short --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "syntax", [ImplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian, RLELossless]
)
def test_a_file_cut_at_any_byte_is_refused(make_dicom: Callable[..., Dataset], tmp_path: Path, syntax: str) -> None:
    dataset = make_dicom(np.arange(64, dtype=np.uint16).reshape(8, 8))
    dataset.ReferencedImageSequence = [Dataset()]
    dataset.ReferencedImageSequence[0].ReferencedSOPInstanceUID = "1.2.3"
    if syntax == RLELossless:
        dataset.compress(syntax)
    elif syntax == ExplicitVRBigEndian:
        dataset.PixelData = np.arange(64, dtype=">u2").tobytes()
    dataset["PixelData"].VR = "OW"
    dataset.file_meta.TransferSyntaxUID = syntax
    little = syntax != ExplicitVRBigEndian
    stream = io.BytesIO()
    pydicom.dcmwrite(
        stream, dataset, implicit_vr=syntax == ImplicitVRLittleEndian, little_endian=little, enforce_file_format=True
    ) if not syntax.is_compressed else dataset.save_as(stream, enforce_file_format=True)
    whole = stream.getvalue()
    assert admit(written(tmp_path, whole)).rows == 8
    for end in range(len(whole)):
        refusal(written(tmp_path, whole[:end]))


def test_bytes_after_the_pixels_are_looked_at_too(tmp_path: Path) -> None:
    whole = image()
    assert admit(written(tmp_path, file_of(whole + bytes(6)))).rows == 4
    assert admit(written(tmp_path, file_of(whole + element(0xFFFC, 0xFFFC, b"OB", bytes(64))))).rows == 4
    assert refusal(written(tmp_path, file_of(whole + b"tail"))).code == "truncated"
    assert refusal(written(tmp_path, file_of(whole + nested(40)))).code == "too-deep"


# --- what is let in ---------------------------------------------------------------------------------------------


def test_header_of_a_dicom_file_comes_back(write_dicom: Writer) -> None:
    stored = np.zeros((3, 5, 7), np.uint16)
    path = write_dicom("a", stored, bits=12, frames=3, Modality="MR", StudyInstanceUID="1.2", SeriesInstanceUID="1.3")
    found = admit(path)
    assert (found.kind, found.size) == ("dicom", path.stat().st_size)
    assert (found.rows, found.columns, found.samples, found.frames) == (5, 7, 1, 3)
    header = found.dicom
    assert (header.modality, header.study, header.series) == ("MR", "1.2", "1.3")
    assert (header.bits_allocated, header.bits_stored, header.photometric) == (16, 12, "MONOCHROME2")
    assert (header.sop_class.encode(), header.transfer_syntax) == (CT, "1.2.840.10008.1.2.1")


def test_pictures_and_volumes_come_in_by_their_content(tmp_path: Path) -> None:
    grey = np.zeros((5, 7), np.uint8)
    for suffix in ("png", "jpg", "tif", "bmp", "gif", "webp"):
        Image.fromarray(grey).save(tmp_path / f"a.{suffix}")
        (tmp_path / f"a.{suffix}").rename(tmp_path / "a.dcm")
        found = admit(tmp_path / "a.dcm")
        assert (found.kind, found.rows, found.columns, found.frames) == ("picture", 5, 7, 1), suffix
    for name in ("a.nii", "a.nii.gz"):
        nibabel.save(nibabel.Nifti1Image(np.zeros((7, 5, 3), np.int16), np.eye(4)), tmp_path / name)
        found = admit(tmp_path / name)
        assert (found.kind, found.rows, found.columns, found.frames) == ("nifti", 5, 7, 3)
    nibabel.save(nibabel.Nifti2Image(np.zeros((7, 5, 3), np.int16), np.eye(4)), tmp_path / "two.nii")
    assert admit(tmp_path / "two.nii").frames == 3
    for name, compress in (("a.mha", False), ("b.mha", True), ("a.nrrd", False), ("b.nrrd", True)):
        volume = SimpleITK.GetImageFromArray(np.zeros((3, 5, 7), np.int16))
        SimpleITK.WriteImage(volume, str(tmp_path / name), compress)
        found = admit(tmp_path / name)
        assert (found.kind, found.rows, found.columns, found.frames) == ("volume", 5, 7, 3), name


def test_a_colour_volume_has_its_colours(tmp_path: Path) -> None:
    for name in ("a.mha", "a.nrrd"):
        SimpleITK.WriteImage(
            SimpleITK.GetImageFromArray(np.zeros((5, 7, 3), np.uint8), isVector=True), str(tmp_path / name)
        )
        found = admit(tmp_path / name)
        assert (found.rows, found.columns, found.samples, found.frames) == (5, 7, 3, 1), name


def test_a_header_whose_pixels_lie_elsewhere_is_refused(tmp_path: Path) -> None:
    volume = SimpleITK.GetImageFromArray(np.zeros((3, 5, 7), np.int16))
    for name in ("a.mhd", "a.nhdr"):
        SimpleITK.WriteImage(volume, str(tmp_path / name))
        assert refusal(tmp_path / name).code == "refers-elsewhere"
    nibabel.save(nibabel.Nifti1Pair(np.zeros((7, 5, 3), np.int16), np.eye(4)), tmp_path / "b.img")
    assert refusal(tmp_path / "b.hdr").code == "refers-elsewhere"


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz", "a.mha", "a.nrrd"])
def test_volumes_cut_short_or_scrambled_are_refused_or_harmless(tmp_path: Path, name: str) -> None:
    values = np.random.default_rng(0).integers(0, 1000, (6, 5, 4)).astype(np.int16)
    if "nii" in name:
        nibabel.save(nibabel.Nifti1Image(values, np.eye(4)), tmp_path / name)
    else:
        SimpleITK.WriteImage(SimpleITK.GetImageFromArray(values), str(tmp_path / name), useCompression=False)
    whole = (tmp_path / name).read_bytes()
    for end in range(0, min(len(whole), 360)):
        if "gz" not in name:
            refusal(written(tmp_path, whole[:end], name))
    rng = np.random.default_rng(1)
    for _ in range(300):
        changed = bytearray(whole)
        for place in rng.integers(0, min(len(whole), 400), 3):
            changed[place] = rng.integers(256)
        let_in_or_refused(written(tmp_path, bytes(changed), name))


def let_in_or_refused(path: Path) -> None:
    try:
        admit(path)
    except ReadError as error:
        assert error.code in READ_CODES
        assert "\n" not in error.reason


def test_a_gzip_of_anything_else_is_no_volume(tmp_path: Path) -> None:
    assert refusal(written(tmp_path, gzip.compress(b"text" * 1000), "a.nii.gz")).code == "malformed"
    assert refusal(written(tmp_path, gzip.compress(b"text"), "a.nii.gz")).code == "truncated"
    assert refusal(written(tmp_path, gzip.compress(b"a,b\n" * 1000), "table.csv.gz")).code == "unknown-format"


@pytest.mark.parametrize("content", [b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", b"%PDF-1.7\n", b"<svg/>"])
def test_programs_that_draw_are_no_pictures(tmp_path: Path, content: bytes) -> None:
    assert refusal(written(tmp_path, content, "a.png")).code == "unknown-format"


# --- DICOM ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("uid", "kind"),
    [
        ("1.2.840.10008.5.1.4.1.1.88.33", "Comprehensive SR Storage"),
        ("1.2.840.10008.5.1.4.1.1.11.1", "Grayscale Softcopy Presentation State Storage"),
        ("1.2.840.10008.5.1.4.1.1.88.59", "Key Object Selection Document Storage"),
        ("1.2.840.10008.5.1.4.1.1.481.5", "RT Plan Storage"),
        ("1.2.840.10008.5.1.4.1.1.104.1", "Encapsulated PDF Storage"),
        ("1.2.840.10008.5.1.4.1.1.9.1.1", "12-lead ECG Waveform Storage"),
        ("1.2.840.10008.5.1.4.1.1.66.4", "Segmentation Storage"),
        ("1.2.840.10008.1.3.10", "Media Storage Directory Storage"),
    ],
)
def test_an_object_that_is_no_image_is_named(write_dicom: Writer, uid: str, kind: str) -> None:
    error = refusal(write_dicom("a", np.zeros((4, 4), np.uint8), SOPClassUID=uid))
    assert (error.code, error.reason) == ("not-an-image", f"is no image but {kind}")


def test_an_image_without_pixels_is_refused(make_dicom: Callable[..., Dataset], tmp_path: Path) -> None:
    dataset = make_dicom(np.zeros((4, 4), np.uint8))
    del dataset.PixelData
    dataset.save_as(tmp_path / "a", enforce_file_format=True)
    assert refusal(tmp_path / "a").code == "no-pixels"


def test_a_broken_sequence_of_known_length_is_passed_over(tmp_path: Path) -> None:
    item = b"\xfe\xff\x00\xe0\x10\x00\x00\x00" + b"\xff" * 9
    assert admit(written(tmp_path, file_of(image(extra=element(0x40, 0xA730, b"SQ", item))))).rows == 4


def test_encapsulation_and_transfer_syntax_agree(tmp_path: Path) -> None:
    assert refusal(written(tmp_path, file_of(image(pixels=fragments(bytes(16)))))).code == "malformed"
    assert refusal(written(tmp_path, file_of(image(), RLELossless.encode()))).code == "malformed"


def test_a_tiff_preamble_is_the_one_double_that_the_standard_speaks_of(tmp_path: Path) -> None:
    assert admit(written(tmp_path, file_of(image(), preamble=b"II*\0"))).rows == 4


@pytest.mark.parametrize("limit", ["pixels", "samples", "file_bytes", "elements"])
def test_limits_can_be_changed(tmp_path: Path, limit: str) -> None:
    path = written(tmp_path, file_of(image()))
    assert admit(path).rows == 4
    assert refusal(path, Limits(**{limit: 3})).code in ("too-large", "too-many-elements")


@pytest.mark.parametrize("path", sorted(PYDICOM_FILES.rglob("*.dcm")), ids=lambda path: path.name)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_headers_of_pydicoms_own_files_are_those_that_pydicom_reads(path: Path) -> None:
    expected = pydicom.dcmread(path, force=True, stop_before_pixels=True)
    try:
        header = admit(path).dicom
    except ReadError as error:
        assert error.code in ("not-an-image", "no-pixels", "truncated", "malformed", "not-dicom")
        return
    texts = {"sop_class": "SOPClassUID", "study": "StudyInstanceUID", "series": "SeriesInstanceUID"}
    texts |= {"sop_instance": "SOPInstanceUID", "modality": "Modality", "photometric": "PhotometricInterpretation"}
    for ours, theirs in texts.items():
        assert getattr(header, ours) == (expected.get(theirs) or ""), theirs
    assert header.frames == int(expected.get("NumberOfFrames") or 1)
    numbers = (header.rows, header.columns, header.samples, header.bits_allocated, header.bits_stored)
    wanted = (expected.Rows, expected.Columns, expected.SamplesPerPixel, expected.BitsAllocated, expected.BitsStored)
    assert numbers == wanted


# --- fuzzed -----------------------------------------------------------------------------------------------------

SEEDS = [
    file_of(image()),
    file_of(image(extra=nested(3))),
    file_of(image(pixels=fragments(bytes(80))), RLELossless.encode()),
    file_of(image(extra=nested(3, undefined=False))),
]


@given(st.data())
@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_changed_cut_and_doubled_files_are_let_in_or_refused(tmp_path: Path, data: st.DataObject) -> None:
    content = bytearray(data.draw(st.sampled_from(SEEDS)))
    for place in data.draw(st.lists(st.integers(132, len(content) - 1), max_size=6)):
        content[place] = data.draw(st.sampled_from([0, 1, 0x7F, 0xFE, 0xFF]) | st.integers(0, 255))
    start, end = sorted(data.draw(st.tuples(*[st.integers(132, len(content))] * 2)))
    if data.draw(st.booleans()):
        content[start:start] = content[start:end]
    if data.draw(st.booleans()):
        del content[end:]
    let_in_or_refused(written(tmp_path, bytes(content)))


@given(st.binary(max_size=2000))
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_random_bytes_are_let_in_or_refused(tmp_path: Path, content: bytes) -> None:
    let_in_or_refused(written(tmp_path, content))
    let_in_or_refused(written(tmp_path, bytes(128) + b"DICM" + content))
