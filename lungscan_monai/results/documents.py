"""Reports as documents: a tree of content items in the frame that all reports share."""

from __future__ import annotations

from typing import TypeVar

from highdicom.sr import Comprehensive3DSR, ComprehensiveSR, ContainerContentItem, ContentSequence
from pydicom.uid import UID

from lungscan_monai.results.context import Context

Report = TypeVar("Report", Comprehensive3DSR, ComprehensiveSR)


def document(cls: type[Report], sop_class: UID, kind: int, root: ContainerContentItem, context: Context) -> Report:
    """Return a report.

    highdicom copies the tree, converts the copy and searches the tree five times for things that no report of ours has;
    that is more than half of what a report costs. So it is given the root alone, and the tree comes afterwards.

    Args:
        cls: Which report.
        sop_class: Its SOP class.
        kind: The kind of object, as the context numbers them.
        root: The container that holds everything.
        context: What the answer is about. All its headers are evidence.
    """
    tree = root.ContentSequence
    root.ContentSequence = ContentSequence()
    made = cls(
        evidence=context.evidence,
        content=root,
        is_complete=True,
        previous_versions=context.predecessors(kind, sop_class),
        **context.common(kind),
    )
    made.ContentSequence = tree
    return made
