"""dcmtk's programs; pynetdicom installs some of its own under the same names beside the interpreter."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest


def dcmtk(program: str) -> str:
    """Return where a program of dcmtk is; the test is skipped where there is none."""
    ours = Path(sys.executable).parent
    folders = [folder for folder in os.environ.get("PATH", "").split(os.pathsep) if Path(folder) != ours]
    found = shutil.which(program, path=os.pathsep.join(folders))
    if found is None:
        pytest.skip(f"dcmtk's {program} is not installed: bash scripts/system-packages.sh")
    return found
