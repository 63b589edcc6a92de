"""The side of the body in objects that show an image: `Laterality` must be absent for parts that have no side."""

from __future__ import annotations

from pydicom import Dataset

UNPAIRED = frozenset(
    ("ABDOMEN", "ABDOMENPELVIS", "BRAIN", "CHEST", "CHESTABDOMEN", "CHESTABDPELVIS", "CSPINE", "HEAD", "HEADNECK")
    + ("HEART", "LIVER", "LSPINE", "NECK", "NECKCHEST", "PANCREAS", "PELVIS", "SKULL", "SPINE", "TSPINE", "WHOLEBODY")
)
"""Values of `BodyPartExamined` that have no side."""


def take_over_body_part(dataset: Dataset, source: Dataset) -> None:
    """Give an object the body part of its source and, unless that has no side, its side; empty where unknown."""
    if "BodyPartExamined" in source:
        dataset.BodyPartExamined = source.BodyPartExamined
    if source.get("BodyPartExamined") not in UNPAIRED:
        dataset.Laterality = source.get("Laterality") or ""
