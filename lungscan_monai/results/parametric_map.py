"""The saliency as a Parametric Map over its slice.

Only for slices: the object must have a frame of reference, which a plain radiograph has none of.
"""

from __future__ import annotations

import numpy as np
from highdicom import VOILUTTransformation
from highdicom.pm import ParametricMap, RealWorldValueMapping

from lungscan_monai.inference.studies import Heatmap
from lungscan_monai.results import codes
from lungscan_monai.results.context import MAP, Context
from lungscan_monai.results.laterality import take_over_body_part
from lungscan_monai.saliency.overlay import resize_map


def saliency_map(context: Context, heatmap: Heatmap, number: int = 0) -> ParametricMap:
    """Return the map of one heatmap; float32 in [0, 1], as large as the slice.

    Args:
        context: The answer.
        heatmap: Its source says where it lies.
        number: How many maps of the answer come before it.
    """
    source = context.headers[heatmap.source]
    values = np.clip(resize_map(heatmap.saliency, (source.Rows, source.Columns)), 0, 1)
    label = heatmap.label.replace("_", " ")
    mapping = RealWorldValueMapping(
        lut_label="SALIENCY",
        lut_explanation=f"Saliency for {label}"[:64],
        unit=codes.NO_UNITS,
        value_range=(0.0, 1.0),
        slope=1.0,
        intercept=0.0,
        quantity_definition=codes.CLASS_ACTIVATION,
    )
    made = ParametricMap(
        source_images=[source],
        pixel_array=values,
        contains_recognizable_visual_features=False,
        real_world_value_mappings=[mapping],
        voi_lut_transformations=[VOILUTTransformation(window_center=0.5, window_width=1.0)],
        content_label="SALIENCY",
        content_description=f"Where the model looked for {label} ({heatmap.method})"[:64],
        **context.common(MAP, heatmap.label, number),
    )
    take_over_body_part(made, source)
    return made
