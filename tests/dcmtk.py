"""dcmtk's programs; pynetdicom installs some of its own under the same names, in every environment that has it."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest


def dcmtk(program: str) -> str:
    """Return where a program of dcmtk is; the test is skipped where there is none."""
    for folder in os.environ.get("PATH", "").split(os.pathsep):
        found = shutil.which(program, path=folder)
        if found and "$dcmtk" in subprocess.run([found, "--version"], capture_output=True, text=True).stdout:
            return found
    pytest.skip(f"dcmtk's {program} is not installed: bash scripts/system-packages.sh")
