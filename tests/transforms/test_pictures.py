from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lungscan_monai.errors import ReadError
from lungscan_monai.transforms.images import read_image
from lungscan_monai.transforms.pictures import read_picture

GREY = np.arange(12, dtype=np.uint8).reshape(3, 4) * 20
COLOURS = np.random.default_rng(0).integers(0, 256, (3, 4, 3)).astype(np.uint8)


def saved(folder: Path, picture: np.ndarray | Image.Image, name: str = "a.png", **options) -> Path:
    (picture if isinstance(picture, Image.Image) else Image.fromarray(picture)).save(folder / name, **options)
    return folder / name


@pytest.mark.parametrize("name", ["a.png", "a.bmp", "a.tif", "a.gif", "a.pgm"])
def test_grey_picture_keeps_rows_first_and_its_values(tmp_path: Path, name: str) -> None:
    shades = read_picture(saved(tmp_path, GREY, name))
    if name == "a.gif":  # GIF has palettes only
        shades = shades if shades.ndim == 2 else shades[..., 0]
    np.testing.assert_array_equal(shades, (GREY / 255).astype(np.float32))


def test_colours_keep_their_order(tmp_path: Path) -> None:
    np.testing.assert_array_equal(read_picture(saved(tmp_path, COLOURS)), (COLOURS / 255).astype(np.float32))


@pytest.mark.parametrize("name", ["a.png", "a.tif"])
def test_sixteen_bits_are_kept(tmp_path: Path, name: str) -> None:
    values = np.array([[0, 1, 255, 256], [32768, 40000, 65534, 65535]], np.uint16)
    np.testing.assert_array_equal(read_picture(saved(tmp_path, values, name)), (values / 65535).astype(np.float32))


def test_one_bit_is_black_and_white(tmp_path: Path) -> None:
    bits = np.array([[True, False, True]])
    np.testing.assert_array_equal(read_picture(saved(tmp_path, bits)), bits.astype(np.float32))


def test_palette_becomes_its_colours(tmp_path: Path) -> None:
    picture = Image.new("P", (2, 1))
    picture.putpalette([255, 0, 0, 0, 0, 255])
    picture.putpixel((1, 0), 1)
    np.testing.assert_array_equal(read_picture(saved(tmp_path, picture)), [[[1, 0, 0], [0, 0, 1]]])


def test_transparent_parts_are_black(tmp_path: Path) -> None:
    rgba = np.array([[[255, 255, 255, 0], [255, 128, 0, 255], [255, 255, 255, 51]]], np.uint8)
    shades = read_picture(saved(tmp_path, rgba))
    np.testing.assert_allclose(shades, [[[0, 0, 0], [1, 128 / 255, 0], [0.2, 0.2, 0.2]]], atol=1e-6)


def test_grey_with_opacity_stays_grey(tmp_path: Path) -> None:
    picture = Image.fromarray(np.array([[[200, 0], [200, 255]]], np.uint8))
    assert picture.mode == "LA"
    np.testing.assert_allclose(read_picture(saved(tmp_path, picture)), [[0, 200 / 255]], atol=1e-6)


def test_float_picture_is_spread_over_its_values(tmp_path: Path) -> None:
    values = np.float32([[-5, 0, 5]])
    np.testing.assert_array_equal(read_picture(saved(tmp_path, values, "a.tif")), [[0, 0.5, 1]])


@pytest.mark.parametrize(
    ("orientation", "undone"),
    [
        (2, lambda seen: seen[:, ::-1]),
        (3, lambda seen: seen[::-1, ::-1]),
        (4, lambda seen: seen[::-1]),
        (6, lambda seen: np.rot90(seen, 1)),
        (8, lambda seen: np.rot90(seen, -1)),
    ],
)
def test_exif_orientation_is_applied(tmp_path: Path, orientation: int, undone) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = np.ascontiguousarray(undone(GREY))
    path = saved(tmp_path, stored, "a.png", exif=exif)
    np.testing.assert_array_equal(read_picture(path), (GREY / 255).astype(np.float32))


def test_page_of_a_tiff_is_chosen_and_the_first_is_the_default(tmp_path: Path) -> None:
    pages = [Image.fromarray(GREY + np.uint8(add)) for add in (0, 10, 30)]
    path = saved(tmp_path, pages[0], "a.tif", save_all=True, append_images=pages[1:])
    np.testing.assert_array_equal(read_picture(path), (GREY / 255).astype(np.float32))
    np.testing.assert_array_equal(read_picture(path, 2), ((GREY + 30) / 255).astype(np.float32))
    with pytest.raises(ReadError, match=r"page 3 was asked for, the file has 0 to 2"):
        read_picture(path, 3)


def test_content_decides_what_is_a_picture(tmp_path: Path) -> None:
    picture = saved(tmp_path, GREY).rename(tmp_path / "no_suffix")
    np.testing.assert_array_equal(read_image(picture)[0], (GREY / 255).astype(np.float32))
    (tmp_path / "text.png").write_text("no picture")
    with pytest.raises(ReadError, match="unknown-format"):
        read_image(tmp_path / "text.png")


def test_programs_that_draw_are_not_run(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n")
    with pytest.raises(ReadError, match="damaged"):
        read_picture(tmp_path / "a.png")


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.tif"])
def test_picture_cut_short_is_refused(tmp_path: Path, name: str) -> None:
    path = saved(tmp_path, np.random.default_rng(0).integers(0, 256, (64, 64)).astype(np.uint8), name)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(ReadError, match=rf"{name}: .*cut short or damaged"):
        read_picture(path)


def test_picture_beyond_the_limit_of_pillow_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = saved(tmp_path, GREY)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 4)
    with pytest.raises(ReadError, match="too-large"):
        read_picture(path)
