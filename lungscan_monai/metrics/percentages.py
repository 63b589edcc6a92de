"""A probability as a person is told it: what is neither 0 nor 1 is never said to be."""

from __future__ import annotations


def told_percentage(share: float, decimals: int = 1) -> tuple[str, float]:
    """Return how a share is told, as a sign and a percentage.

    Args:
        share: In [0, 1].
        decimals: Of the percentage.

    Returns:
        ``""`` and the rounded percentage; or ``"<"`` and the least one above 0, or ``">"`` and the greatest one below
        100, where rounding would say 0 or 100 of what is neither.

    Example:
        >>> told_percentage(0.8731), told_percentage(1e-5), told_percentage(0.99999), told_percentage(1.0)
        (('', 87.3), ('<', 0.1), ('>', 99.9), ('', 100.0))
    """
    least = 10.0**-decimals
    rounded = round(100 * share, decimals)
    if share > 0 and rounded < least:
        return "<", least
    if share < 1 and rounded > 100 - least:
        return ">", 100 - least
    return "", rounded
