"""Small pictures for the page, read again from the files once it is known which are shown."""

from __future__ import annotations

import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from lungscan_monai.data.datalist import Datalist
from lungscan_monai.transforms.reading import read_image
from lungscan_monai.transforms.small_pictures import SmallPicture, small_picture

LONGEST_SIDE = 176
"""Pixels of the longer side of a small picture."""

_QUALITY = 82


def thumbnails(
    datalist: Datalist, case_ids: Iterable[str], dataset_dir: str | os.PathLike | None = None
) -> dict[str, SmallPicture]:
    """Return small pictures of the named cases.

    Raises:
        ReadError: If a picture cannot be read.
    """
    wanted = set(case_ids)
    root = datalist.file_of("", dataset_dir)
    files = {case.id: str(root / case.image) for case in datalist.cases() if case.id in wanted}
    with ThreadPoolExecutor() as pool:
        return dict(zip(files, pool.map(_thumbnail, files.values()), strict=True))


def _thumbnail(reference: str) -> SmallPicture:
    image = read_image(reference)
    shades = image[0] if len(image) == 1 else np.moveaxis(image, 0, -1)
    return small_picture(shades, LONGEST_SIDE, _QUALITY, enlarge=True)
