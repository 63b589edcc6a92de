"""Pictures of a batch are moved as asked, each in its own way."""

import cv2
import numpy as np
import pytest
import torch

from lungscan_monai.errors import ConfigError, DataError
from lungscan_monai.transforms.geometry import Geometry, RandomGeometry, move


def geometry(**parameters: float | list[float]) -> Geometry:
    """The geometry of one picture, or of several where lists are given."""
    still = {"degrees": 0, "shift_down": 0, "shift_right": 0, "zoom": 1, "flip_left_right": 0, "flip_up_down": 0}
    values = {
        name: torch.tensor(np.atleast_1d(value), dtype=torch.float32) for name, value in (still | parameters).items()
    }
    count = max(len(value) for value in values.values())
    return Geometry(**{name: value.expand(count) for name, value in values.items()})


def moved(image: torch.Tensor, **parameters: float) -> torch.Tensor:
    return move(image[None], geometry(**parameters))[0]


def blob(row: float = 20, column: float = 60, shape: tuple[int, int] = (64, 96)) -> torch.Tensor:
    rows, columns = np.mgrid[0 : shape[0], 0 : shape[1]]
    return torch.as_tensor(np.exp(-((rows - row) ** 2 + (columns - column) ** 2) / 18.0)[None], dtype=torch.float32)


def centroid(image: torch.Tensor) -> np.ndarray:
    values = image[0].numpy()
    rows, columns = np.indices(values.shape)
    return np.array([(values * rows).sum(), (values * columns).sum()]) / values.sum()


def test_no_movement_changes_nothing() -> None:
    assert torch.allclose(moved(blob()), blob(), atol=1e-5)


def test_flip_left_right_reverses_the_last_axis() -> None:
    assert torch.allclose(moved(blob(), flip_left_right=True), blob().flip(-1), atol=1e-4)


def test_flip_up_down_reverses_the_rows() -> None:
    assert torch.allclose(moved(blob(), flip_up_down=True), blob().flip(-2), atol=1e-4)


def test_shift_moves_the_content_by_fractions_of_the_size() -> None:
    result = moved(blob(20, 60), shift_down=0.125, shift_right=-0.25)
    np.testing.assert_allclose(centroid(result), [20 + 8, 60 - 24], atol=0.05)


def test_what_comes_in_from_outside_is_black() -> None:
    result = moved(torch.ones(1, 10, 20), shift_right=0.25)
    assert result[..., :5].max() < 1e-5
    assert result[..., 6:].min() > 0.99


def test_zoom_moves_away_from_the_centre() -> None:
    result = moved(blob(24, 60), zoom=1.5)
    middle = np.array([31.5, 47.5])
    np.testing.assert_allclose(centroid(result) - middle, 1.5 * (np.array([24, 60]) - middle), atol=0.1)


def test_positive_rotation_is_counter_clockwise_on_a_screen() -> None:
    result = moved(blob(31.5, 47.5 + 20), degrees=90)
    np.testing.assert_allclose(centroid(result), [31.5 - 20, 47.5], atol=0.1)


def test_a_general_geometry_equals_opencv() -> None:
    image = torch.as_tensor(cv2.GaussianBlur(np.random.default_rng(0).random((64, 96)).astype(np.float32), (0, 0), 3))
    matrix = cv2.getRotationMatrix2D((47.5, 31.5), 7, 1.07)
    matrix[:, 2] += [-0.08 * 96, 0.05 * 64]
    expected = cv2.warpAffine(image.numpy(), matrix, (96, 64), flags=cv2.INTER_LINEAR)
    difference = np.abs(
        moved(image[None], degrees=7, shift_down=0.05, shift_right=-0.08, zoom=1.07)[0].numpy() - expected
    )
    assert np.median(difference) < 1e-3
    assert difference[10:-10, 12:-12].max() < 0.01


def test_every_channel_moves_alike() -> None:
    result = moved(torch.cat([blob(), 2 * blob()]), degrees=5, shift_down=0.1)
    assert torch.allclose(2 * result[0], result[1], atol=1e-5)


def test_each_picture_of_a_batch_moves_in_its_own_way() -> None:
    batch = torch.stack([blob(), blob(30, 40)])
    together = move(batch, geometry(degrees=[3, -8], zoom=[1.1, 0.9], shift_right=[0.0, 0.1], flip_left_right=[1, 0]))
    torch.testing.assert_close(together[0], moved(batch[0], degrees=3, zoom=1.1, flip_left_right=1))
    torch.testing.assert_close(together[1], moved(batch[1], degrees=-8, zoom=0.9, shift_right=0.1))


def test_a_flip_comes_before_the_rotation() -> None:
    by_hand = moved(blob().flip(-1), degrees=20)
    assert torch.allclose(moved(blob(), degrees=20, flip_left_right=1), by_hand, atol=1e-4)


def test_images_of_other_dimensions_are_refused() -> None:
    with pytest.raises(DataError, match=r"expected \(B, C, H, W\)"):
        move(torch.zeros(1, 4, 4), geometry())


def test_same_seed_gives_the_same_pictures() -> None:
    def pictures(seed: int) -> torch.Tensor:
        torch.manual_seed(seed)
        return RandomGeometry(10, 0.1, 0.1, 0.5)(blob().expand(3, 1, 64, 96))

    assert torch.equal(pictures(3), pictures(3)) and not torch.equal(pictures(3), pictures(4))


def test_drawn_geometries_fill_their_ranges_and_stay_inside() -> None:
    torch.manual_seed(0)
    drawn = RandomGeometry(10, 0.1, 0.2, flip_left_right=0.5).draw(500)
    for values, limit in (
        (drawn.degrees, 10),
        (drawn.shift_down, 0.1),
        (drawn.shift_right, 0.1),
        (drawn.zoom - 1, 0.2),
    ):
        assert 0.95 * limit < values.abs().max() <= limit + 1e-6
        assert abs(values.mean()) < 0.1 * limit
    assert 0.4 < drawn.flip_left_right.mean() < 0.6 and set(drawn.flip_left_right.tolist()) == {0, 1}
    assert not drawn.flip_up_down.any()


def test_nothing_asked_for_moves_nothing() -> None:
    assert torch.allclose(RandomGeometry()(blob()[None]), blob()[None], atol=1e-5)


@pytest.mark.parametrize(
    "parameters",
    [{"rotate_degrees": -1}, {"translate_fraction": 2}, {"zoom_fraction": 1}, {"flip_left_right": 1.5}],
)
def test_impossible_parameters_are_refused(parameters: dict) -> None:
    with pytest.raises(ConfigError, match=next(iter(parameters))):
        RandomGeometry(**parameters)
