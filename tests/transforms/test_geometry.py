from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from monai.transforms import Compose

from lungscan_monai.errors import ConfigError, DataError
from lungscan_monai.transforms.geometry import Geometry, RandGeometryd, move


def blob(row: float = 20, column: float = 60, shape: tuple[int, int] = (64, 96)) -> torch.Tensor:
    rows, columns = np.mgrid[0 : shape[0], 0 : shape[1]]
    return torch.as_tensor(np.exp(-((rows - row) ** 2 + (columns - column) ** 2) / 18.0)[None], dtype=torch.float32)


def centroid(image: torch.Tensor) -> np.ndarray:
    values = image[0].numpy()
    rows, columns = np.indices(values.shape)
    return np.array([(values * rows).sum(), (values * columns).sum()]) / values.sum()


def test_no_movement_changes_nothing() -> None:
    assert torch.allclose(move(blob(), Geometry()), blob(), atol=1e-5)


def test_flip_left_right_reverses_the_last_axis() -> None:
    assert torch.allclose(move(blob(), Geometry(flip_left_right=True)), blob().flip(-1), atol=1e-4)


def test_flip_up_down_reverses_the_rows() -> None:
    assert torch.allclose(move(blob(), Geometry(flip_up_down=True)), blob().flip(-2), atol=1e-4)


def test_shift_moves_the_content_by_fractions_of_the_size() -> None:
    moved = move(blob(20, 60), Geometry(shift_down=0.125, shift_right=-0.25))
    np.testing.assert_allclose(centroid(moved), [20 + 8, 60 - 24], atol=0.05)


def test_what_comes_in_from_outside_is_black() -> None:
    moved = move(torch.ones(1, 10, 20), Geometry(shift_right=0.25))
    assert not moved[..., :5].any()
    assert moved[..., 6:].min() > 0.99


def test_zoom_moves_away_from_the_centre() -> None:
    moved = move(blob(24, 60), Geometry(zoom=1.5))
    middle = np.array([31.5, 47.5])
    np.testing.assert_allclose(centroid(moved) - middle, 1.5 * (np.array([24, 60]) - middle), atol=0.1)


def test_positive_rotation_is_counter_clockwise_on_a_screen() -> None:
    moved = move(blob(31.5, 47.5 + 20), Geometry(degrees=90))
    np.testing.assert_allclose(centroid(moved), [31.5 - 20, 47.5], atol=0.1)


def test_a_general_geometry_equals_opencv() -> None:
    image = torch.as_tensor(cv2.GaussianBlur(np.random.default_rng(0).random((64, 96)).astype(np.float32), (0, 0), 3))
    geometry = Geometry(degrees=7, shift_down=0.05, shift_right=-0.08, zoom=1.07)
    matrix = cv2.getRotationMatrix2D((47.5, 31.5), geometry.degrees, geometry.zoom)
    matrix[:, 2] += [geometry.shift_right * 96, geometry.shift_down * 64]
    expected = cv2.warpAffine(image.numpy(), matrix, (96, 64), flags=cv2.INTER_LINEAR)
    difference = np.abs(move(image[None], geometry)[0].numpy() - expected)
    assert np.median(difference) < 1e-3
    assert difference[10:-10, 12:-12].max() < 0.01


def test_every_channel_moves_alike() -> None:
    geometry = Geometry(degrees=5, shift_down=0.1)
    moved = move(torch.cat([blob(), 2 * blob()]), geometry)
    assert torch.allclose(2 * moved[0], moved[1], atol=1e-5)


def test_images_of_other_dimensions_are_refused() -> None:
    with pytest.raises(DataError, match=r"expected \(C, H, W\)"):
        move(torch.zeros(4, 4), Geometry())


def test_transform_keeps_type_shape_and_meta_data() -> None:
    image = MetaTensor(blob(), meta={"filename_or_obj": "a.png"})
    result = RandGeometryd("image").set_random_state(0)({"image": image, "label": 1})
    assert isinstance(result["image"], MetaTensor)
    assert result["image"].shape == image.shape
    assert result["image"].dtype == torch.float32
    assert result["image"].meta["filename_or_obj"] == "a.png"
    assert torch.equal(image.as_tensor(), blob())


def test_same_seed_gives_the_same_pictures() -> None:
    def pictures(seed: int) -> list[torch.Tensor]:
        chain = Compose([RandGeometryd("image")]).set_random_state(seed)
        return [chain({"image": blob()})["image"] for _ in range(3)]

    assert all(torch.equal(first, second) for first, second in zip(pictures(3), pictures(3), strict=True))
    assert not torch.equal(pictures(3)[0], pictures(4)[0])


def test_all_keys_move_alike() -> None:
    result = RandGeometryd(["image", "mask"]).set_random_state(1)({"image": blob(), "mask": blob()})
    assert torch.equal(result["image"], result["mask"])


def test_drawn_geometries_fill_their_ranges_and_stay_inside() -> None:
    transform = RandGeometryd("image", 10, 0.1, 0.2, flip_left_right=0.5).set_random_state(0)
    drawn = []
    for _ in range(500):
        transform.randomize()
        drawn.append(transform.geometry)
    for values, limit in (
        ([geometry.degrees for geometry in drawn], 10),
        ([geometry.shift_down for geometry in drawn], 0.1),
        ([geometry.shift_right for geometry in drawn], 0.1),
        ([geometry.zoom - 1 for geometry in drawn], 0.2),
    ):
        assert 0.95 * limit < np.abs(values).max() <= limit
        assert abs(np.mean(values)) < 0.1 * limit
    assert 0.4 < np.mean([geometry.flip_left_right for geometry in drawn]) < 0.6
    assert not any(geometry.flip_up_down for geometry in drawn)


def test_probability_zero_leaves_pictures_alone() -> None:
    image = blob()
    assert RandGeometryd("image", prob=0)({"image": image})["image"] is image


@pytest.mark.parametrize(
    "parameters",
    [{"rotate_degrees": -1}, {"translate_fraction": 2}, {"zoom_fraction": 1}, {"flip_left_right": 1.5}, {"prob": -0.1}],
)
def test_impossible_parameters_are_refused(parameters: dict) -> None:
    with pytest.raises(ConfigError, match=next(iter(parameters))):
        RandGeometryd("image", **parameters)
