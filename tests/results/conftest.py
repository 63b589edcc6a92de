"""Sources of results."""

from __future__ import annotations

from pathlib import Path

import pytest
from answers import write_source


@pytest.fixture
def dx(tmp_path) -> Path:
    """A digital radiograph."""
    return write_source(tmp_path / "dx.dcm")
