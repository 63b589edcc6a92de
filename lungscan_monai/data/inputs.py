"""The images of a folder, without labels, as inference takes them."""

from __future__ import annotations

import os
from pathlib import Path

from lungscan_monai.data.files import files_below, images_below
from lungscan_monai.errors import DataError


def image_records(folder: str | os.PathLike) -> list[dict[str, str]]:
    """Return MONAI records, `image` (path) and `case` (path below the folder), of all images in and below a folder.

    Hidden files are left out; the order is that of the names.

    Raises:
        DataError: If the folder does not exist or holds no image.
    """
    root = Path(folder)
    if not root.is_dir():
        raise DataError(f"{root}: there is no such folder; give the images' folder with --dataset_dir")
    images = sorted(images_below(root))
    if not images:
        raise DataError(f"{root}: none of its {sum(1 for _ in files_below(root))} files is an image")
    return [{"image": str(root / name), "case": str(name)} for name in images]
