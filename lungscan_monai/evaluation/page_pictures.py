"""Pictures that lie beside a report, made small enough for its page."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import cv2

from lungscan_monai.transforms.small_pictures import SmallPicture, small_picture

LONGEST_SIDE = 256
"""Pixels of the longer side of a small picture."""

BYTES_AT_MOST = 5_500_000
"""Of all pictures of a page together; in the page they take a third more."""

_QUALITY = 78


def small_pictures(folder: str | os.PathLike, names: Iterable[str]) -> dict[str, SmallPicture]:
    """Return small pictures of image files, in their order, until :data:`BYTES_AT_MOST` is reached.

    Args:
        folder: The folder of the report.
        names: Paths of the files from there, each as often as the page shows it. A file that is not there, lies outside
            of the folder or is no picture is left out.
    """
    root, found, room = Path(folder).resolve(), {}, BYTES_AT_MOST
    for name, times in Counter(names).items():
        path = (root / name).resolve()
        small = _small(path) if path.is_relative_to(root) and path.is_file() else None
        if small is not None and times * len(small.data) <= room:
            found[name] = small
            room -= times * len(small.data)
    return found


def _small(path: Path) -> SmallPicture | None:
    image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if image is None:
        return None
    return small_picture(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), LONGEST_SIDE, _QUALITY)
