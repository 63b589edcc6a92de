"""Compiling is tried before a training relies on it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from lungscan_monai.compiling import tried_compile
from lungscan_monai.errors import MissingDependencyError

CPU = torch.device("cpu")


def refuse(function):
    raise RuntimeError("No working C++ compiler found\n\nSet TORCHDYNAMO_VERBOSE=1 for the full stack trace")


def test_where_it_works_it_is_taken(monkeypatch):
    compiled = []
    monkeypatch.setattr(torch, "compile", lambda function: compiled.append(function) or function)
    assert tried_compile(True, CPU) is True
    assert len(compiled) == 1


def test_switched_off_nothing_is_tried(monkeypatch):
    monkeypatch.setattr(torch, "compile", refuse)
    assert tried_compile(False, CPU) is False


def test_where_it_does_not_work_the_message_says_what_is_missing(monkeypatch):
    monkeypatch.setattr(torch, "compile", refuse)
    expected = (
        r"for cpu here: No working C\+\+ compiler found; it needs a C\+\+ compiler \(g\+\+\) and Python's headers"
    )
    with pytest.raises(MissingDependencyError, match=expected):
        tried_compile(True, CPU)


@pytest.mark.slow
def test_a_machine_without_a_compiler_gets_that_message(tmp_path):
    code = "import torch; from lungscan_monai.compiling import tried_compile; tried_compile(True, torch.device('cpu'))"
    root = Path(__file__).resolve().parents[1]
    environment = {**os.environ, "PATH": "", "TORCHINDUCTOR_CACHE_DIR": str(tmp_path), "PYTHONPATH": str(root)}
    environment.pop("CXX", None)
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert "MissingDependencyError: compile is on, but torch.compile does not work for cpu here" in done.stderr
