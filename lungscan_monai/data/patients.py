"""Which patient an image belongs to, read from its file name."""

from __future__ import annotations

import re

from lungscan_monai.errors import ConfigError

PATIENT_PATTERNS = {
    # Kermany et al.: person12_bacteria_4.jpeg, IM-0117-0001.jpeg, NORMAL2-IM-0117-0001.jpeg. The two series of normal
    # films number their patients independently, so the prefix belongs to the patient.
    "kermany": r"^(person\d+|(?:NORMAL2-)?IM-\d+)",
    # ChestX-ray14: 00000061_012.png is film 12 of patient 61.
    "nih": r"^(\d{8})_\d{3}\.",
}
"""Patterns of well-known data sets, by name."""


def patient_pattern(name_or_regex: str) -> re.Pattern[str]:
    """Return the pattern of a known data set, or compile a regular expression with one group.

    One with a ``/`` in it looks at the folders, too; see :func:`patient_of`.

    Raises:
        ConfigError: If it is not a regular expression, or does not have exactly one group.

    Example:
        >>> patient_pattern("kermany").search("person63_bacteria_306.jpeg").group(1)
        'person63'
    """
    known = ", ".join(PATIENT_PATTERNS)
    try:
        pattern = re.compile(PATIENT_PATTERNS.get(name_or_regex, name_or_regex))
    except re.error as error:
        message = f"patient regex {name_or_regex!r}: not a regular expression ({error}), nor one of {known}"
        raise ConfigError(message) from error
    if pattern.groups != 1:
        raise ConfigError(
            f"patient regex {name_or_regex!r} has {pattern.groups} groups, expected one around the patient, as in "
            rf"'(person\d+)_', or a known name: {known}"
        )
    return pattern


def patient_of(file: str, pattern: re.Pattern[str] | None) -> str | None:
    """Return the patient in a file's name, None where there is no pattern, no match or an empty one.

    Args:
        file: The path, with ``/`` between folders.
        pattern: It is searched in the name alone; in the whole path, if there is a ``/`` in it.

    Example:
        >>> patient_of("train/patient00001/view1.jpg", patient_pattern(r"(patient\\d+)/"))
        'patient00001'
    """
    if pattern is None:
        return None
    match = pattern.search(file if "/" in pattern.pattern else file.rpartition("/")[2])
    return (match.group(1) or None) if match else None
