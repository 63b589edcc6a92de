"""Where the body is, and how much of a map lies beside it."""

import numpy as np
import pytest
from skimage.draw import ellipse
from skimage.morphology import convex_hull_image

from lungscan_monai.errors import NotComputableError, ShapeError
from lungscan_monai.saliency.shortcuts import body_mask, border_mask, saliency_elsewhere


@pytest.fixture
def chest():
    """A bright body with two dark lungs, noise, and a letter beside it."""
    image = np.zeros((120, 160))
    image[ellipse(60, 80, 50, 60)] = 0.6
    body = image > 0
    for column in (55, 105):
        image[ellipse(60, column, 30, 15)] = 0.05
    image[5:15, 5:12] = 1.0
    return image + np.random.default_rng(0).normal(0, 0.01, image.shape).clip(0), body


def test_the_body_holds_the_lungs_and_no_letter(chest):
    image, body = chest
    found = body_mask(image)
    assert not found[5:15, 5:12].any()
    assert found[60, 55] and found[60, 105]
    expected = convex_hull_image(body)
    assert (found & expected).sum() / (found | expected).sum() > 0.93


@pytest.mark.parametrize("image", [np.zeros((40, 40)), np.full((40, 40), 0.7), np.eye(40)[::-1] * 0 + np.eye(40)[0]])
def test_where_there_is_no_background_no_body_is_found(image):
    assert body_mask(image) is None


def test_the_border_is_a_tenth_of_each_side():
    border = border_mask((40, 60))
    assert border.sum() == 40 * 60 - 32 * 48
    assert border[3].all() and not border[4, 6] and border[4, 5]


def test_shares_of_the_map_stand_beside_shares_of_the_area(chest):
    image, _ = chest
    body = body_mask(image)
    saliency = np.zeros(image.shape)
    saliency[10, 8] = 3  # on the letter, which is in the border
    saliency[60, 80] = 1
    found = saliency_elsewhere(saliency, image)
    assert (found.outside_body, found.border) == (0.75, 0.75)
    assert found.outside_body_area == pytest.approx((~body).mean())
    assert found.border_area == pytest.approx(1 - 0.8 * 0.8)
    uniform = saliency_elsewhere(np.ones(image.shape), image)
    assert uniform.outside_body == pytest.approx(uniform.outside_body_area)


def test_the_image_may_be_larger_and_of_colour(chest):
    image, _ = chest
    large = np.repeat(np.repeat(image, 3, 0), 3, 1)
    found = saliency_elsewhere(np.ones(image.shape), np.stack([large] * 3))
    assert found.outside_body_area == pytest.approx(saliency_elsewhere(np.ones(image.shape), image).outside_body_area)


def test_maps_without_a_place_are_refused(chest):
    with pytest.raises(NotComputableError, match="zero all over"):
        saliency_elsewhere(np.zeros((12, 16)), chest[0])
    with pytest.raises(ShapeError, match="expected"):
        saliency_elsewhere(np.zeros((1, 12, 16)), chest[0])


def test_saliency_on_letters_stands_beside_their_area_for_radiographs_only():
    image = np.zeros((480, 480))
    for rows, columns in ((slice(40, 64), slice(30, 34)), (slice(60, 64), slice(30, 46))):  # an L
        image[rows, columns] = 1
    saliency = np.zeros((48, 48))
    saliency[5, 3] = 1
    saliency[30, 30] = 3
    found = saliency_elsewhere(saliency, image, radiograph=True)
    assert found.text == pytest.approx(0.25, abs=0.01)
    assert 24 * 16 / 480**2 < found.text_area < 0.01
    nothing = saliency_elsewhere(saliency, image)
    assert (nothing.text, nothing.text_area) == (None, None)
    empty = saliency_elsewhere(saliency, np.zeros((480, 480)), radiograph=True)
    assert (empty.text, empty.text_area) == (None, 0)
