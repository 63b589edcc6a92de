from __future__ import annotations

import io
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate, get_frame
from pydicom.uid import JPEG2000, JPEGBaseline8Bit, JPEGLSLossless

from lungscan_monai.dicom.codestreams import CodestreamSize, codestream_size
from lungscan_monai.dicom.pixels import read_display_image
from lungscan_monai.errors import ReadError

PYDICOM_FILES = Path(pydicom.__file__).parent / "data" / "test_files"


def jpeg(rows: int = 24, columns: int = 40, **settings) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(np.zeros((rows, columns), np.uint8)).save(stream, "JPEG", **settings)
    return stream.getvalue()


def jpeg_2000(boxes: bool = False) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(np.zeros((24, 40), np.uint8)).save(stream, "JPEG2000", no_jp2=not boxes)
    return stream.getvalue()


@pytest.mark.parametrize("settings", [{}, {"progressive": True}, {"comment": b"x" * 3000}])
def test_size_of_a_jpeg_is_found_whatever_comes_before_it(settings: dict) -> None:
    assert codestream_size(jpeg(**settings)) == CodestreamSize(24, 40, 1)
    assert codestream_size(jpeg()[:2] + b"\xff\xff" + jpeg()[2:]) == CodestreamSize(24, 40, 1)


def test_size_of_a_jpeg_2000_is_found_with_and_without_boxes() -> None:
    assert codestream_size(jpeg_2000()) == CodestreamSize(24, 40, 1)
    assert not jpeg_2000(boxes=True).startswith(jpeg_2000()[:4])
    assert codestream_size(jpeg_2000(boxes=True)) == CodestreamSize(24, 40, 1)


@pytest.mark.parametrize("content", [b"", b"\xff", b"\xff\xd8", b"\xff\xd8\xff\xd9", b"\xff\x4f\xff\x51\0", bytes(64)])
def test_anything_else_has_no_size(content: bytes) -> None:
    assert codestream_size(content) is None


def test_a_header_cut_anywhere_or_running_in_circles_is_no_error() -> None:
    for whole in (jpeg(), jpeg_2000()):
        for end in range(len(whole)):
            codestream_size(whole[:end])
    assert codestream_size(b"\xff\xd8" + b"\xff\xe0\0\0" * 100) is None


CHANGED = "JPEG2000-embedded-sequence-delimiter.dcm"
"""A delimiter was written over its codestream, which claims 3.7 billion columns since."""


def test_a_real_file_with_a_codestream_of_billions_of_columns_is_refused() -> None:
    with pytest.raises(ReadError, match="a picture of 1024 x 3722445056"):
        read_display_image(PYDICOM_FILES / CHANGED)


@pytest.mark.parametrize("path", sorted(PYDICOM_FILES.glob("*.dcm")), ids=lambda path: path.name)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_codestreams_of_pydicoms_own_files_have_the_size_of_their_header(path: Path) -> None:
    dataset = pydicom.dcmread(path, force=True)
    syntax = dataset.file_meta.get("TransferSyntaxUID")
    if (
        syntax is None
        or not syntax.is_encapsulated
        or "RLE" in syntax.name
        or path.name in (CHANGED, "UN_sequence.dcm")
    ):
        pytest.skip("is not compressed by a codec of pictures")
    count = int(dataset.get("NumberOfFrames") or 1)
    size = codestream_size(get_frame(dataset.PixelData, 0, number_of_frames=count))
    assert size == CodestreamSize(dataset.Rows, dataset.Columns, dataset.SamplesPerPixel)


def grown(codestream: bytes, place: int, form: str, *numbers: int) -> bytes:
    changed = bytearray(codestream)
    struct.pack_into(form, changed, place, *numbers)
    return bytes(changed)


@pytest.mark.parametrize(
    ("syntax", "codestream"),
    [
        (JPEGBaseline8Bit, grown(jpeg(), jpeg().index(b"\xff\xc0") + 5, ">HH", 65500, 65500)),
        (JPEGLSLossless, b"\xff\xd8\xff\xf7\0\x0b\x08" + struct.pack(">HHB", 65500, 65500, 1) + bytes(100)),
        (JPEG2000, grown(jpeg_2000(), 8, ">II", 60000, 60000)),
        (JPEG2000, grown(jpeg_2000(), 40, ">H", 16384)),
    ],
)
def test_a_frame_larger_than_its_header_is_refused_before_it_is_decoded(
    make_dicom: Callable[..., Dataset], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, syntax: str, codestream: bytes
) -> None:
    dataset = make_dicom(np.zeros((24, 40), np.uint8))
    dataset.PixelData = encapsulate([codestream])
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset["PixelData"].VR = "OB"
    dataset["PixelData"].is_undefined_length = True
    dataset.save_as(tmp_path / "a", enforce_file_format=True)
    monkeypatch.setattr("lungscan_monai.dicom.pixels.pixel_array", lambda *_, **__: pytest.fail("it was decoded"))
    with pytest.raises(ReadError, match=r"its header says 24 x 40 \[pixels\]"):
        read_display_image(tmp_path / "a")
