"""Packages that only some people need: whether they are there, and if not, what installs them."""

from __future__ import annotations

import importlib.util

from lungscan_monai.errors import MissingDependencyError


def require(extra: str, purpose: str, *modules: str) -> None:
    """Make sure that optional packages are installed, before they are imported.

    Args:
        extra: Name of the extra in `setup.cfg` that installs them.
        purpose: What needs them, the beginning of the message.
        modules: Names they are imported by.

    Raises:
        MissingDependencyError: If one of them is not installed.

    Example:
        >>> require("results", "a DICOM result", "pydicom")
    """
    missing = [module for module in modules if importlib.util.find_spec(module) is None]
    if missing:
        raise MissingDependencyError(
            f"{purpose} needs {' and '.join(missing)}, not installed: pip install 'lungscan-monai[{extra}]'"
        )
