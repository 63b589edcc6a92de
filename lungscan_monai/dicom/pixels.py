"""From stored DICOM pixel values to a display-ready picture.

The order is that of the Standard's grayscale pipeline (PS3.4 N.2): stored value -> modality LUT or rescale ->
VOI LUT or window -> polarity. Stored values are never rounded to 8 bits on the way.

A MONOCHROME1 file and its MONOCHROME2 twin (every stored value mirrored, the window mirrored with them) give equal
bits, because `windows` inverts by the sign of a distance and tables are inverted as integers.
"""

from __future__ import annotations

import math
import os
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from pydicom import Dataset, dcmread
from pydicom.encaps import get_frame
from pydicom.errors import BytesLengthException, InvalidDicomError
from pydicom.filereader import data_element_generator
from pydicom.multival import MultiValue
from pydicom.pixels import apply_color_lut, get_decoder, pixel_array
from pydicom.uid import (
    JPEG2000,
    UID,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
)

from lungscan_monai.dicom.codestreams import codestream_size
from lungscan_monai.dicom.lines import Lines
from lungscan_monai.dicom.reduced import NARROWEST_TO_REDUCE, Reduction, possible_reduction, reduced_values
from lungscan_monai.dicom.windows import Window, spreading_window
from lungscan_monai.errors import DataError, ReadError
from lungscan_monai.hashing import HashedFile

GREY = ("MONOCHROME1", "MONOCHROME2")
PALETTE = "PALETTE COLOR"
COLOUR = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT")

_MOST_SAMPLES = 4
_UNDEFINED = 0xFFFFFFFF
_PIXEL_ELEMENTS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")
_PIXEL_DATA = 0x7FE00010
_AS_THEY_LIE = {(1, 8, 0): np.dtype("u1"), (1, 16, 0): np.dtype("<u2"), (1, 16, 1): np.dtype("<i2")}
"""`SamplesPerPixel`, `BitsAllocated` and `PixelRepresentation`, and how such values are read."""

# What pydicom 3 and its decoders raise for damaged files; found by cutting files short and by changing their bytes.
_MALFORMED = (
    ArithmeticError,
    AttributeError,
    BytesLengthException,
    EOFError,
    LookupError,
    RuntimeError,
    TypeError,
    ValueError,
    struct.error,
    zlib.error,
)


@dataclass(frozen=True, eq=False)
class WindowedFrame:
    """A grey frame and the window that it is to be looked at through.

    Args:
        values: Shape ``(H, W)``; physical values are ``slope * values + intercept``. Only
            :func:`frame_read_forwards` gives lines that are yet to be read.
        slope: Not zero.
        intercept: In physical units.
        inverted: Whether low physical values are bright.
        window: In physical units.
        padding: Mask of the pixels that show nothing; None if there are none.
        is_spread: Whether the window goes from the least to the largest value.
        reduction: How the decoder made the frame smaller; None if it is as large as its header says.
    """

    values: np.ndarray | Lines
    slope: float
    intercept: float
    inverted: bool
    window: Window
    padding: np.ndarray | None
    is_spread: bool = False
    reduction: Reduction | None = None

    def shades(self) -> np.ndarray:
        """Return shades in [0, 1], float32, ``(H, W)``; padding is 0."""
        shades = self.window.shades(self.values, self.slope, self.intercept, self.inverted)
        if self.padding is not None:
            shades[self.padding] = 0
        return shades


def read_display_image(path: str | os.PathLike, frame: int | None = None, window: Window | None = None) -> np.ndarray:
    """Read one frame as it is meant to be looked at.

    A VOI LUT goes before a window, and the first of several is taken. Without either, the values present are spread
    over [0, 1]; a frame of one single value becomes 0. Pixels within `PixelPaddingValue` (to `PixelPaddingRangeLimit`)
    take no part in that and are always 0. Enhanced objects: the frame's own rescale and VOI, then the shared ones.

    Args:
        path: A DICOM file, with or without preamble.
        frame: Zero-based frame; the middle one if None.
        window: Used in place of the file's own VOI LUT or window, in physical units; grey images only.

    Returns:
        Shades in [0, 1], float32: shape ``(H, W)`` with 0 = black, or ``(H, W, 3)`` RGB for a colour image.

    Raises:
        ReadError: If the file is no DICOM image, is damaged, needs a decoder that is not installed (``missing-codec``),
            has no such frame, or has a photometric interpretation, window or LUT that cannot be applied.
    """
    found = read_display_frame(path, frame, window)
    return found.shades() if isinstance(found, WindowedFrame) else found


def read_display_frame(
    path: str | os.PathLike,
    frame: int | None = None,
    window: Window | None = None,
    smallest: tuple[int, int] | None = None,
) -> WindowedFrame | np.ndarray:
    """Read one frame as :func:`read_display_image` does, but stop before a window where only that is left to do.

    A picture that is averaged over areas need not pass through its window in full size.

    Args:
        path: A DICOM file, with or without preamble.
        frame: Zero-based frame; the middle one if None.
        window: Used in place of the file's own VOI LUT or window.
        smallest: Rows and columns that are enough. A grey JPEG 2000 frame with a linear window may then be decoded at
            a half or a quarter of its size; None for the full size.

    Returns:
        A grey frame and its window; or shades in [0, 1], float32, where there is no window.

    Raises:
        ReadError: As for `read_display_image`.
    """
    name = Path(path).name
    dataset = _read_dataset(path, name)
    with _malformed_as_read_error(name, "malformed", "the image description cannot be used"):
        if smallest and (reduced := _reduced_frame(dataset, frame, window, smallest, name)):
            return reduced
        stored, frame = _decode(dataset, frame, name)
        photometric = dataset.PhotometricInterpretation
        if photometric in GREY:
            return _grey_frame(stored, dataset, frame, window, name)
        if photometric == PALETTE:
            return _full_scale(apply_color_lut(stored, dataset), int(dataset.RedPaletteColorLookupTableDescriptor[2]))
        if photometric in COLOUR:
            return _full_scale(stored, int(dataset.BitsStored))
    known = ", ".join((*GREY, PALETTE, *COLOUR))
    raise ReadError(name, "photometric", f"PhotometricInterpretation is {photometric}, expected one of {known}")


def frame_read_forwards(stream: BinaryIO, window: Window | None = None) -> tuple[WindowedFrame, HashedFile] | None:
    """Find a frame whose stored values lie in a file as they are, and only have to pass through a linear window.

    Args:
        stream: An open file. The middle frame is taken.
        window: Used in place of the file's own VOI LUT or window.

    Returns:
        The frame, with :class:`~lungscan_monai.dicom.lines.Lines` to be read from the file, which hashes itself
        meanwhile. None for all other frames, damaged ones among them: `read_display_frame` reads them, or says why not.
    """
    try:
        dataset = dcmread(stream, stop_before_pixels=True)
        if dataset.file_meta.get("TransferSyntaxUID") not in (ImplicitVRLittleEndian, ExplicitVRLittleEndian):
            return None
        pixels = next(data_element_generator(stream, *dataset.original_encoding, defer_size=1), None)
        frame, count = _which_frame(dataset, None, "")
        shape = dataset.Rows, dataset.Columns
        dtype = _AS_THEY_LIE.get((dataset.SamplesPerPixel, dataset.BitsAllocated, dataset.PixelRepresentation))
        unused = dataset.BitsAllocated - dataset.BitsStored
        linear = _linear_window(dataset, frame, window, "")
    except (InvalidDicomError, OSError, DataError, *_MALFORMED):
        return None
    if pixels is None or pixels.tag != _PIXEL_DATA or dtype is None or linear is None or unused < 0:
        return None
    length = shape[0] * shape[1] * dtype.itemsize
    if not 0 < count * length <= pixels.length < _UNDEFINED:
        return None
    file = HashedFile(stream)
    file.pass_over(pixels.value_tell + frame * length)
    return WindowedFrame(Lines(file, shape, dtype, unused), *linear, None), file


def hounsfield(path: str | os.PathLike, frame: int | None = None) -> np.ndarray:
    """Read one frame's physical values: the modality LUT or rescale applied, nothing else.

    Args:
        path: A DICOM file, with or without preamble.
        frame: Zero-based frame; the middle one if None.

    Returns:
        Physical values, shape ``(H, W)``, float32; Hounsfield units for CT. Padding pixels keep their stored meaning.

    Raises:
        ReadError: As for `read_display_image`, and if the image is not grey.
    """
    name = Path(path).name
    dataset = _read_dataset(path, name)
    with _malformed_as_read_error(name, "malformed", "the image description cannot be used"):
        stored, frame = _decode(dataset, frame, name)
        if dataset.PhotometricInterpretation not in GREY:
            found = dataset.PhotometricInterpretation
            raise ReadError(name, "photometric", f"PhotometricInterpretation is {found}: only grey has physical values")
        values, slope, intercept = _modality(stored, dataset, frame, name)
        return _physical(values, slope, intercept).astype(np.float32)


@contextmanager
def _malformed_as_read_error(name: str, code: str, reason: str) -> Iterator[None]:
    """Turn what pydicom raises for damaged files into a `ReadError` (its message may hold header values: left out)."""
    try:
        yield
    except DataError:
        raise
    except MemoryError as error:
        raise ReadError(name, "too-large", "the frame does not fit into memory") from error
    except (*_MALFORMED, *_panics()) as error:
        raise ReadError(name, code, f"{reason} ({type(error).__name__})") from error


def _panics() -> tuple[type[BaseException], ...]:
    """What decoders written in Rust raise when they meet what they did not expect; no module gives the class."""
    return tuple(kind for kind in BaseException.__subclasses__() if kind.__name__ == "PanicException")


def _read_dataset(path: str | os.PathLike, name: str) -> Dataset:
    try:
        with _malformed_as_read_error(name, "malformed", "cannot be parsed as DICOM; it may be cut short or damaged"):
            dataset = _parse(path)
    except FileNotFoundError as error:
        raise ReadError(name, "missing-file", "there is no such file") from error
    except OSError as error:
        raise ReadError(name, "unreadable", f"disk or file cannot be read ({type(error).__name__})") from error
    if not any(element in dataset for element in _PIXEL_ELEMENTS):
        raise ReadError(name, "no-pixels", "has no pixel data: it is not an image, or it was cut short")
    return dataset


def _parse(path: str | os.PathLike) -> Dataset:
    try:
        dataset = dcmread(path)
    except InvalidDicomError:
        dataset = dcmread(path, force=True)
        if not any(element in dataset for element in _PIXEL_ELEMENTS):
            raise ReadError(Path(path).name, "not-dicom", "is not a DICOM file") from None
    if "TransferSyntaxUID" not in dataset.file_meta:
        dataset.file_meta.TransferSyntaxUID = _syntax_of_encoding(*dataset.original_encoding)
    return dataset


def _syntax_of_encoding(implicit_vr: bool, little_endian: bool) -> UID:
    if implicit_vr:
        return ImplicitVRLittleEndian
    return ExplicitVRLittleEndian if little_endian else ExplicitVRBigEndian


def _decode(dataset: Dataset, frame: int | None, name: str) -> tuple[np.ndarray, int]:
    """The stored values of one frame, ``(H, W)`` or ``(H, W, 3)``, and the frame's number."""
    frame, count = _which_frame(dataset, frame, name)
    _check_decoder(dataset.file_meta.TransferSyntaxUID, name)
    with _malformed_as_read_error(name, "pixels", "the pixel data cannot be decoded; they may be cut short or damaged"):
        if dataset.file_meta.TransferSyntaxUID.is_encapsulated:
            _check_codestream(_encoded_frame(dataset, frame, count), dataset, name)
        return pixel_array(dataset, index=frame, view_only=True), frame


def _which_frame(dataset: Dataset, frame: int | None, name: str) -> tuple[int, int]:
    """The number of the frame that is meant, and the number of all."""
    count = int(dataset.get("NumberOfFrames") or 1)
    frame = count // 2 if frame is None else frame
    if not 0 <= frame < count:
        raise ReadError(name, "no-such-frame", f"frame {frame} was asked for, the file has frames 0 to {count - 1}")
    return frame, count


def _reduced_frame(
    dataset: Dataset, frame: int | None, window: Window | None, smallest: tuple[int, int], name: str
) -> WindowedFrame | None:
    """A grey JPEG 2000 frame decoded smaller, where nothing but a linear window follows; None for all others."""
    if dataset.file_meta.TransferSyntaxUID not in (JPEG2000Lossless, JPEG2000):
        return None
    frame, count = _which_frame(dataset, frame, name)
    linear = _linear_window(dataset, frame, window, name)
    if linear is None:
        return None
    slope, intercept, inverted, window = linear
    if window.width < NARROWEST_TO_REDUCE * abs(slope):
        return None
    encoded = _encoded_frame(dataset, frame, count)
    shape, signed = (dataset.Rows, dataset.Columns), dataset.PixelRepresentation == 1
    reduction = possible_reduction(encoded, shape, dataset.BitsStored, signed, smallest)
    values = None if reduction is None else reduced_values(encoded, reduction)
    if values is None:
        return None
    return WindowedFrame(values, slope, intercept, inverted, window, None, reduction=reduction)


def _linear_window(
    dataset: Dataset, frame: int, window: Window | None, name: str
) -> tuple[float, float, bool, Window] | None:
    """Slope, intercept, whether low is bright, and window, where nothing else is between stored values and shades."""
    if (
        dataset.PhotometricInterpretation not in GREY
        or dataset.get("ModalityLUTSequence")
        or "PixelPaddingValue" in dataset
    ):
        return None
    voi = _functional_group(dataset, frame, "FrameVOILUTSequence")
    window = window or (None if voi.get("VOILUTSequence") else _file_window(voi, name))
    if window is None or window.function == "SIGMOID":
        return None
    _, slope, intercept = _modality(np.empty(0), dataset, frame, name)
    return slope, intercept, _is_inverted(dataset), window


def _encoded_frame(dataset: Dataset, frame: int, count: int) -> bytes:
    offsets = None
    if "ExtendedOffsetTable" in dataset:
        offsets = dataset.ExtendedOffsetTable, dataset.ExtendedOffsetTableLengths
    return get_frame(dataset.PixelData, frame, number_of_frames=count, extended_offsets=offsets)


def _check_codestream(encoded: bytes, dataset: Dataset, name: str) -> None:
    """Refuse a frame that decodes into a larger picture than the header's: decoders take memory by the former."""
    found = codestream_size(encoded)
    if found is not None and (
        found.rows > dataset.Rows or found.columns > dataset.Columns or found.samples > _MOST_SAMPLES
    ):
        raise ReadError(
            name,
            "pixels",
            f"its pixel data are a picture of {found.rows} x {found.columns} with {found.samples} samples per pixel, "
            f"its header says {dataset.Rows} x {dataset.Columns}",
        )


def _check_decoder(syntax: UID, name: str) -> None:
    try:
        decoder = get_decoder(syntax)
    except NotImplementedError as error:
        raise ReadError(name, "transfer-syntax", f"TransferSyntaxUID {syntax.name} is not supported") from error
    if not decoder.is_available:
        needed = "; or ".join(decoder.missing_dependencies)
        raise ReadError(name, "missing-codec", f"{syntax.name} needs a decoder that is not installed: {needed}")


def _full_scale(colours: np.ndarray, bits: int) -> np.ndarray:
    shades = colours.astype(np.float32)
    shades /= np.float32(2**bits - 1)
    return np.clip(shades, 0, 1, out=shades)


def _grey_frame(
    stored: np.ndarray, dataset: Dataset, frame: int, window: Window | None, name: str
) -> WindowedFrame | np.ndarray:
    inverted = _is_inverted(dataset)
    values, slope, intercept = _modality(stored, dataset, frame, name)
    padding = _padding(stored, dataset)
    voi = _functional_group(dataset, frame, "FrameVOILUTSequence")
    if window is None and voi.get("VOILUTSequence"):
        shades = _voi_lut_shades(_physical(values, slope, intercept), voi.VOILUTSequence[0], dataset, inverted)
        if padding is not None:
            shades[padding] = 0
        return shades
    if window or (window := _file_window(voi, name)):
        return WindowedFrame(values, slope, intercept, inverted, window, padding)
    window = spreading_window(values, None if padding is None else ~padding)
    if window is None:
        return np.zeros(stored.shape, np.float32)
    return WindowedFrame(values, 1.0, 0.0, inverted != (slope < 0), window, padding, is_spread=True)


def _is_inverted(dataset: Dataset) -> bool:
    return dataset.PhotometricInterpretation == "MONOCHROME1" or dataset.get("PresentationLUTShape") == "INVERSE"


def _padding(stored: np.ndarray, dataset: Dataset) -> np.ndarray | None:
    """Mask of the pixels that show nothing: `PixelPaddingValue` (PS3.3 C.7.5.1.1.2), or not finite in float data."""
    first = dataset.get("PixelPaddingValue")
    if stored.dtype.kind == "f":
        mask = ~np.isfinite(stored)
    elif first is None:
        return None
    else:
        last = dataset.get("PixelPaddingRangeLimit")
        # Files exist whose padding is written with the wrong sign: the same bits, read as the pixels are.
        bounds = [int(np.int64(bound).astype(stored.dtype)) for bound in (first, first if last is None else last)]
        mask = (stored >= min(bounds)) & (stored <= max(bounds))
    return mask if mask.any() else None


def _modality(stored: np.ndarray, dataset: Dataset, frame: int, name: str) -> tuple[np.ndarray, float, float]:
    """Values, slope and intercept such that ``slope * values + intercept`` is physical (PS3.3 C.11.1)."""
    if dataset.get("ModalityLUTSequence"):
        table, first, _ = _lookup_table(dataset.ModalityLUTSequence[0], dataset)
        return _look_up(stored, table, first), 1.0, 0.0
    rescale = _functional_group(dataset, frame, "PixelValueTransformationSequence")
    if rescale.get("RescaleSlope") is None or rescale.get("RescaleIntercept") is None:
        return stored, 1.0, 0.0
    slope, intercept = float(rescale.RescaleSlope), float(rescale.RescaleIntercept)
    if slope == 0 or not math.isfinite(slope) or not math.isfinite(intercept):
        raise ReadError(
            name, "rescale", f"RescaleSlope {slope} and RescaleIntercept {intercept} are not a usable scale"
        )
    return stored, slope, intercept


def _physical(values: np.ndarray, slope: float, intercept: float) -> np.ndarray:
    physical = np.multiply(values, slope, dtype=np.float64)
    physical += intercept
    return physical


def _functional_group(dataset: Dataset, frame: int, keyword: str) -> Dataset:
    """Where the frame's attributes stand: in its own functional group, in the shared one, or in the data set itself."""
    per_frame = dataset.get("PerFrameFunctionalGroupsSequence") or []
    for group in (*per_frame[frame : frame + 1], *(dataset.get("SharedFunctionalGroupsSequence") or [])):
        if items := group.get(keyword):
            return items[0]
    return dataset


def _lookup_table(item: Dataset, dataset: Dataset) -> tuple[np.ndarray, int, int]:
    """Entries, first value mapped, and largest possible output of a LUT item (PS3.3 C.11.1.1 and C.11.2.1.1).

    pydicom's own `apply_voi` is not used: it holds the index in the type of the output, so that an 8-bit table of more
    than 256 entries comes out scrambled, and a negative first value overflows on unsigned pixels.
    """
    count, first, bits = (int(number) for number in item.LUTDescriptor)
    count = count or 2**16
    data = item.LUTData
    if isinstance(data, bytes):
        words = "<u2" if dataset.original_encoding[1] else ">u2"
        data = np.frombuffer(data, np.uint8 if len(data) < 2 * count else words)
    top = 2**bits - 1
    return np.clip(np.asarray(data, np.int64)[:count], 0, top), first, top


def _look_up(values: np.ndarray, table: np.ndarray, first: int) -> np.ndarray:
    return table[np.clip(values.astype(np.int64) - first, 0, len(table) - 1)]


def _voi_lut_shades(physical: np.ndarray, item: Dataset, dataset: Dataset, inverted: bool) -> np.ndarray:
    table, first, top = _lookup_table(item, dataset)
    output = _look_up(np.round(physical), table, first)
    return ((top - output if inverted else output) / top).astype(np.float32)


def _file_window(voi: Dataset, name: str) -> Window | None:
    center, width = _first_number(voi.get("WindowCenter")), _first_number(voi.get("WindowWidth"))
    if center is None or width is None:
        return None
    try:
        return Window(center, width, (voi.get("VOILUTFunction") or "LINEAR").upper())
    except DataError as error:
        raise ReadError(name, "window", f"{error}; give a window of your own to read this file") from error


def _first_number(value: object) -> float | None:
    if value is None or value == "":
        return None
    return float(value[0] if isinstance(value, MultiValue) else value)
