"""One simulated picture, ready to be written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from lungscan_monai.errors import ShapeError


@dataclass(frozen=True)
class Volume:
    """The Hounsfield units behind the picture of a CT slice.

    Args:
        hounsfield: Shape ``(H, W)``, int16.
        window: Centre and width of the display window in HU.
        height: Position of the slice along the patient in mm.
        thickness: Thickness of the slice in mm.
    """

    hounsfield: np.ndarray
    window: tuple[float, float]
    height: float
    thickness: float


@dataclass(frozen=True)
class Picture:
    """One simulated picture.

    Args:
        modality: DICOM `Modality`: ``"DX"``, ``"CT"``, or ``"OT"`` for what is neither.
        grey: Display-ready values in [0, 1], shape ``(H, W)``, float32.
        pixel: Width of a pixel in mm.
        body_part: DICOM `BodyPartExamined`, empty where there is none.
        masks: For each finding where it is, boolean, shape ``(H, W)``; empty for a normal picture.
        volume: The Hounsfield units, for a CT slice only.
        facts: What the datalist says about the case: `sex`, `age`, `view`, ...

    Raises:
        ShapeError: If the arrays differ in shape.
    """

    modality: str
    grey: np.ndarray
    pixel: float
    body_part: str = ""
    masks: Mapping[str, np.ndarray] = field(default_factory=dict)
    volume: Volume | None = None
    facts: Mapping[str, str | int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, mask in self.masks.items():
            if mask.shape != self.grey.shape:
                raise ShapeError(f"mask {name} has shape {mask.shape}, its picture {self.grey.shape}")
        if self.volume is not None and self.volume.hounsfield.shape != self.grey.shape:
            raise ShapeError(f"the CT slice has shape {self.volume.hounsfield.shape}, its picture {self.grey.shape}")

    @property
    def mask(self) -> np.ndarray | None:
        """Where any finding is, boolean, shape ``(H, W)``; None for a normal picture."""
        return np.any(list(self.masks.values()), axis=0) if self.masks else None
