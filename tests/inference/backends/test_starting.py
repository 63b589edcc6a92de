"""An engine is checked against the recorded answers of PyTorch each time it is started."""

from __future__ import annotations

import logging
from dataclasses import replace

import numpy as np
import pytest

from lungscan_monai.errors import BackendError, ConfigError
from lungscan_monai.inference.backends import starting
from lungscan_monai.inference.backends.starting import ENGINES, checked_engine, start_engine
from lungscan_monai.inference.backends.torch_backend import TorchBackend

PACKAGES = {"onnx": "onnxruntime", "openvino": "openvino"}


@pytest.mark.parametrize("name", ENGINES)
def test_an_engine_that_agrees_is_started(exported, judge, name):
    pytest.importorskip(PACKAGES[name], reason=f"{PACKAGES[name]} is not installed")
    choice = checked_engine(name, exported, judge)
    assert choice.backend.name == choice.facts["backend"] == name
    assert choice.facts["largest_difference"] <= choice.facts["tolerance"] == 1e-3


@pytest.mark.parametrize("name", ENGINES)
def test_an_engine_that_disagrees_is_refused_with_the_numbers(exported, judge, name):
    pytest.importorskip(PACKAGES[name], reason=f"{PACKAGES[name]} is not installed")
    other = replace(exported, expected_logits=exported.expected_logits + 0.5)
    with pytest.raises(
        BackendError, match=r"backend \w+ \(.*\) is refused: probabilities differ by up to 0\.\d+ .*0\.001"
    ):
        checked_engine(name, other, judge)


def test_in_bfloat16_more_pictures_are_compared_and_no_promise_is_made(exported, judge, network, monkeypatch, caplog):
    backend = TorchBackend(network)
    backend.precision = "bfloat16"
    monkeypatch.setattr(starting, "start_engine", lambda *_: backend)
    with caplog.at_level(logging.WARNING, "lungscan_monai"):
        assert checked_engine("openvino", exported, judge, "bfloat16").backend is backend
    assert "bfloat16 agrees on 16 made-up pictures" in caplog.text
    other = exported.expected_logits.copy()
    other[9] += 10 * np.abs(other).max()
    with pytest.raises(BackendError, match="is refused"):
        checked_engine("openvino", replace(exported, expected_logits=other), judge, "bfloat16")


def test_another_precision_is_refused(exported):
    with pytest.raises(ConfigError, match="precision is 'int3', expected one of float32, bfloat16"):
        start_engine("openvino", exported, "int3")


def test_onnx_runtime_has_no_bfloat16(exported):
    with pytest.raises(ConfigError, match="backend onnx computes in float32 and int8 only, not in bfloat16"):
        start_engine("onnx", exported, "bfloat16")
