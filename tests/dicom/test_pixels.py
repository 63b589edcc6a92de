from __future__ import annotations

import io
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.pixels import get_decoder
from pydicom.pixels.processing import apply_modality_lut, apply_voi_lut
from pydicom.uid import (
    MPEG2MPML,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    RLELossless,
)

from lungscan_monai.dicom.pixels import hounsfield, read_display_image
from lungscan_monai.dicom.windows import Window
from lungscan_monai.errors import ReadError

Writer = Callable[..., Path]
Maker = Callable[..., Dataset]


def noise(bits: int = 12, signed: bool = False, shape: tuple[int, ...] = (13, 17)) -> np.ndarray:
    """Stored values that reach both ends of their range."""
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1)) if signed else (0, 2**bits)
    kind = f"{'i' if signed else 'u'}{1 if bits <= 8 else 2}"
    values = np.random.default_rng(bits).integers(low, high, shape).astype(kind)
    values.flat[0], values.flat[1] = low, high - 1
    return values


def mirrored(stored: np.ndarray, bits: int) -> np.ndarray:
    """Every stored value at the other end of its range: 0 <-> 2**bits - 1; signed: -1 - value."""
    top = -1 if stored.dtype.kind == "i" else 2**bits - 1
    return (top - stored.astype(np.int64)).astype(stored.dtype)


def lut_item(entries: np.ndarray, first: int, bits: int) -> Dataset:
    item = Dataset()
    item.add_new("LUTDescriptor", "SS" if first < 0 else "US", [len(entries) % 2**16, first, bits])
    item.add_new("LUTData", "US", [int(entry) for entry in entries])
    return item


# --- polarity ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("bits", [8, 10, 12, 15, 16])
def test_monochrome1_equals_its_monochrome2_twin_without_a_window(write_dicom: Writer, bits: int, signed: bool) -> None:
    stored = noise(bits, signed)
    one = write_dicom("one", stored, bits=bits, PhotometricInterpretation="MONOCHROME1")
    two = write_dicom("two", mirrored(stored, bits), bits=bits)
    np.testing.assert_array_equal(read_display_image(one), read_display_image(two))


@pytest.mark.parametrize("function", ["LINEAR", "LINEAR_EXACT", "SIGMOID"])
@pytest.mark.parametrize(("center", "width"), [(0.5, 1), (40, 400), (37.3, 251.7), (-12.25, 3)])
@pytest.mark.parametrize(("bits", "signed"), [(8, False), (12, True), (15, False), (16, True)])
def test_monochrome1_equals_its_monochrome2_twin_under_a_window(
    write_dicom: Writer, bits: int, signed: bool, center: float, width: float, function: str
) -> None:
    stored, top = noise(bits, signed), -1 if signed else 2**bits - 1
    half = 0.5 if function == "LINEAR" else 0  # the middle of a LINEAR window is its center - 0.5
    rest = {"bits": bits, "WindowWidth": width, "VOILUTFunction": function}
    one = write_dicom("one", stored, WindowCenter=center, PhotometricInterpretation="MONOCHROME1", **rest)
    two = write_dicom("two", mirrored(stored, bits), WindowCenter=round(top - (center - half) + half, 6), **rest)
    np.testing.assert_array_equal(read_display_image(one), read_display_image(two))


@given(
    slope=st.integers(1, 5000).map(lambda number: number / 1000),
    intercept=st.integers(-3000, 3000),
    center=st.integers(-20000, 20000).map(lambda number: number / 10),
    width=st.integers(11, 50000).map(lambda number: number / 10),
)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_monochrome1_equals_its_twin_under_any_rescale(
    write_dicom: Writer, slope: float, intercept: int, center: float, width: float
) -> None:
    stored = noise(12)
    rest = {"bits": 12, "WindowWidth": width, "RescaleSlope": slope, "RescaleIntercept": intercept}
    one = write_dicom("one", stored, WindowCenter=center, PhotometricInterpretation="MONOCHROME1", **rest)
    # p' = slope * 4095 + 2 * intercept - p, and the LINEAR window's middle is center - 0.5
    twin_center = round(slope * 4095 + 2 * intercept - center + 1, 6)
    two = write_dicom("two", mirrored(stored, 12), WindowCenter=twin_center, **rest)
    np.testing.assert_array_equal(read_display_image(one), read_display_image(two))


def test_monochrome1_equals_its_twin_under_a_voi_lut(write_dicom: Writer) -> None:
    stored = noise(12)
    table = np.round(1023 * np.linspace(0, 1, 4096) ** 2).astype(int)
    one = write_dicom(
        "one", stored, bits=12, PhotometricInterpretation="MONOCHROME1", VOILUTSequence=[lut_item(table, 0, 10)]
    )
    twin_table = 1023 - table[::-1]
    two = write_dicom("two", mirrored(stored, 12), bits=12, VOILUTSequence=[lut_item(twin_table, 0, 10)])
    np.testing.assert_array_equal(read_display_image(one), read_display_image(two))
    assert read_display_image(one)[stored == 0] == 1


def test_monochrome1_equals_its_twin_with_padding(write_dicom: Writer) -> None:
    stored = noise(12)
    stored[:, :3] = 4000
    one = write_dicom("one", stored, bits=12, PhotometricInterpretation="MONOCHROME1", PixelPaddingValue=4000)
    two = write_dicom("two", mirrored(stored, 12), bits=12, PixelPaddingValue=95)
    np.testing.assert_array_equal(read_display_image(one), read_display_image(two))
    assert not read_display_image(one)[:, :3].any()


def test_low_stored_values_of_monochrome1_are_bright(write_dicom: Writer) -> None:
    path = write_dicom("a", np.array([[0, 50, 100]], np.uint8), PhotometricInterpretation="MONOCHROME1")
    np.testing.assert_array_equal(read_display_image(path), np.float32([[1, 0.5, 0]]))


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
def test_presentation_lut_shape_inverse_inverts_once(write_dicom: Writer, photometric: str) -> None:
    # DX images say both MONOCHROME1 and INVERSE (PS3.3 C.8.11.3.1.2): that is one inversion.
    stored = np.array([[0, 50, 100]], np.uint8)
    path = write_dicom("a", stored, PhotometricInterpretation=photometric, PresentationLUTShape="INVERSE")
    np.testing.assert_array_equal(read_display_image(path), np.float32([[1, 0.5, 0]]))


# --- VOI --------------------------------------------------------------------------------------------------------


def test_first_of_several_windows_is_taken(write_dicom: Writer) -> None:
    stored = noise(12)
    several = write_dicom("several", stored, bits=12, WindowCenter=[600, 40], WindowWidth=[1200, 400])
    first = write_dicom("first", stored, bits=12, WindowCenter=600, WindowWidth=1200)
    np.testing.assert_array_equal(read_display_image(several), read_display_image(first))


def test_given_window_replaces_voi_lut_and_window_of_the_file(write_dicom: Writer) -> None:
    attributes = {"WindowCenter": 600, "WindowWidth": 1200, "RescaleSlope": 1, "RescaleIntercept": -1024}
    lut = [lut_item(np.arange(4096) // 16, 0, 8)]
    path = write_dicom("a", noise(12), bits=12, VOILUTSequence=lut, **attributes)
    expected = np.clip((hounsfield(path) - (40 - 200)) / 400, 0, 1)
    np.testing.assert_allclose(read_display_image(path, window=Window(40, 400)), expected, atol=1e-6)


def test_without_a_window_the_values_present_are_spread(write_dicom: Writer) -> None:
    path = write_dicom("a", np.array([[10, 15, 20]], np.uint16))
    np.testing.assert_array_equal(read_display_image(path), np.float32([[0, 0.5, 1]]))


def test_negative_rescale_slope_counts_without_a_window(write_dicom: Writer) -> None:
    path = write_dicom("a", np.array([[10, 15, 20]], np.uint16), RescaleSlope=-2, RescaleIntercept=3)
    np.testing.assert_array_equal(read_display_image(path), np.float32([[1, 0.5, 0]]))


def test_frame_of_one_value_is_black(write_dicom: Writer) -> None:
    assert not read_display_image(write_dicom("a", np.full((4, 4), 77, np.uint8))).any()


def test_voi_lut_equals_that_of_pydicom_and_goes_before_a_window(write_dicom: Writer) -> None:
    table = np.round(65535 * np.linspace(0, 1, 3000) ** 0.4).astype(int)
    attributes = {"WindowCenter": 5, "WindowWidth": 5, "VOILUTSequence": [lut_item(table, 500, 16)]}
    path = write_dicom("a", noise(12), bits=12, **attributes)
    dataset = pydicom.dcmread(path)
    expected = apply_voi_lut(dataset.pixel_array, dataset) / 65535
    np.testing.assert_allclose(read_display_image(path), expected, atol=1e-6)


def test_voi_lut_of_eight_bits_may_have_more_than_256_entries(write_dicom: Writer) -> None:
    path = write_dicom("a", noise(12), bits=12, VOILUTSequence=[lut_item(np.arange(4096) // 16, 0, 8)])
    np.testing.assert_array_equal(read_display_image(path), (noise(12) // 16 / 255).astype(np.float32))


def test_voi_lut_follows_the_rescale_and_may_start_below_zero(write_dicom: Writer) -> None:
    attributes = {
        "RescaleSlope": 1,
        "RescaleIntercept": -1024,
        "VOILUTSequence": [lut_item(np.arange(4096), -1024, 12)],
    }
    path = write_dicom("a", noise(12), bits=12, **attributes)
    np.testing.assert_array_equal(read_display_image(path), (noise(12) / 4095).astype(np.float32))


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRBigEndian])
def test_lut_data_written_as_words_keep_their_byte_order(make_dicom: Maker, tmp_path: Path, syntax: str) -> None:
    little = syntax.is_little_endian
    table = np.round(4095 * np.linspace(0, 1, 4096) ** 2).astype("<u2" if little else ">u2")
    item = Dataset()
    item.add_new("LUTDescriptor", "US", [4096, 0, 12])
    item.add_new("LUTData", "OW", table.tobytes())
    stored = noise(12).astype("<u2" if little else ">u2")
    dataset = make_dicom(stored, bits=12, VOILUTSequence=[item])
    dataset["PixelData"].VR = "OW"
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.save_as(tmp_path / "a", enforce_file_format=True)
    np.testing.assert_array_equal(read_display_image(tmp_path / "a"), (table[noise(12)] / 4095).astype(np.float32))


@pytest.mark.parametrize("width", [0, 0.5, -4])
def test_impossible_window_of_the_file_is_refused_and_can_be_replaced(write_dicom: Writer, width: float) -> None:
    path = write_dicom("a.dcm", noise(12), bits=12, WindowCenter=40, WindowWidth=width)
    with pytest.raises(ReadError, match=r"a\.dcm: window .*\[window\]"):
        read_display_image(path)
    assert read_display_image(path, window=Window(40, 400)).max() == 1


def test_empty_window_attributes_mean_no_window(write_dicom: Writer) -> None:
    empty = write_dicom("empty", noise(12), bits=12, WindowCenter=None, WindowWidth=None)
    none = write_dicom("none", noise(12), bits=12)
    np.testing.assert_array_equal(read_display_image(empty), read_display_image(none))


# --- padding ----------------------------------------------------------------------------------------------------


def test_padding_takes_no_part_in_the_spread_and_is_black(write_dicom: Writer) -> None:
    stored = np.array([[-2000, 0, 5, 10]], np.int16)
    path = write_dicom("a", stored, PixelPaddingValue=-2000)
    np.testing.assert_array_equal(read_display_image(path), np.float32([[0, 0, 0.5, 1]]))


def test_padding_may_be_a_range_in_either_order(write_dicom: Writer) -> None:
    stored = np.array([[-2000, -1999, -1990, 0, 10]], np.int16)
    for bounds in ((-2000, -1990), (-1990, -2000)):
        path = write_dicom("a", stored, PixelPaddingValue=bounds[0], PixelPaddingRangeLimit=bounds[1])
        np.testing.assert_array_equal(read_display_image(path), np.float32([[0, 0, 0, 0, 1]]))


def test_padding_written_with_the_wrong_sign_is_still_padding(make_dicom: Maker, tmp_path: Path) -> None:
    dataset = make_dicom(np.array([[-2000, 0, 5, 10]], np.int16))
    dataset.add_new("PixelPaddingValue", "US", 63536)  # the bits of -2000
    dataset.save_as(tmp_path / "a", enforce_file_format=True)
    np.testing.assert_array_equal(read_display_image(tmp_path / "a"), np.float32([[0, 0, 0.5, 1]]))


def test_padding_of_an_inverted_image_is_black_not_white(write_dicom: Writer) -> None:
    attributes = {"PhotometricInterpretation": "MONOCHROME1", "PixelPaddingValue": 0}
    attributes |= {"WindowCenter": 50, "WindowWidth": 100}
    path = write_dicom("a", np.array([[0, 1, 99]], np.uint16), **attributes)
    assert read_display_image(path)[0, 0] == 0
    assert read_display_image(path)[0, 1] > 0.9


# --- modality LUT -----------------------------------------------------------------------------------------------


def test_hounsfield_equals_the_modality_lut_of_pydicom(write_dicom: Writer) -> None:
    path = write_dicom("a", noise(12, signed=True), bits=12, RescaleSlope=1.5, RescaleIntercept=-1024)
    dataset = pydicom.dcmread(path)
    np.testing.assert_allclose(hounsfield(path), apply_modality_lut(dataset.pixel_array, dataset), rtol=1e-6)
    assert hounsfield(path).dtype == np.float32


def test_modality_lut_sequence_is_applied_first(write_dicom: Writer) -> None:
    table = np.arange(4096)[::-1] * 8
    path = write_dicom("a", noise(12), bits=12, ModalityLUTSequence=[lut_item(table, 0, 16)])
    np.testing.assert_array_equal(hounsfield(path), table[noise(12)].astype(np.float32))
    np.testing.assert_allclose(read_display_image(path), 1 - noise(12) / 4095, atol=1e-6)


def test_hounsfield_without_a_modality_lut_is_the_stored_value(write_dicom: Writer) -> None:
    np.testing.assert_array_equal(hounsfield(write_dicom("a", noise(12), bits=12)), noise(12).astype(np.float32))


@pytest.mark.parametrize("slope", [0, float("nan")])
def test_rescale_slope_that_is_no_scale_is_refused(make_dicom: Maker, tmp_path: Path, slope: float) -> None:
    dataset = make_dicom(noise(12), bits=12, RescaleSlope=slope, RescaleIntercept=0)
    dataset.save_as(tmp_path / "a", enforce_file_format=True)
    with pytest.raises(ReadError, match="rescale"):
        hounsfield(tmp_path / "a")


# --- colour -----------------------------------------------------------------------------------------------------


def test_rgb_is_divided_by_its_full_scale(write_dicom: Writer) -> None:
    stored = noise(8, shape=(6, 5, 3))
    np.testing.assert_array_equal(read_display_image(write_dicom("a", stored)), (stored / 255).astype(np.float32))


def test_ybr_full_becomes_rgb(write_dicom: Writer) -> None:
    red_in_ybr = np.tile(np.uint8([76, 85, 255]), (4, 4, 1))
    path = write_dicom("a", red_in_ybr, PhotometricInterpretation="YBR_FULL")
    np.testing.assert_allclose(read_display_image(path), np.tile([1.0, 0, 0], (4, 4, 1)), atol=0.01)


def test_palette_colour_becomes_rgb(make_dicom: Maker, tmp_path: Path) -> None:
    dataset = make_dicom(np.array([[0, 1], [2, 3]], np.uint8), PhotometricInterpretation="PALETTE COLOR")
    for colour, entries in {"Red": [0, 65535, 0, 0], "Green": [0, 0, 65535, 0], "Blue": [0, 0, 0, 32768]}.items():
        dataset.add_new(f"{colour}PaletteColorLookupTableDescriptor", "US", [4, 0, 16])
        data = np.array(entries, "<u2").tobytes()
        dataset.add_new(f"{colour}PaletteColorLookupTableData", "OW", data)
    dataset.save_as(tmp_path / "a", enforce_file_format=True)
    expected = [[[0, 0, 0], [1, 0, 0]], [[0, 1, 0], [0, 0, 0.5]]]
    np.testing.assert_allclose(read_display_image(tmp_path / "a"), expected, atol=1e-4)


def test_unknown_photometric_interpretation_is_refused(write_dicom: Writer) -> None:
    path = write_dicom("a.dcm", noise(8, shape=(6, 5, 3)), PhotometricInterpretation="HSV")
    with pytest.raises(ReadError, match="PhotometricInterpretation is HSV, expected one of MONOCHROME1"):
        read_display_image(path)


def test_colour_has_no_physical_values(write_dicom: Writer) -> None:
    with pytest.raises(ReadError, match="only grey has physical values"):
        hounsfield(write_dicom("a", noise(8, shape=(6, 5, 3))))


# --- frames -----------------------------------------------------------------------------------------------------


def test_frame_is_chosen_by_number_and_the_middle_one_without(write_dicom: Writer) -> None:
    stored = noise(12, shape=(5, 6, 7))
    path = write_dicom("a", stored, bits=12, frames=5)
    np.testing.assert_array_equal(hounsfield(path, 4), stored[4])
    np.testing.assert_array_equal(hounsfield(path), stored[2])


@pytest.mark.parametrize("frame", [-1, 5])
def test_missing_frame_is_named(write_dicom: Writer, frame: int) -> None:
    path = write_dicom("a.dcm", noise(12, shape=(5, 6, 7)), bits=12, frames=5)
    with pytest.raises(ReadError, match=rf"frame {frame} was asked for, the file has frames 0 to 4 \[no-such-frame\]"):
        read_display_image(path, frame)


def test_enhanced_object_uses_the_rescale_and_window_of_the_frame(write_dicom: Writer) -> None:
    groups = []
    for intercept, center in ((-1000, 0), (-2000, 100)):
        rescale, voi, group = Dataset(), Dataset(), Dataset()
        rescale.RescaleSlope, rescale.RescaleIntercept = 1, intercept
        voi.WindowCenter, voi.WindowWidth = center, 500
        group.PixelValueTransformationSequence, group.FrameVOILUTSequence = [rescale], [voi]
        groups.append(group)
    stored = noise(12, shape=(2, 6, 7))
    path = write_dicom("a", stored, bits=12, frames=2, PerFrameFunctionalGroupsSequence=groups)
    np.testing.assert_array_equal(hounsfield(path, 1), stored[1].astype(np.float32) - 2000)
    expected = Window(100, 500, "LINEAR").shades(stored[1].astype(np.int64) - 2000)
    np.testing.assert_allclose(read_display_image(path, 1), expected, atol=1e-6)


def test_enhanced_object_falls_back_to_the_shared_groups(write_dicom: Writer) -> None:
    rescale, shared = Dataset(), Dataset()
    rescale.RescaleSlope, rescale.RescaleIntercept = 2, -7
    shared.PixelValueTransformationSequence = [rescale]
    stored = noise(12, shape=(2, 6, 7))
    rest = {"PerFrameFunctionalGroupsSequence": [Dataset(), Dataset()], "SharedFunctionalGroupsSequence": [shared]}
    path = write_dicom("a", stored, bits=12, frames=2, **rest)
    np.testing.assert_array_equal(hounsfield(path, 0), 2 * stored[0].astype(np.float32) - 7)


def test_float_pixel_data_are_spread_and_nan_is_black(make_dicom: Maker, tmp_path: Path) -> None:
    dataset = make_dicom(np.zeros((1, 4), np.uint32))
    values = np.float32([[np.nan, 1e-8, 2e-8, 3e-8]])
    del dataset.PixelData, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation
    dataset.FloatPixelData = values.tobytes()
    dataset.save_as(tmp_path / "a", enforce_file_format=True)
    np.testing.assert_allclose(read_display_image(tmp_path / "a"), [[0, 0, 0.5, 1]], atol=1e-6)


# --- files ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "syntax", [ImplicitVRLittleEndian, DeflatedExplicitVRLittleEndian, RLELossless, JPEG2000Lossless]
)
def test_every_lossless_transfer_syntax_gives_the_same_picture(make_dicom: Maker, tmp_path: Path, syntax: str) -> None:
    dataset = make_dicom(noise(12, shape=(32, 32)), bits=12, WindowCenter=1000, WindowWidth=2000)
    dataset.save_as(tmp_path / "plain", enforce_file_format=True)
    if syntax.is_compressed and syntax != DeflatedExplicitVRLittleEndian:
        dataset.compress(syntax)
    dataset["PixelData"].VR = "OW"
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.save_as(tmp_path / "other", enforce_file_format=True)
    np.testing.assert_array_equal(read_display_image(tmp_path / "other"), read_display_image(tmp_path / "plain"))


@pytest.mark.parametrize("implicit", [True, False])
def test_file_without_preamble_and_meta_is_read(make_dicom: Maker, tmp_path: Path, implicit: bool) -> None:
    dataset = make_dicom(noise(12), bits=12)
    del dataset.file_meta
    dataset["PixelData"].VR = "OW"
    pydicom.dcmwrite(tmp_path / "bare", dataset, implicit_vr=implicit, little_endian=True)
    np.testing.assert_array_equal(hounsfield(tmp_path / "bare"), noise(12))


def refusal(path: Path) -> ReadError:
    with pytest.raises(ReadError) as caught:
        read_display_image(path)
    return caught.value


def test_missing_file_is_named_without_its_folder(tmp_path: Path) -> None:
    error = refusal(tmp_path / "gone.dcm")
    assert (error.source, error.code) == ("gone.dcm", "missing-file")
    assert str(tmp_path) not in str(error)


def test_folder_is_no_file(tmp_path: Path) -> None:
    assert refusal(tmp_path).code == "unreadable"


@pytest.mark.parametrize("content", [b"", b"hello", b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 8])
def test_other_files_are_no_dicom(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.dcm").write_bytes(content)
    assert refusal(tmp_path / "a.dcm").code in ("not-dicom", "malformed")


def test_dicom_without_pixels_is_no_image(make_dicom: Maker, tmp_path: Path) -> None:
    dataset = make_dicom(noise(12))
    del dataset.PixelData
    dataset.save_as(tmp_path / "a", enforce_file_format=True)
    assert refusal(tmp_path / "a").code == "no-pixels"


def test_missing_codec_is_named(make_dicom: Maker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = make_dicom(noise(8))
    dataset.compress(RLELossless)
    dataset.save_as(tmp_path / "a", enforce_file_format=True)
    decoder = get_decoder(RLELossless)
    monkeypatch.setattr(decoder, "_available", {})
    monkeypatch.setattr(decoder, "_unavailable", {"pylibjpeg": ("pylibjpeg>=2.0", "pylibjpeg-rle>=2.0")})
    error = refusal(tmp_path / "a")
    assert error.code == "missing-codec"
    assert "RLE Lossless" in error.reason
    assert "pylibjpeg-rle" in error.reason


def test_video_is_refused_by_its_name(make_dicom: Maker, tmp_path: Path) -> None:
    dataset = make_dicom(noise(8))
    dataset.PixelData = encapsulate([b"\0\0\1\xb3" * 8])
    dataset.file_meta.TransferSyntaxUID = MPEG2MPML
    dataset["PixelData"].VR = "OB"
    dataset["PixelData"].is_undefined_length = True
    dataset.save_as(tmp_path / "a", enforce_file_format=True)
    assert refusal(tmp_path / "a").code == "transfer-syntax"


def test_broken_jpeg_is_refused(make_dicom: Maker, tmp_path: Path) -> None:
    dataset = make_dicom(noise(8))
    dataset.PixelData = encapsulate([b"\xff\xd8\xff\xe0 no jpeg at all \xff\xd9"])
    dataset.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    dataset["PixelData"].VR = "OB"
    dataset["PixelData"].is_undefined_length = True
    dataset.save_as(tmp_path / "a", enforce_file_format=True)
    assert refusal(tmp_path / "a").code == "pixels"


def test_rle_that_becomes_more_than_the_frame_is_refused(make_dicom: Maker, tmp_path: Path) -> None:
    dataset = make_dicom(noise(12, shape=(16, 16)))
    segment = b"\x81\x07" * 40  # 40 runs of 128 bytes for 256 pixels
    dataset.PixelData = encapsulate([struct.pack("<16I", 2, 64, 144, *[0] * 13) + 2 * segment])
    dataset.file_meta.TransferSyntaxUID = RLELossless
    dataset["PixelData"].VR = "OB"
    dataset["PixelData"].is_undefined_length = True
    dataset.save_as(tmp_path / "a", enforce_file_format=True)
    assert refusal(tmp_path / "a").code == "pixels"


@pytest.mark.parametrize("keyword", ["Rows", "BitsAllocated", "PhotometricInterpretation", "PixelRepresentation"])
def test_incomplete_image_description_is_refused(make_dicom: Maker, tmp_path: Path, keyword: str) -> None:
    dataset = make_dicom(noise(12))
    delattr(dataset, keyword)
    dataset["PixelData"].VR = "OW"
    dataset.save_as(tmp_path / "a", enforce_file_format=True)
    assert refusal(tmp_path / "a").code in ("pixels", "malformed")


@pytest.mark.parametrize("share", [0.2, 0.5, 0.9, 0.97])
def test_file_cut_short_is_refused(write_dicom: Writer, share: float) -> None:
    path = write_dicom("a", noise(12, shape=(40, 40)), bits=12)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    refusal(path)


@pytest.mark.filterwarnings("ignore::UserWarning")
@given(st.data())
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_changed_bytes_give_a_picture_or_a_read_error(make_dicom: Maker, tmp_path: Path, data: st.DataObject) -> None:
    file = io.BytesIO()
    make_dicom(np.arange(64, dtype=np.uint16).reshape(8, 8), WindowCenter=30, WindowWidth=60).save_as(
        file, enforce_file_format=True
    )
    content = bytearray(file.getvalue())
    for place in data.draw(st.lists(st.integers(132, len(content) - 1), min_size=1, max_size=4)):
        content[place] = data.draw(st.integers(0, 255))
    (tmp_path / "a.dcm").write_bytes(content)
    try:
        shades = read_display_image(tmp_path / "a.dcm")
    except ReadError as error:
        assert error.source == "a.dcm"
    else:
        assert shades.dtype == np.float32
        assert 0 <= shades.min() <= shades.max() <= 1


def test_every_real_file_is_read(real_data: Path) -> None:
    paths = sorted((real_data / "dicom").rglob("*.dcm"))
    assert paths
    for path in paths:
        shades = read_display_image(path)
        assert shades.dtype == np.float32, path.name
        assert 0 <= shades.min() < shades.max() <= 1, path.name


def test_real_monochrome1_radiograph_has_dark_lungs(real_data: Path) -> None:
    shades = read_display_image(real_data / "dicom" / "cr_chest_mono1_j2k_15bit.dcm")
    spine, lung = shades[900:1100, 880:960].mean(), shades[500:700, 400:600].mean()
    assert lung < spine
