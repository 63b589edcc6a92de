"""The readable report: Comprehensive SR, titled as a diagnostic imaging report, which viewers render as text."""

from __future__ import annotations

from highdicom.sr import (
    CodedConcept,
    ComprehensiveSR,
    ContainerContentItem,
    ContentSequence,
    ImageContentItem,
    LanguageOfContentItemAndDescendants,
    RelationshipTypeValues,
    TextContentItem,
)
from pydicom.uid import ComprehensiveSRStorage

from lungscan_monai.results import codes
from lungscan_monai.results.context import TEXT, Context
from lungscan_monai.results.documents import document
from lungscan_monai.results.sentences import decision_sentence, finding_sentences, model_sentences


def readable_report(context: Context) -> ComprehensiveSR:
    """Return the report of an answer, or of a refusal, in sentences."""
    analysed, identity = context.analysed, context.identity
    root = ContainerContentItem(codes.REPORT)
    root.ContentSequence = ContentSequence()
    root.ContentSequence.extend(LanguageOfContentItemAndDescendants(codes.ENGLISH))
    root.ContentSequence.extend(context.observer())
    root.ContentSequence.append(_section(codes.CONCLUSIONS, codes.CONCLUSION, [decision_sentence(analysed.answer)]))
    if not context.is_refusal:
        found = finding_sentences(analysed.answer, identity)
        root.ContentSequence.append(_section(codes.FINDINGS, codes.FINDING, found))
    root.ContentSequence[-1].ContentSequence.extend(_images(context))
    told = model_sentences(analysed, identity)
    root.ContentSequence.append(_section(codes.PROCEDURE_DESCRIPTIONS, codes.PROCEDURE_DESCRIPTION, told))
    return document(ComprehensiveSR, ComprehensiveSRStorage, TEXT, root, context)


def _section(heading: CodedConcept, name: CodedConcept, sentences: list[str]) -> ContainerContentItem:
    section = ContainerContentItem(heading, relationship_type=RelationshipTypeValues.CONTAINS)
    items = [TextContentItem(name, sentence, RelationshipTypeValues.CONTAINS) for sentence in sentences]
    section.ContentSequence = ContentSequence(items)
    return section


def _images(context: Context) -> list[ImageContentItem]:
    return [
        ImageContentItem(
            codes.SOURCE, one.SOPClassUID, one.SOPInstanceUID, relationship_type=RelationshipTypeValues.CONTAINS
        )
        for one in context.shown
    ]
