"""Small pictures for the page, read again from the files once it is known which are shown."""

from __future__ import annotations

import io
import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import cv2
import numpy as np
from PIL import Image

from lungscan_monai.data.datalist import Datalist
from lungscan_monai.transforms.reading import read_image

LONGEST_SIDE = 176
"""Pixels of the longer side of a small picture."""

_QUALITY = 82


@dataclass(frozen=True)
class Thumbnail:
    """A small picture.

    Args:
        data: The JPEG file.
        width: Columns.
        height: Rows.
    """

    data: bytes
    width: int
    height: int


def thumbnails(
    datalist: Datalist, case_ids: Iterable[str], dataset_dir: str | os.PathLike | None = None
) -> dict[str, Thumbnail]:
    """Return small pictures of the named cases.

    Raises:
        ReadError: If a picture cannot be read.
    """
    wanted = set(case_ids)
    root = datalist.file_of("", dataset_dir)
    files = {case.id: str(root / case.image) for case in datalist.cases() if case.id in wanted}
    with ThreadPoolExecutor() as pool:
        return dict(zip(files, pool.map(_thumbnail, files.values()), strict=True))


def _thumbnail(reference: str) -> Thumbnail:
    image = read_image(reference)
    scale = LONGEST_SIDE / max(image.shape[1:])
    width, height = (max(1, round(side * scale)) for side in image.shape[:0:-1])
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    small = cv2.resize(np.moveaxis(image, 0, -1), (width, height), interpolation=way)
    stream = io.BytesIO()
    Image.fromarray((small * 255 + 0.5).astype(np.uint8)).save(stream, "JPEG", quality=_QUALITY, optimize=True)
    return Thumbnail(stream.getvalue(), width, height)
