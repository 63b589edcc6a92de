"""Environments that lie over that of the tests, for packages which must not come into it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
WANTED = ("LUNGSCAN_TEST_ENVIRONMENTS", "CI")
"""One of these variables must be set for an environment to be made: it takes a download and a minute."""


def layered_python(setup: str, variable: str, folder: str) -> Path:
    """Return the interpreter of an environment, made if it is not there; the test is skipped where it cannot be.

    Args:
        setup: The script that makes it.
        variable: The environment variable that names its folder.
        folder: Its folder below the clone where that is not set.
    """
    if not any(os.environ.get(name) for name in WANTED):
        pytest.skip(f"{WANTED[0]} is not set: no environment of its own is made for this test")
    environment = layered_environment()
    done = subprocess.run(["bash", setup], cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"{setup} cannot make the environment: {(done.stderr.strip().splitlines() or ['?'])[-1]}")
    return Path(os.environ.get(variable, ROOT / folder)) / "bin" / "python"


def layered_environment() -> dict[str, str]:
    """Return the environment variables that let the setup scripts build on the interpreter of the tests."""
    return {**os.environ, "LUNGSCAN_PYTHON": sys.executable}
