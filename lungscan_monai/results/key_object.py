"""A Key Object Selection that points to the image that an answer rests on most."""

from __future__ import annotations

from highdicom.ko import KeyObjectSelection, KeyObjectSelectionDocument
from pydicom.sr.codedict import codes as standard

from lungscan_monai.results.context import KEYS, Context
from lungscan_monai.results.sentences import NOT_FOR_DIAGNOSIS, decision_sentence


def key_object(context: Context) -> KeyObjectSelectionDocument:
    """Return the selection, with the decision as its description."""
    content = KeyObjectSelection(
        document_title=standard.DCM.OfInterest,
        referenced_objects=context.shown,
        observer_device_context=context.observer(),
        description=f"{decision_sentence(context.analysed.answer)}. {NOT_FOR_DIAGNOSIS}.",
    )
    return KeyObjectSelectionDocument(evidence=context.shown, content=content, **context.common(KEYS))
