"""Which objects are made of an answer."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ResultOptions:
    """What is made beside the reports and the picture.

    Args:
        maps: For slices, a parametric map and a segmentation of the saliency.
        presentation_state: A softcopy presentation state with the answer as text.
        key_object: A key object selection of the image that the answer rests on most, where something is found.
        predecessor: :attr:`~lungscan_monai.inference.studies.ModelIdentity.key` of the model that answered for these
            very files before; the reports name its documents, whose UIDs follow from it.
    """

    maps: bool = True
    presentation_state: bool = False
    key_object: bool = False
    predecessor: str | None = None
