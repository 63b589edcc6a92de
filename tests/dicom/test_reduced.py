"""A JPEG 2000 frame decoded smaller is the small picture that the format keeps inside of it."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from lungscan_monai.dicom.reduced import Reduction, possible_reduction, reduced_values
from tests.wavelets import small_picture, unrounded

NOISE = np.random.default_rng(0).integers(0, 2**16, (202, 303)).astype(np.uint16)
SMOOTH = (30000 + 20000 * np.sin(np.arange(202)[:, None] / 30) * np.cos(np.arange(303) / 40)).astype(np.uint16)


def encoded(values: np.ndarray, **options: object) -> bytes:
    """Return the codestream that Pillow writes."""
    file = io.BytesIO()
    Image.fromarray(values).save(file, "JPEG2000", no_jp2=True, **options)
    return file.getvalue()


def reduction_of(codestream: bytes, shape: tuple[int, int], smallest: tuple[int, int], bits: int = 16):
    return possible_reduction(codestream, shape, bits, False, smallest)


def by_pillow(codestream: bytes, halvings: int) -> np.ndarray:
    with Image.open(io.BytesIO(codestream)) as picture:
        picture.reduce = halvings
        return np.asarray(picture)


@pytest.mark.parametrize("rows", [96, 97, 98, 99])
@pytest.mark.parametrize("columns", [120, 121, 122, 123])
@pytest.mark.parametrize("halvings", [1, 2])
def test_lossless_frames_of_every_size_become_what_the_wavelet_makes_of_them(rows, columns, halvings):
    values = np.ascontiguousarray(NOISE[:rows, :columns] // 4 + 20000)  # so that nothing leaves the 16 bits
    codestream = encoded(values)
    reduction = reduction_of(codestream, values.shape, (rows >> halvings, columns >> halvings))
    assert reduction == Reduction(halvings, rows, columns)
    np.testing.assert_array_equal(reduced_values(codestream, reduction), small_picture(values, halvings))


def test_8_bits_become_8_bits():
    values = (SMOOTH // 256).astype(np.uint8)
    codestream = encoded(values)
    small = reduced_values(codestream, reduction_of(codestream, values.shape, (40, 40), bits=8))
    assert small.dtype == np.uint8
    np.testing.assert_array_equal(small, small_picture(values, 2))


POSSIBLE = {
    "layer by layer, of which there is one": {},
    "resolutions before layers": {"progression": "RLCP", "quality_layers": [20, 5], "irreversible": True},
    "resolutions before places": {"progression": "RPCL", "quality_layers": [20, 5], "irreversible": True},
    "precincts": {"progression": "RPCL", "precinct_size": (64, 64)},
    "precincts in layers": {"precinct_size": (128, 64), "irreversible": True},
    "9/7": {"irreversible": True},
    "lengths of packets": {"plt": True},
    "a comment": {"comment": "of no matter"},
}


@pytest.mark.parametrize("options", POSSIBLE.values(), ids=POSSIBLE)
@pytest.mark.parametrize("halvings", [1, 2])
def test_a_small_picture_is_the_one_that_pillow_decodes(options, halvings):
    codestream = encoded(SMOOTH, **options)
    smallest = tuple(side >> halvings for side in SMOOTH.shape)
    reduction = reduction_of(codestream, SMOOTH.shape, smallest)
    assert reduction == Reduction(halvings, *SMOOTH.shape, reversible="irreversible" not in options)
    np.testing.assert_array_equal(reduced_values(codestream, reduction), by_pillow(codestream, halvings))


def test_a_codestream_in_a_file_of_its_own_is_found():
    file = io.BytesIO()
    Image.fromarray(SMOOTH).save(file, "JPEG2000")
    reduction = reduction_of(file.getvalue(), SMOOTH.shape, (50, 50))
    np.testing.assert_array_equal(reduced_values(file.getvalue(), reduction), small_picture(SMOOTH, 2))


@pytest.mark.parametrize(
    ("smallest", "halvings"), [((50, 75), 2), ((51, 75), 1), ((50, 76), 1), ((101, 151), 1), ((102, 75), None)]
)
def test_the_strongest_reduction_is_taken_that_leaves_enough(smallest, halvings):
    found = reduction_of(encoded(SMOOTH), SMOOTH.shape, smallest)
    assert (found and found.halvings) == halvings


@pytest.mark.parametrize(("resolutions", "halvings"), [(1, None), (2, 1), (3, 2)])
def test_a_picture_is_halved_no_more_often_than_it_was_when_written(resolutions, halvings):
    found = reduction_of(encoded(SMOOTH, num_resolutions=resolutions), SMOOTH.shape, (50, 50))
    assert (found and found.halvings) == halvings


IMPOSSIBLE = {
    "layer by layer, of which there are two": {"quality_layers": [20, 5], "irreversible": True},
    "place by place": {"progression": "PCRL"},
    "component by component": {"progression": "CPRL"},
    "tiles": {"tile_size": (128, 128)},
}


@pytest.mark.parametrize("options", IMPOSSIBLE.values(), ids=IMPOSSIBLE)
def test_what_does_not_begin_with_the_small_picture_is_left_to_be_decoded_in_full(options):
    assert reduction_of(encoded(SMOOTH, **options), SMOOTH.shape, (50, 50)) is None


def test_what_is_not_what_the_data_set_says_is_left_to_be_decoded_in_full():
    codestream, colours = encoded(SMOOTH), encoded(np.zeros((202, 303, 3), np.uint8))
    assert possible_reduction(codestream, (203, 303), 16, False, (50, 50)) is None
    assert possible_reduction(codestream, (202, 303), 12, False, (50, 50)) is None
    assert possible_reduction(codestream, (202, 303), 16, True, (50, 50)) is None
    assert possible_reduction(colours, (202, 303), 8, False, (50, 50)) is None
    shifted = bytearray(codestream)
    shifted[11] += 2  # one byte of each side's end, and of its begin (ITU-T T.800 A.5.1)
    shifted[19] += 2
    assert possible_reduction(bytes(shifted), (202, 303), 16, False, (50, 50)) is None


def test_what_is_cut_short_anywhere_is_left_to_be_decoded_in_full():
    codestream = encoded(SMOOTH)
    for length in (*range(200), *range(200, len(codestream) - 2, 997), len(codestream) - 3):
        assert reduction_of(codestream[:length], SMOOTH.shape, (50, 50)) is None


def test_damage_is_left_to_the_decoder_in_full_or_changes_values_only():
    codestream, random = encoded(SMOOTH, irreversible=True), np.random.default_rng(1)
    for place, value in zip(random.integers(2, 160, 300), random.integers(0, 256, 300), strict=True):
        damaged = bytearray(codestream)
        damaged[place] = value
        reduction = reduction_of(bytes(damaged), SMOOTH.shape, (50, 50))
        values = None if reduction is None else reduced_values(bytes(damaged), reduction)
        assert values is None or values.shape == (51, 76)


@pytest.mark.parametrize("style", [3, 31])
def test_a_style_of_quantisation_that_there_is_not_is_left_to_the_decoder_in_full(style):
    codestream = bytearray(encoded(SMOOTH))
    codestream[codestream.index(b"\xff\x5c") + 4] = style
    reduction = reduction_of(bytes(codestream), SMOOTH.shape, (50, 50))
    assert reduced_values(bytes(codestream), reduction) is None


def test_samples_of_the_53_wavelet_lie_too_high_by_their_excess():
    for halvings in (1, 2):
        exact = unrounded(unrounded(NOISE, 0, halvings), 1, halvings)
        found = np.mean(small_picture(NOISE, halvings) - exact)
        assert Reduction(halvings, *NOISE.shape).excess == pytest.approx(found, abs=0.03)
        assert Reduction(halvings, *NOISE.shape, reversible=False).excess == 0
