"""From an answer to the DICOM objects that carry it."""

from __future__ import annotations

import io
import os
from collections.abc import Iterable
from pathlib import Path

from pydicom import Dataset

from lungscan_monai.dicom.pixels import GREY
from lungscan_monai.errors import LungScanError, ReadError
from lungscan_monai.inference.studies import Analysed, ModelIdentity
from lungscan_monai.results.context import Context, context_of
from lungscan_monai.results.key_object import key_object
from lungscan_monai.results.options import ResultOptions
from lungscan_monai.results.parametric_map import saliency_map
from lungscan_monai.results.places import has_place
from lungscan_monai.results.presentation_state import presentation_state
from lungscan_monai.results.secondary_capture import captures
from lungscan_monai.results.segmentation import salient_pixels, salient_regions
from lungscan_monai.results.sources import UNUSABLE
from lungscan_monai.results.sr import coded_report
from lungscan_monai.results.sr_twin import readable_report
from lungscan_monai.storage import replacing

_USUAL = ResultOptions()


def make_results(analysed: Analysed, identity: ModelIdentity, options: ResultOptions = _USUAL) -> list[Dataset]:
    """Make the objects of one answer: new series in the study of its sources, with UIDs that follow from both.

    Args:
        analysed: An answer, or a refusal; its sources are read again.
        identity: Who answered.
        options: Which objects.

    Returns:
        The coded report, the readable one, and the picture (one for each heatmap); for slices with a known place a
        parametric map and a segmentation of each heatmap; what the options ask for. Of a refusal the reports and a
        picture of words, and nothing else.

    Raises:
        ReadError: If a source is not admitted or cannot be read, or no result can be made of what its header says.
        DataError: If a source is no DICOM image, or lacks a UID that results refer to it by.
    """
    context = context_of(analysed, identity, options)
    try:
        made = _made(context, options)
        for one in made:
            _complete(one, context)
    except LungScanError:
        raise
    except UNUSABLE as error:
        source = analysed.sources[0].name
        raise ReadError(source, "malformed", f"no result can take its header over ({type(error).__name__})") from error
    return made


def _made(context: Context, options: ResultOptions) -> list[Dataset]:
    made: list[Dataset] = [coded_report(context), readable_report(context), *captures(context)]
    if context.is_refusal:
        return made
    if options.maps and context.analysed.series is not None:
        made += _maps(context)
    if options.presentation_state and context.shown[0].get("PhotometricInterpretation") in GREY:
        made.append(presentation_state(context))
    if options.key_object:
        made.append(key_object(context))
    return made


def write_results(datasets: Iterable[Dataset], folder: str | os.PathLike) -> list[Path]:
    """Write objects into a folder, each under its `SOPInstanceUID`; one that is there is replaced.

    Raises:
        OutputError: If one cannot be written.
    """
    paths = []
    for dataset in datasets:
        path = Path(folder) / f"{dataset.SOPInstanceUID}.dcm"
        content = io.BytesIO()  # in memory first: pydicom hides why a file could not be written
        dataset.save_as(content, enforce_file_format=True)
        with replacing(path) as part:
            part.write_bytes(content.getbuffer())
        paths.append(path)
    return paths


def _complete(dataset: Dataset, context: Context) -> None:
    """Put the names into an object, and the character set that it is written in."""
    for name in context.names:
        dataset[name.tag] = name
    dataset.pop("SpecificCharacterSet", None)
    if context.character_set is not None:
        dataset.SpecificCharacterSet = context.character_set


def _maps(context: Context) -> list[Dataset]:
    made: list[Dataset] = []
    for number, heatmap in enumerate(context.heatmaps):
        if has_place(context.headers[heatmap.source]):
            made.append(saliency_map(context, heatmap, number))
            if salient_pixels(context, heatmap).any():
                made.append(salient_regions(context, heatmap, number))
    return made
