"""The part of a slice that is salient, as a binary Segmentation; viewers show it where they show no Parametric Map."""

from __future__ import annotations

import numpy as np
from highdicom import AlgorithmIdentificationSequence
from highdicom.seg import Segmentation, SegmentDescription

from lungscan_monai.inference.studies import Heatmap
from lungscan_monai.results import codes
from lungscan_monai.results.context import SEGMENTATION, Context
from lungscan_monai.saliency.overlay import resize_map

SALIENT = 0.5
"""Saliency from which on a pixel belongs to the segment."""


def salient_pixels(context: Context, heatmap: Heatmap) -> np.ndarray:
    """Return which pixels of the source are salient, ``(Rows, Columns)``, uint8 in {0, 1}."""
    source = context.headers[heatmap.source]
    return (resize_map(heatmap.saliency, (source.Rows, source.Columns)) >= SALIENT).astype(np.uint8)


def salient_regions(context: Context, heatmap: Heatmap, number: int = 0) -> Segmentation:
    """Return the segmentation of one heatmap.

    Args:
        context: The answer.
        heatmap: Its source says where it lies, and some of its pixels are salient.
        number: How many segmentations of the answer come before it.
    """
    identity, label = context.identity, heatmap.label.replace("_", " ")
    algorithm = AlgorithmIdentificationSequence(
        name=identity.name[:64],
        family=codes.ARTIFICIAL_INTELLIGENCE,
        version=identity.version,
        parameters={"weights_sha256": identity.sha256, "method": heatmap.method},
    )
    segment = SegmentDescription(
        segment_number=1,
        segment_label=f"Salient for {label}"[:64],
        segmented_property_category=codes.SPATIAL,
        segmented_property_type=codes.CLASS_ACTIVATION,
        algorithm_type="AUTOMATIC",
        algorithm_identification=algorithm,
        tracking_uid=context.finding_uid(heatmap.label),
        tracking_id=heatmap.label,
    )
    return Segmentation(
        source_images=[context.headers[heatmap.source]],
        pixel_array=salient_pixels(context, heatmap),
        segmentation_type="BINARY",
        segment_descriptions=[segment],
        content_label="SALIENT",
        content_description=f"Saliency of {label} from {SALIENT:g} on"[:64],
        **context.common(SEGMENTATION, heatmap.label, number),
    )
