"""Stands in for the package pydicom-seg, which MONAI Label imports at its start and which needs numpy 1 and pydicom 2.

MONAI Label uses it for one thing, turning a label map into a DICOM segmentation and back. No classification needs that.
"""

from __future__ import annotations

from typing import NoReturn


def __getattr__(name: str) -> NoReturn:
    if name.startswith("__"):
        raise AttributeError(name)
    raise NotImplementedError(
        f"pydicom_seg.{name}: this server makes no DICOM segmentations, since pydicom-seg does not work with "
        "numpy 2 and pydicom 3; ask for output=json or output=image"
    )
