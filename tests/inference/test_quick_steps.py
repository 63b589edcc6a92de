"""Averaging first and windowing after gives what the steps in their own order give."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest
from blake3 import blake3
from PIL import Image
from pydicom import Dataset, dcmread
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian, JPEG2000Lossless

from lungscan_monai.dicom.pixels import read_display_frame
from lungscan_monai.dicom.reduced import Reduction
from lungscan_monai.errors import ReadError
from lungscan_monai.inference import quick_steps
from lungscan_monai.inference.plain_steps import PlainSteps
from lungscan_monai.inference.quick_steps import QuickSteps
from lungscan_monai.transforms.area import area_resize
from lungscan_monai.transforms.colours import to_channels
from lungscan_monai.transforms.contrast import clahe

SIZE = (24, 32)
STORED = np.random.default_rng(0).integers(0, 4096, (101, 67)).astype(np.uint16)


def steps(window=None, *before) -> PlainSteps:
    usual = (partial(to_channels, num_channels=1), *before, partial(area_resize, size=SIZE))
    return PlainSteps(window, (*usual, partial(np.repeat, repeats=3, axis=0)), (3, *SIZE))


@pytest.fixture
def averaged(monkeypatch) -> list:
    """Remembers which frames were averaged first."""
    calls: list = []
    original = quick_steps.small_shades
    monkeypatch.setattr(quick_steps, "small_shades", lambda *given: calls.append(given) or original(*given))
    return calls


LINEAR = {
    "values present": {},
    "inverted": {"PhotometricInterpretation": "MONOCHROME1"},
    "window": {"WindowCenter": 1800.25, "WindowWidth": 900.5},
    "narrow": {"WindowCenter": 2000, "WindowWidth": 3},
    "exact window": {"WindowCenter": 1800, "WindowWidth": 900, "VOILUTFunction": "LINEAR_EXACT"},
    "inverted window": {"WindowCenter": 1800, "WindowWidth": 900, "PhotometricInterpretation": "MONOCHROME1"},
    "inverted by LUT shape": {"WindowCenter": 1800, "WindowWidth": 900, "PresentationLUTShape": "INVERSE"},
    "rescale": {"RescaleSlope": 2.5, "RescaleIntercept": -1024, "WindowCenter": 3000, "WindowWidth": 1500},
    "falling rescale": {"RescaleSlope": -1, "RescaleIntercept": 4095, "WindowCenter": 2000, "WindowWidth": 1000},
    "falling rescale, values present": {"RescaleSlope": -1, "RescaleIntercept": 4095},
    "window outside": {"WindowCenter": 9000, "WindowWidth": 100},
}


@pytest.mark.parametrize("attributes", LINEAR.values(), ids=LINEAR)
@pytest.mark.parametrize("window", [None, (1500.0, 800.0)], ids=["own", "given"])
def test_a_linear_frame_is_averaged_first_and_comes_out_the_same(write_dicom, averaged, attributes, window):
    path = write_dicom("a.dcm", STORED, bits=12, **attributes)
    expected = steps(window)(str(path))
    found = QuickSteps(steps(window))(str(path)).image
    assert found.shape == (3, *SIZE) and found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=2e-6)
    assert len(averaged) == 1


@pytest.mark.parametrize("stored", [STORED.astype(np.int16) - 2000, (STORED // 16).astype(np.uint8)])
def test_signed_and_8_bit_frames_are_averaged_first(write_dicom, averaged, stored):
    path = write_dicom("a.dcm", stored)
    np.testing.assert_allclose(QuickSteps(steps())(str(path)).image, steps()(str(path)), atol=2e-6)
    assert len(averaged) == 1


def test_a_frame_smaller_than_the_network_wants_is_enlarged_alike(write_dicom, averaged):
    path = write_dicom("a.dcm", STORED[:15, :20], bits=12)
    np.testing.assert_allclose(QuickSteps(steps())(str(path)).image, steps()(str(path)), atol=2e-6)


@pytest.fixture
def read_again(monkeypatch) -> list:
    """Remembers which files were read once more for their hash."""
    calls: list = []
    original = quick_steps.blake3_file
    monkeypatch.setattr(quick_steps, "blake3_file", lambda path: calls.append(path) or original(path))
    return calls


WIDE = {"WindowCenter": 2048, "WindowWidth": 2400}
IN_ONE_PASS = {
    "whole range": (STORED, {"WindowCenter": 32768, "WindowWidth": 65536}),
    "held": (STORED, WIDE),
    "between values": (STORED, {"WindowCenter": 1800.25, "WindowWidth": 900.5}),
    "inverted": (STORED, {**WIDE, "PhotometricInterpretation": "MONOCHROME1"}),
    "rescale": (STORED, {**WIDE, "RescaleSlope": -2.5, "RescaleIntercept": 1024}),
    "signed": (STORED.astype(np.int16) - 2000, WIDE),
    "8 bit": ((STORED // 16).astype(np.uint8), {"WindowCenter": 100, "WindowWidth": 120}),
    "unused bits": (STORED | 0xA000, {**WIDE, "bits": 12}),
    "unused bits, signed": ((STORED | 0xA000).astype(np.int16), {"WindowCenter": 0, "WindowWidth": 3000, "bits": 12}),
    "frames": (np.stack([STORED * 0, STORED, STORED * 0]), {**WIDE, "frames": 3}),
}


@pytest.mark.parametrize("implicit", [False, True], ids=["explicit", "implicit"])
@pytest.mark.parametrize(("stored", "attributes"), IN_ONE_PASS.values(), ids=IN_ONE_PASS)
def test_a_frame_with_a_window_is_averaged_and_hashed_in_one_pass(
    make_dicom, tmp_path, read_again, stored, attributes, implicit
):
    dataset, path = make_dicom(stored, **attributes), tmp_path / "a.dcm"
    dataset.add_new(0xFFFCFFFC, "OB", bytes(1000))  # trailing padding belongs to the content
    dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian if implicit else ExplicitVRLittleEndian
    dataset.save_as(path, enforce_file_format=True)
    found = QuickSteps(steps())(str(path))
    np.testing.assert_allclose(found.image, steps()(str(path)), atol=2e-6)
    assert found.blake3 == blake3(path.read_bytes()).hexdigest()
    assert not read_again


NOT_IN_ONE_PASS = {
    "values present": (STORED, {}),
    "padding": (STORED, {**WIDE, "PixelPaddingValue": 0}),
    "sigmoid": (STORED, {**WIDE, "VOILUTFunction": "SIGMOID"}),
    "colours": (np.zeros((40, 50, 3), np.uint8), {}),
}


@pytest.mark.parametrize(("stored", "attributes"), NOT_IN_ONE_PASS.values(), ids=NOT_IN_ONE_PASS)
def test_other_frames_are_read_once_more_for_their_hash(write_dicom, read_again, stored, attributes):
    path = write_dicom("a.dcm", stored, **attributes)
    found = QuickSteps(steps())(str(path))
    np.testing.assert_allclose(found.image, steps()(str(path)), atol=2e-6)
    assert found.blake3 == blake3(path.read_bytes()).hexdigest()
    assert read_again == [str(path)]


def test_a_frame_that_lacks_bytes_is_refused_as_ever(write_dicom):
    path = write_dicom("a.dcm", STORED, **WIDE)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ReadError, match="pixels"):
        QuickSteps(steps())(str(path))


def lut(entries: int = 4096) -> list[Dataset]:
    item = Dataset()
    item.LUTDescriptor = [entries, 0, 12]
    item.LUTData = (np.arange(entries) ** 2 // entries).astype("<u2").tobytes()
    item["LUTData"].VR = "OW"
    return [item]


OTHERS = {
    "sigmoid": {"WindowCenter": 1800, "WindowWidth": 900, "VOILUTFunction": "SIGMOID"},
    "padding": {"PixelPaddingValue": int(STORED[0, 0])},
    "LUT": {"VOILUTSequence": lut()},
    "threshold": {"WindowCenter": 1800, "WindowWidth": 1},
}


@pytest.mark.parametrize("attributes", OTHERS.values(), ids=OTHERS)
def test_what_is_not_linear_takes_its_steps_in_their_own_order(write_dicom, averaged, attributes):
    path = write_dicom("a.dcm", STORED, bits=12, **attributes)
    np.testing.assert_array_equal(QuickSteps(steps())(str(path)).image, steps()(str(path)))
    assert not averaged


def test_colours_constant_frames_and_pictures_take_their_steps_in_their_own_order(write_dicom, averaged, tmp_path):
    colours = np.random.default_rng(1).integers(0, 256, (40, 50, 3)).astype(np.uint8)
    Image.fromarray(colours).save(tmp_path / "c.png")
    files = [write_dicom("a.dcm", colours), write_dicom("b.dcm", np.full((40, 50), 7, np.uint16)), tmp_path / "c.png"]
    for path in files:
        np.testing.assert_array_equal(QuickSteps(steps())(str(path)).image, steps()(str(path)))
    assert not averaged


def test_contrast_that_is_changed_before_the_resize_keeps_its_place(write_dicom, averaged):
    path = write_dicom("a.dcm", STORED, bits=12)
    plain = steps(None, partial(clahe, clip_limit=2.0, tiles=(4, 4), bits=8))
    np.testing.assert_array_equal(QuickSteps(plain)(str(path)).image, plain(str(path)))
    assert not averaged


def test_what_cannot_be_read_is_named(tmp_path):
    (tmp_path / "a.dcm").write_bytes(b"text")
    with pytest.raises(ReadError, match="not-dicom"):
        QuickSteps(steps())(str(tmp_path / "a.dcm"))


def compressed(write_dicom, stored: np.ndarray, bits: int = 12, **attributes) -> str:
    path = write_dicom("a.dcm", stored, bits=bits, **attributes)
    dataset = dcmread(path)
    dataset.compress(JPEG2000Lossless)
    dataset.save_as(path)
    return str(path)


def smooth(shape: tuple[int, int], noise: float = 40.0) -> np.ndarray:
    """Shades of 12 bits that change slowly, and some noise."""
    random = np.random.default_rng(0)
    slow = cv2.resize(random.normal(size=(7, 9)), shape[::-1], interpolation=cv2.INTER_CUBIC)
    return (2048 + 500 * slow + noise * random.normal(size=shape)).clip(0, 4095).astype(np.uint16)


@pytest.mark.parametrize(
    "attributes", [{}, {"PhotometricInterpretation": "MONOCHROME1"}, {"RescaleSlope": -1, "RescaleIntercept": 4096}]
)
@pytest.mark.parametrize(("shape", "halvings"), [((200, 300), 2), ((202, 303), 2), ((201, 299), 2), ((100, 130), 1)])
def test_a_large_jpeg_2000_frame_is_decoded_smaller_and_stays_where_it_was(write_dicom, attributes, shape, halvings):
    path = compressed(write_dicom, smooth(shape), **{**WIDE, **attributes})
    assert read_display_frame(path, smallest=(48, 64)).reduction == Reduction(halvings, *shape)
    full, reduced = QuickSteps(steps(), exact=True)(path).image, QuickSteps(steps())(path).image
    np.testing.assert_allclose(full, steps()(path), atol=2e-6)
    assert 0 < np.abs(full - reduced).mean() < 1 / 255 and np.abs(full - reduced).max() < 6 / 255
    shifted = np.roll(full, 1, axis=2)[:, 1:-1, 1:-1]
    assert np.abs(full - reduced).mean() < np.abs(full[:, 1:-1, 1:-1] - shifted).mean() / 10


def test_signed_values_are_decoded_smaller_alike(write_dicom):
    stored = smooth((200, 300)).astype(np.int16) - 2048
    path = compressed(write_dicom, stored, WindowCenter=0, WindowWidth=2400)
    assert read_display_frame(path, smallest=(48, 64)).reduction
    assert np.abs(QuickSteps(steps())(path).image - steps()(path)).mean() < 1 / 255


@pytest.mark.parametrize(
    "attributes",
    [
        {},
        {**WIDE, "VOILUTFunction": "SIGMOID"},
        {**WIDE, "PixelPaddingValue": 0},
        {"VOILUTSequence": lut()},
        {"WindowCenter": 2048, "WindowWidth": 400},
        {"WindowCenter": 1800, "WindowWidth": 1},
    ],
    ids=["values present", "sigmoid", "padding", "LUT", "narrow", "threshold"],
)
def test_a_jpeg_2000_frame_is_decoded_in_full_where_a_mean_would_not_do(write_dicom, attributes):
    path = compressed(write_dicom, smooth((200, 300)), **attributes)
    np.testing.assert_allclose(QuickSteps(steps())(path).image, steps()(path), atol=2e-6)


def test_a_damaged_jpeg_2000_frame_is_refused_as_it_is_in_full(write_dicom):
    path = Path(compressed(write_dicom, smooth((200, 300)), **WIDE))
    content = bytearray(path.read_bytes())
    start = content.index(b"\xff\x52")
    content[start : start + 400] = bytes(400)
    path.write_bytes(content)
    for exact in (True, False):
        with pytest.raises(ReadError, match="pixels"):
            QuickSteps(steps(), exact=exact)(str(path))
