"""The answer for a series of slices, made of the answers for its slices.

The rule: slices are put in order along their normal; those at one place (within `SAME_PLACE` mm) count once, with the
mean of their probabilities; the series has the mean over its places. Gaps and duplicates are told, not mended. What is
missing is not guessed, and what is not assessable takes no part.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

SAME_PLACE = 0.01
"""Millimetres within which two slices lie at one place."""

GAP = 1.5
"""A step between neighbours that is more than so many times the median step is a gap."""

_PARALLEL = 0.999
"""Cosine of the angle up to which two slices count as parallel."""

COMPLETE, MISSING, MIXED = "complete", "missing", "mixed"


@dataclass(frozen=True, eq=False)
class Slice:
    """One slice that was assessed.

    Args:
        position: Of its first pixel, x, y, z in mm; None where unknown.
        orientation: Direction of its rows, then of its columns; None where unknown.
        probabilities: Calibrated, shape ``(n_labels,)``.
    """

    position: tuple[float, ...] | None
    orientation: tuple[float, ...] | None
    probabilities: np.ndarray


@dataclass(frozen=True, eq=False)
class SeriesAnswer:
    """What a series comes to.

    Args:
        probabilities: Mean over the places, shape ``(n_labels,)``.
        slices: Number of slices.
        places: Number of places they lie at.
        duplicates: Slices beyond the first at their place.
        gaps: Steps that are gaps.
        spacing: Median step in mm; None where it cannot be told.
        geometry: ``"complete"``; ``"missing"`` if a slice does not say where it lies, ``"mixed"`` if slices are not
            parallel; then each slice counts once, and neither gaps nor duplicates can be seen.
    """

    probabilities: np.ndarray
    slices: int
    places: int
    duplicates: int
    gaps: int
    spacing: float | None
    geometry: str


def answer_for_series(slices: Sequence[Slice]) -> SeriesAnswer:
    """Return the answer for at least one slice; their order does not matter."""
    rows = np.stack([one.probabilities for one in slices])
    geometry, along = _along_the_normal(slices)
    if along is None:
        return SeriesAnswer(rows.mean(axis=0), len(slices), len(slices), 0, 0, None, geometry)
    order = np.argsort(along, kind="stable")
    along, rows = along[order], rows[order]
    starts = np.flatnonzero(np.diff(along, prepend=-np.inf) > SAME_PLACE)
    counts = np.diff(np.append(starts, len(along)))
    places = np.add.reduceat(rows, starts, axis=0) / counts[:, None]
    steps = np.diff(along[starts])
    spacing = float(np.median(steps)) if len(steps) else None
    gaps = int((steps > GAP * spacing).sum()) if spacing else 0
    return SeriesAnswer(
        places.mean(axis=0), len(slices), len(starts), len(slices) - len(starts), gaps, spacing, geometry
    )


def _along_the_normal(slices: Sequence[Slice]) -> tuple[str, np.ndarray | None]:
    """Return the state of the geometry, and the places in mm along the normal, ``(n_slices,)``, if there are any."""
    if any(one.position is None or one.orientation is None for one in slices):
        return MISSING, None
    directions = np.array([one.orientation for one in slices]).reshape(-1, 2, 3)
    normals = np.cross(directions[:, 0], directions[:, 1])
    lengths = np.linalg.norm(normals, axis=1)
    if (lengths < _PARALLEL).any() or (lengths > 1 / _PARALLEL).any():
        return MISSING, None
    if (normals @ normals[0] < _PARALLEL).any():
        return MIXED, None
    return COMPLETE, np.array([one.position for one in slices]) @ normals[0]
