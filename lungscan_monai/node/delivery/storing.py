"""What the answers to a request to store mean; DIMSE and STOW-RS use the same codes (PS3.4 B.2.3, PS3.18 I.2)."""

from __future__ import annotations

_MEANINGS = {
    0x0110: "processing failure",
    0x0117: "invalid SOP instance",
    0x0122: "SOP class not supported",
    0x0124: "not authorised",
    0xA7: "out of resources",
    0xA9: "the data set does not fit its SOP class",
    0xC: "cannot be understood",
}


def is_stored(code: int) -> bool:
    """Tell whether a status says that the object was stored; with a warning it was, too."""
    return code in (0x0000, 0x0107, 0x0116) or code >> 12 == 0xB


def may_go_well_later(code: int) -> bool:
    """Tell whether a failure is one of the peer's moment, not of the object."""
    return code >> 8 == 0xA7 or code == 0x0110


def meaning_of(code: int) -> str:
    """Return a status as a person reads it.

    Example:
        >>> meaning_of(0xA700)
        'out of resources (0xA700)'
    """
    for key in (code, code >> 8, code >> 12):
        if key in _MEANINGS:
            return f"{_MEANINGS[key]} (0x{code:04X})"
    return f"status 0x{code:04X}"
