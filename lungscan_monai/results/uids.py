"""UIDs that follow from what they name: of the same input and model the same ones, so nothing is stored twice."""

from __future__ import annotations

import uuid

LAYOUT = "1"
"""To be raised when documents of the same answer come to hold something else."""

_NAMESPACE = uuid.UUID("6f1d2c0e-6d0b-5c5e-9a3c-0d7e4a8b9f21")


def uid_of(kind: str, *parts: str) -> str:
    """Return the UID of a thing of some kind that is determined by its parts (PS3.5 B.2, from a name-based UUID).

    Example:
        >>> uid_of("report", "1.2.3") == uid_of("report", "1.2.3") != uid_of("report", "1.2.4")
        True
    """
    name = "\n".join((LAYOUT, kind, *parts))
    return f"2.25.{uuid.uuid5(_NAMESPACE, name).int}"
