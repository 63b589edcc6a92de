"""LungScan MONAI: medical image classification with MONAI bundles.

The public door: `Predictor` and its answers `Prediction`, `Reject` and `Explanation`. They are imported on first use,
so that importing the package itself stays cheap.
"""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"

__all__ = ["Explanation", "Prediction", "Predictor", "Reject"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        return getattr(importlib.import_module("lungscan_monai.inference.predictor"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
