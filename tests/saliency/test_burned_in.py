"""Letters are found on radiographs, bones are not."""

import cv2
import numpy as np
import pytest

from lungscan_monai.errors import ShapeError
from lungscan_monai.saliency.burned_in import SMALLEST_SIDE, text_mask


def radiograph(rows=512, columns=448):
    """A soft body with soft bright ribs, as X-rays draw them, and some noise."""
    image = np.zeros((rows, columns), np.float32)
    cv2.ellipse(image, (columns // 2, rows // 2), (columns // 3, rows // 3), 0, 0, 360, 0.5, -1)
    for down in range(rows // 4, 3 * rows // 4, rows // 12):
        cv2.ellipse(image, (columns // 2, down), (columns // 3, rows // 24), 0, 180, 360, 0.8, rows // 70)
    soft = cv2.GaussianBlur(image, (0, 0), 0.008 * rows)
    return np.clip(soft + np.random.default_rng(0).normal(0, 0.01, soft.shape), 0, 1).astype(np.float32)


def lettered(image, text, place, scale=0.8, shade=1.0):
    """Return the image with a text, and where it stands."""
    written = np.zeros(image.shape, np.uint8)
    cv2.putText(written, text, place, cv2.FONT_HERSHEY_SIMPLEX, scale, 255, max(1, round(2 * scale)), cv2.LINE_AA)
    return np.maximum(image, written.astype(np.float32) / 255 * shade), written > 128


@pytest.mark.parametrize(
    ("text", "place"), [("R", (20, 60)), ("L", (410, 300)), ("AP PORTABLE", (60, 40)), ("2026-03-14", (20, 490))]
)
@pytest.mark.parametrize("shade", [0.85, 1.0])
def test_letters_near_an_edge_are_found_and_little_else(text, place, shade):
    image, where = lettered(radiograph(), text, place, shade=shade)
    found = text_mask(image)
    assert found[where].mean() > 0.9
    assert found.mean() < 0.05
    assert not text_mask(radiograph()).any()


def test_letters_of_a_larger_image_are_found_where_they_are():
    image, where = lettered(radiograph(2048, 1800), "R", (80, 260), scale=3.2)
    found = text_mask(image)
    assert found.shape == image.shape
    assert found[where].mean() > 0.9 and found.mean() < 0.01


def test_a_small_letter_on_black_is_found():
    image, where = lettered(np.zeros((512, 448), np.float32), "R", (20, 60))
    assert text_mask(image)[where].all()


def test_a_blurred_marker_of_lead_is_not_found_as_the_page_says():
    image, where = lettered(np.zeros((512, 448), np.float32), "R", (20, 60))
    blurred = cv2.GaussianBlur(image, (0, 0), 4)
    assert not text_mask(np.maximum(radiograph(), blurred))[where].any()


@pytest.mark.parametrize("shade", [0.0, 0.5, 1.0])
def test_an_image_of_one_shade_has_no_text(shade):
    assert not text_mask(np.full((400, 400), shade, np.float32)).any()


def test_of_a_small_image_nothing_is_said():
    assert text_mask(np.zeros((SMALLEST_SIDE - 1, 200), np.float32)) is None
    with pytest.raises(ShapeError, match="expected"):
        text_mask(np.zeros((3, 400, 400), np.float32))
