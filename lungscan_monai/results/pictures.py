"""The picture that everybody can see: the image with its heatmap, and the answer in words beneath it."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import cv2
import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from lungscan_monai.inference.studies import Heatmap
from lungscan_monai.saliency.overlay import overlay
from lungscan_monai.transforms.colours import to_channels
from lungscan_monai.transforms.images import read_image

SHORTEST, LONGEST = 512, 1024
"""Pixels between which the longer side of the image lies in the picture."""

_WHITE, _GREY, _WARNING = (255, 255, 255), (190, 190, 190), (255, 176, 0)


def image_with_heatmap(heatmap: Heatmap) -> np.ndarray:
    """Return the image coloured where the model looked: RGB, uint8, ``(H, W, 3)``, in the image's proportions."""
    return overlay(_fitted(heatmap.image), heatmap.saliency)


def image_alone(path: Path) -> np.ndarray:
    """Return the image without a heatmap: RGB, uint8, ``(H, W, 3)``.

    Raises:
        ReadError: If it cannot be read.
    """
    grey = np.asarray(to_channels(read_image(path), 1)[0], dtype=np.float32)
    return np.repeat(np.rint(np.clip(_fitted(grey), 0, 1) * 255).astype(np.uint8)[..., None], 3, axis=2)


def captioned(picture: np.ndarray | None, headline: str, lines: list[str], warning: str) -> np.ndarray:
    """Write beneath a picture, never over it.

    Args:
        picture: RGB, uint8, ``(H, W, 3)``; None for words alone.
        headline: The first line, larger.
        lines: What follows; long ones are broken.
        warning: The last line, in another colour.

    Returns:
        RGB, uint8; the picture is its upper left part, unchanged.
    """
    width = max(SHORTEST, 0 if picture is None else picture.shape[1])
    size = max(14, width // 48)
    texts = [
        *((text, _font(size * 4 // 3), _WHITE) for text in _broken(headline, _font(size * 4 // 3), width - 2 * size)),
        *((text, _font(size), _GREY) for line in lines for text in _broken(line, _font(size), width - 2 * size)),
        *((text, _font(size), _WARNING) for text in _broken(warning, _font(size), width - 2 * size)),
    ]
    above = 0 if picture is None else picture.shape[0]
    heights = [int(font.size * 1.4) for _, font, _ in texts]
    canvas = np.zeros((above + sum(heights) + size, width, 3), np.uint8)
    if picture is not None:
        canvas[:above, : picture.shape[1]] = picture
    image = Image.fromarray(canvas)
    draw, top = ImageDraw.Draw(image), above + size // 2
    for (text, font, colour), height in zip(texts, heights, strict=True):
        draw.text((size, top), text, fill=colour, font=font)
        top += height
    return np.asarray(image)


def _fitted(image: np.ndarray) -> np.ndarray:
    """Bring an image ``(H, W)`` between the shortest and the longest longer side, in its proportions."""
    longer = max(image.shape)
    scale = min(max(longer, SHORTEST), LONGEST) / longer
    if scale == 1:
        return image
    size = tuple(max(1, round(side * scale)) for side in image.shape[::-1])
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)


@cache
def _font(size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf", size)


def _broken(text: str, font: ImageFont.FreeTypeFont, width: int) -> list[str]:
    """Break a text into lines that fit."""
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and font.getlength(longer) > width:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines
