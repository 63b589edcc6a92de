"""Tables that people open in a spreadsheet: a cell must stay text, whatever a file is called."""

from __future__ import annotations

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "'")


def guarded_cell(text: str) -> str:
    """Return the text, preceded by an apostrophe where a spreadsheet would take it for a formula.

    Source: OWASP, "CSV Injection".

    Example:
        >>> guarded_cell("=HYPERLINK(A1).png")
        "'=HYPERLINK(A1).png"
    """
    return f"'{text}" if text.startswith(_FORMULA_STARTS) else text


def bare_cell(text: str) -> str:
    """Return the text that :func:`guarded_cell` was given."""
    return text[1:] if text.startswith("'") else text
