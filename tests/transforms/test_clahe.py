from __future__ import annotations

import math

import cv2
import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from skimage.exposure import equalize_adapthist

from lungscan_monai.errors import ConfigError, DataError
from lungscan_monai.transforms.clahe import Clahed, clahe


def grainy(shape: tuple[int, ...] = (64, 96), low: float = 0.3, high: float = 0.7) -> np.ndarray:
    rows = np.linspace(low, high, shape[-2])[:, None]
    noise = np.random.default_rng(0).normal(scale=0.03, size=shape)
    return np.clip(rows + noise, 0, 1).astype(np.float32)


def tile_mapping(tile: np.ndarray, clip_limit: float) -> np.ndarray:
    """Mapping of 256 grey levels by one tile, step by step after the definition."""
    counts = np.bincount(tile.ravel(), minlength=256)
    limit = max(int(clip_limit * tile.size / 256), 1)
    excess = int(np.maximum(counts - limit, 0).sum())
    counts = np.minimum(counts, limit) + excess // 256
    rest = excess % 256
    if rest:
        counts[: (256 // rest) * rest : 256 // rest] += 1  # spread evenly
    return np.round(np.cumsum(counts) * (255 / tile.size)).clip(0, 255)


def literal_clahe(image: np.ndarray, clip_limit: float, tiles: tuple[int, int]) -> np.ndarray:
    """CLAHE of a uint8 image that the tiles fit exactly, pixel by pixel."""
    height, width = image.shape[0] // tiles[0], image.shape[1] // tiles[1]
    mappings = [
        [
            tile_mapping(image[r * height : (r + 1) * height, c * width : (c + 1) * width], clip_limit)
            for c in range(tiles[1])
        ]
        for r in range(tiles[0])
    ]
    result = np.zeros(image.shape)
    for (row, column), level in np.ndenumerate(image):
        down, right = row / height - 0.5, column / width - 0.5
        for tile_row, row_weight in ((math.floor(down), 1 - down % 1), (math.floor(down) + 1, down % 1)):
            for tile_column, column_weight in ((math.floor(right), 1 - right % 1), (math.floor(right) + 1, right % 1)):
                mapping = mappings[min(max(tile_row, 0), tiles[0] - 1)][min(max(tile_column, 0), tiles[1] - 1)]
                result[row, column] += row_weight * column_weight * mapping[level]
    return np.round(result)


@pytest.mark.parametrize(("bits", "kind"), [(8, np.uint8), (16, np.uint16)])
@pytest.mark.parametrize("tiles", [(8, 8), (3, 5)])
def test_integer_levels_equal_opencv_exactly(bits: int, kind: type, tiles: tuple[int, int]) -> None:
    top = np.iinfo(kind).max
    levels = np.random.default_rng(0).integers(0, top + 1, (70, 90)).astype(kind)
    expected = cv2.createCLAHE(3.0, (tiles[1], tiles[0])).apply(levels)
    result = clahe((levels / top).astype(np.float32), 3.0, tiles, bits)
    np.testing.assert_array_equal(np.round(result * top).astype(kind), expected)


@pytest.mark.parametrize("clip_limit", [1.0, 2.0, 40.0])
@pytest.mark.parametrize("tiles", [(2, 2), (2, 3)])
def test_equals_the_definition_written_out(clip_limit: float, tiles: tuple[int, int]) -> None:
    levels = np.round(grainy((32, 48)) * 255).astype(np.uint8)
    result = np.round(clahe(levels / np.float32(255), clip_limit, tiles) * 255)
    difference = np.abs(result - literal_clahe(levels, clip_limit, tiles))
    assert difference.max() <= 1  # float32 against float64 at the last rounding
    assert difference.mean() < 0.01


def test_contrast_grows_with_the_clip_limit() -> None:
    image = grainy()
    contrast = [clahe(image, limit).std() for limit in (1, 2, 4, 8)]
    assert image.std() < contrast[0]
    assert contrast == sorted(contrast)


def test_order_of_grey_levels_is_kept_within_one_tile() -> None:
    image = grainy((32, 32))
    result = clahe(image, tiles=(1, 1))
    order = np.argsort(image, axis=None)
    assert (np.diff(result.ravel()[order]) >= 0).all()


def test_scikit_image_at_a_like_limit_gives_a_like_picture() -> None:
    image = grainy((256, 256))
    other = equalize_adapthist(image, kernel_size=32, clip_limit=0.01)
    assert np.abs(clahe(image) - other).mean() < 0.05


def test_every_channel_is_equalised_by_itself() -> None:
    image = np.stack([grainy(), grainy(low=0.1, high=0.2), grainy()])
    result = clahe(image)
    for channel, equalised in zip(image, result, strict=True):
        np.testing.assert_array_equal(clahe(channel), equalised)


def test_input_is_left_as_it_was() -> None:
    image = grainy()
    clahe(image)
    np.testing.assert_array_equal(image, grainy())


def test_transform_keeps_meta_tensor_meta_data_and_shape() -> None:
    image = MetaTensor(torch.as_tensor(grainy((1, 64, 96))), meta={"filename_or_obj": "a.png"})
    result = Clahed("image", clip_limit=3, tiles=[4, 4])({"image": image, "label": 1})
    assert isinstance(result["image"], MetaTensor)
    assert result["image"].meta["filename_or_obj"] == "a.png"
    assert result["image"].dtype == torch.float32
    np.testing.assert_array_equal(result["image"].numpy(), clahe(image.numpy(), 3, (4, 4)))
    assert result["label"] == 1


def test_transform_takes_plain_arrays_and_tensors() -> None:
    transform = Clahed(["a", "b"], allow_missing_keys=True)
    assert isinstance(transform({"a": grainy()})["a"], np.ndarray)
    assert type(transform({"b": torch.as_tensor(grainy())})["b"]) is torch.Tensor


@pytest.mark.parametrize("parameters", [{"clip_limit": 0}, {"tiles": (0, 8)}, {"tiles": (8, 8, 8)}, {"bits": 12}])
def test_impossible_parameters_are_refused(parameters: dict) -> None:
    with pytest.raises(ConfigError, match="CLAHE"):
        clahe(grainy(), **parameters)
    with pytest.raises(ConfigError, match="CLAHE"):
        Clahed("image", **parameters)


@pytest.mark.parametrize(
    "image", [grainy() * 255, grainy() - 1, np.full((8, 8), np.nan), np.zeros(5), np.zeros((0, 5))]
)
def test_images_that_are_no_shades_are_refused(image: np.ndarray) -> None:
    with pytest.raises(DataError, match="CLAHE got"):
        clahe(image)


def test_means_that_end_in_a_half_are_equalised_alike_whatever_float32_made_of_them():
    picture = np.random.default_rng(5).integers(0, 256, (64, 64)).astype(np.float32)
    halves = np.floor(picture / 2) + np.float32(0.5)
    exact = clahe(halves / 255)
    for noise in (-2e-7, 2e-7):
        assert np.array_equal(clahe(halves / 255 + np.float32(noise)), exact)
