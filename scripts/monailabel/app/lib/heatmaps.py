"""A heatmap as the one file that an answer of MONAI Label may carry."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import SimpleITK
from PIL import Image

from lungscan_monai.inference.studies import Heatmap
from lungscan_monai.saliency.overlay import overlay, resize_map

DEFAULT_SUFFIX = ".png"
MAP_SUFFIXES = (".nii", ".nii.gz")
REGION_SUFFIXES = (".nrrd", ".seg.nrrd")
REGION_FROM = 0.5
"""Saliency from which a pixel belongs to the region."""


def write_heatmap(heatmap: Heatmap, suffix: str) -> Path:
    """Write a heatmap into a temporary file, which the server deletes when it was sent.

    Args:
        heatmap: The heatmap.
        suffix: ``".png"`` for the picture with its overlay, for people; ``".nii"`` or ``".nii.gz"`` for the saliency in
            [0, 1]; ``".nrrd"`` or ``".seg.nrrd"`` for a label map, 1 where the saliency is at least 0.5, the form
            that 3D Slicer and OHIF ask for. The last two lie where the image lies.

    Raises:
        ValueError: For any other suffix.
    """
    if suffix not in (DEFAULT_SUFFIX, *MAP_SUFFIXES, *REGION_SUFFIXES):
        known = ", ".join((DEFAULT_SUFFIX, *MAP_SUFFIXES, *REGION_SUFFIXES))
        raise ValueError(f"result_extension is {suffix!r}, expected one of {known}")
    with tempfile.NamedTemporaryFile(suffix=suffix, delete=False) as stream:
        path = Path(stream.name)
    if suffix == DEFAULT_SUFFIX:
        Image.fromarray(overlay(heatmap.image, heatmap.saliency)).save(path)
        return path
    place = _place(heatmap.source)
    shape = heatmap.image.shape[-2:] if place is None else (place.GetHeight(), place.GetWidth())
    values = resize_map(heatmap.saliency, shape)
    if suffix in REGION_SUFFIXES:
        values = (values >= REGION_FROM).astype(np.uint16)
    image = SimpleITK.GetImageFromArray(values[None])
    if place is not None:
        image.CopyInformation(place)
    SimpleITK.WriteImage(image, str(path))
    return path


def _place(source: Path) -> SimpleITK.Image | None:
    """Return the source as an image of one slice, None where it is none that SimpleITK can read."""
    try:
        image = SimpleITK.ReadImage(str(source))
    except RuntimeError:
        return None
    if image.GetDimension() == 2:
        return SimpleITK.JoinSeries(image)
    return image if image.GetDimension() == 3 and image.GetDepth() == 1 else None
