"""A Grayscale Softcopy Presentation State that writes the decision onto the image that it rests on most."""

from __future__ import annotations

from highdicom.pr import GraphicAnnotation, GraphicLayer, GrayscaleSoftcopyPresentationState, TextObject

from lungscan_monai.results.context import PRESENTATION, Context
from lungscan_monai.results.laterality import take_over_body_part
from lungscan_monai.results.sentences import NOT_FOR_DIAGNOSIS, decision_sentence

_TOP_LEFT = (0.02, 0.02, 0.7, 0.1)
"""Left, top, right, bottom of the text, as shares of the displayed area."""


def presentation_state(context: Context) -> GrayscaleSoftcopyPresentationState:
    """Return the state of a grey image."""
    image = context.shown[0]
    layer = GraphicLayer(layer_name="ANSWER", order=1, description="Answer of a model")
    text = TextObject(
        text_value=f"{decision_sentence(context.analysed.answer)}. {NOT_FOR_DIAGNOSIS}.",
        units="DISPLAY",
        bounding_box=_TOP_LEFT,
        text_justification="LEFT",
    )
    made = GrayscaleSoftcopyPresentationState(
        referenced_images=[image],
        content_label="ANSWER",
        graphic_layers=[layer],
        graphic_annotations=[GraphicAnnotation([image], layer, text_objects=[text])],
        **context.common(PRESENTATION),
    )
    take_over_body_part(made, image)
    return made
