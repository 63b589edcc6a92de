"""How long to wait before something that failed is tried again."""

from __future__ import annotations

import random

from lungscan_monai.node.settings import Retries


def pause(retries: Retries, failures: int, chance: random.Random) -> float:
    """Return seconds: doubled with every failure up to a longest pause, shortened at random by up to a half.

    Args:
        retries: The first and the longest pause.
        failures: How often it has failed, at least 1.
        chance: Where the randomness comes from, so that several nodes do not come back at the same moment.

    Example:
        >>> 2.0 <= pause(Retries(first_seconds=1.0, longest_seconds=60.0), 3, random.Random(0)) <= 4.0
        True
    """
    longest = min(retries.longest_seconds, retries.first_seconds * 2.0 ** min(failures - 1, 60))
    return longest * chance.uniform(0.5, 1.0)
