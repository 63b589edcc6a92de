"""One picture of several explained cases, for reports."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

from lungscan_monai.errors import SaliencyError
from lungscan_monai.saliency.overlay import as_rgb, overlay
from lungscan_monai.storage import replacing

MAX_CASES = 12
COLUMNS = 3


@dataclass(frozen=True, eq=False)
class ExplainedCase:
    """What a sheet shows of one case.

    Args:
        image: In [0, 1], shape ``(H, W)`` or ``(C, H, W)``.
        saliency: In [0, 1], shape ``(h, w)``.
        label: Name of the explained label.
        probability: Its probability, in [0, 1].
    """

    image: np.ndarray
    saliency: np.ndarray
    label: str
    probability: float


def contact_sheet(path: str | os.PathLike, cases: Sequence[ExplainedCase]) -> None:
    """Write a PNG with image and overlay of each case side by side, under label and probability.

    Args:
        path: The file to write.
        cases: One to twelve cases, in rows of three.

    Raises:
        SaliencyError: If there are no cases or too many.
        OutputError: If the file cannot be written.
    """
    if not 1 <= len(cases) <= MAX_CASES:
        raise SaliencyError(f"a contact sheet shows 1 to {MAX_CASES} cases, got {len(cases)}")
    columns = min(COLUMNS, len(cases))
    rows = -(-len(cases) // columns)
    figure = Figure(figsize=(4.4 * columns, 2.5 * rows), layout="constrained", facecolor="white")
    panels = figure.subplots(rows, columns, squeeze=False).flat
    for panel in panels:
        panel.set_axis_off()
    for panel, case in zip(figure.axes, cases, strict=False):
        panel.imshow(_side_by_side(case), interpolation="antialiased")
        panel.set_title(f"{case.label}  {case.probability:.2f}", fontsize=10)
    with replacing(path) as part:
        figure.savefig(part, format="png", dpi=150)


def _side_by_side(case: ExplainedCase) -> np.ndarray:
    image = np.clip(as_rgb(case.image), 0, 1)
    gap = np.ones((len(image), max(1, len(image) // 50), 3), dtype=np.float32)
    return np.concatenate([image, gap, overlay(case.image, case.saliency) / np.float32(255)], axis=1)
