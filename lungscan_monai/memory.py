"""How much memory this process may use."""

from __future__ import annotations

import os
from pathlib import Path

_LIMIT_OF_CONTAINER = Path("/sys/fs/cgroup/memory.max")


def memory_limit() -> int | None:
    """Return the bytes of the machine, or what its container may use of them; None where the system does not tell."""
    if "SC_PHYS_PAGES" not in getattr(os, "sysconf_names", {}):
        return None
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    if _LIMIT_OF_CONTAINER.is_file():
        limit = _LIMIT_OF_CONTAINER.read_text(encoding="ascii").strip()
        total = min(total, int(limit)) if limit.isdecimal() else total
    return total
