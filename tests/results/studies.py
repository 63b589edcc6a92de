"""Answers about DICOM files, made by hand: results need no network."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from lungscan_monai.inference.answering import Prediction, Reject
from lungscan_monai.inference.series import SeriesAnswer
from lungscan_monai.inference.studies import Analysed, Heatmap, ModelIdentity
from lungscan_monai.metrics.operating_points import OperatingPoint
from lungscan_monai.task import LabelCode
from lungscan_monai.transforms.images import read_image

IDENTITY = ModelIdentity(
    name="pneumonia_cxr_classification",
    title="Pneumonia on a frontal chest X-ray: yes or no",
    version="0.1.0",
    sha256="7c" * 32,
    kind="binary",
    label_names=("Normal", "Pneumonia"),
    calibrated=True,
    operating_points={"Pneumonia": OperatingPoint(0.45, "youden", 0.9, 0.8, "validation", 50)},
    intended_use="Research and teaching.",
    backend="torch",
    label_codes=(LabelCode("SCT", "17621005", "Normal"), LabelCode("SCT", "233604007", "Pneumonia")),
    fitted="e1" * 32,
)


def spot(shape: tuple[int, int] = (7, 9)) -> np.ndarray:
    """Return a map whose upper left part is salient."""
    saliency = np.zeros(shape, np.float32)
    saliency[: shape[0] // 2, : shape[1] // 2] = 1
    return saliency


def answered(path: Path, explained: bool = True) -> Analysed:
    """Return an answer about a radiograph."""
    answer = Prediction(str(path), {"Normal": 0.127, "Pneumonia": 0.873}, "Pneumonia", 0.45)
    heatmaps = (Heatmap(path, "Pneumonia", "gradcam", spot(), read_image(path)[0]),) if explained else ()
    return Analysed((path,), answer, heatmaps)


def answered_series(paths: list[Path]) -> Analysed:
    """Return an answer about slices, the second of which speaks for it most."""
    rows = np.array([0.127, 0.873])
    answer = Prediction("2.25.55", {"Normal": 0.127, "Pneumonia": 0.873}, "Pneumonia", 0.45)
    heatmap = Heatmap(paths[1], "Pneumonia", "gradcam", spot(), read_image(paths[1])[0])
    series = SeriesAnswer(rows, len(paths), len(paths), 0, 0, 5.0, "complete")
    return Analysed(tuple(paths), answer, (heatmap,), series)


def refused(path: Path) -> Analysed:
    """Return a refusal of a radiograph."""
    reason = "not assessable: a localizer, and no slice of the examination"
    return Analysed((path,), Reject(str(path), "localizer", reason))
