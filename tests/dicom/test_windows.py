from __future__ import annotations

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.pixels.processing import apply_windowing

from lungscan_monai.dicom.windows import VOI_FUNCTIONS, Window, spread
from lungscan_monai.errors import DataError


def pydicom_shades(values: np.ndarray, window: Window) -> np.ndarray:
    """The same window by pydicom, whose output range is that of 12 stored bits."""
    header = Dataset()
    header.PhotometricInterpretation, header.PixelRepresentation, header.BitsStored = "MONOCHROME2", 0, 12
    header.WindowCenter, header.WindowWidth, header.VOILUTFunction = window.center, window.width, window.function
    return apply_windowing(values, header) / 4095


@pytest.mark.parametrize("function", VOI_FUNCTIONS)
@pytest.mark.parametrize(("center", "width"), [(2048, 4096), (40.5, 400), (600, 1.5), (3000, 12)])
def test_shades_equal_those_of_pydicom(function: str, center: float, width: float) -> None:
    values = np.arange(4096, dtype=np.uint16)
    window = Window(center, width, function)
    with np.errstate(over="ignore"):
        expected = pydicom_shades(values, window)
    np.testing.assert_allclose(window.shades(values), expected, atol=1e-6)


def test_bounds_of_an_exact_window_are_black_and_white() -> None:
    values = np.array([-1000, -160, 40, 240, 3000])
    np.testing.assert_array_equal(Window(40, 400).shades(values), np.float32([0, 0, 0.5, 1, 1]))


def test_bounds_of_a_linear_window_are_half_a_step_off_as_the_standard_says() -> None:
    # PS3.3 C.11.2.1.2.1: center 2048, width 4096 leaves 12-bit values as they are.
    values = np.arange(4096)
    np.testing.assert_array_equal(Window(2048, 4096, "LINEAR").shades(values), (values / 4095).astype(np.float32))


def test_linear_window_of_width_one_is_a_step() -> None:
    shades = Window(100, 1, "LINEAR").shades(np.array([98, 99, 100, 101]))
    np.testing.assert_array_equal(shades, np.float32([0, 0, 1, 1]))


def test_slope_and_intercept_move_the_window() -> None:
    stored = np.arange(0, 3000, 7)
    shades = Window(40, 400).shades(stored, slope=0.5, intercept=-300)
    np.testing.assert_allclose(shades, Window(40, 400).shades(0.5 * stored - 300), atol=1e-6)


def test_negative_slope_turns_the_order_of_the_values() -> None:
    shades = Window(-5, 10).shades(np.arange(11), slope=-1)
    np.testing.assert_allclose(shades, np.linspace(1, 0, 11), atol=1e-6)


def test_inverted_is_one_minus_upright() -> None:
    values = np.arange(-500, 500)
    for function in VOI_FUNCTIONS:
        window = Window(12.3, 345.6, function)
        np.testing.assert_allclose(window.shades(values, inverted=True), 1 - window.shades(values), atol=1e-6)


def test_nan_is_black_under_either_polarity() -> None:
    for inverted in (False, True):
        for function in VOI_FUNCTIONS:
            assert Window(0, 2, function).shades(np.array([np.nan]), inverted=inverted) == 0


def test_narrow_window_on_small_float_values_keeps_its_place() -> None:
    values = np.array([3.0e-9, 4.0e-9, 5.0e-9])
    np.testing.assert_allclose(Window(4e-9, 2e-9).shades(values), [0, 0.5, 1], atol=1e-5)


@pytest.mark.parametrize(
    ("center", "width", "function"),
    [(0, 0, "LINEAR"), (0, 0.5, "LINEAR"), (0, 0, "LINEAR_EXACT"), (0, -3, "SIGMOID"), (0, 4, "CUBIC")]
    + [(np.nan, 4, "LINEAR"), (0, np.inf, "LINEAR")],
)
def test_impossible_windows_are_refused(center: float, width: float, function: str) -> None:
    with pytest.raises(DataError, match="window"):
        Window(center, width, function)


def test_spread_takes_the_values_present_only() -> None:
    values = np.array([-2000, 10, 15, 20])
    np.testing.assert_array_equal(spread(values, values > -2000), np.float32([0, 0, 0.5, 1]))


def test_spread_of_one_value_or_none_is_black() -> None:
    assert not spread(np.full((2, 3), 7), np.ones((2, 3), bool)).any()
    assert not spread(np.full((2, 3), 7), np.zeros((2, 3), bool), inverted=True).any()
