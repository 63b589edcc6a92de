"""An engine is checked against the recorded answers of PyTorch each time it is started."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lungscan_monai.errors import ConfigError
from lungscan_monai.inference.backends.starting import ENGINES, checked_engine, start_engine

PACKAGES = {"onnx": "onnxruntime", "openvino": "openvino"}


@pytest.mark.parametrize("name", ENGINES)
def test_an_engine_that_agrees_is_started(exported, judge, name):
    pytest.importorskip(PACKAGES[name], reason=f"{PACKAGES[name]} is not installed")
    assert checked_engine(name, exported, judge).facts["backend"] == name


@pytest.mark.parametrize("name", ENGINES)
def test_an_engine_that_disagrees_is_refused_with_the_numbers(exported, judge, name):
    pytest.importorskip(PACKAGES[name], reason=f"{PACKAGES[name]} is not installed")
    other = replace(exported, expected_logits=exported.expected_logits + 0.5)
    with pytest.raises(
        ConfigError, match=r"backend \w+ \(.*\) is refused: probabilities differ by up to 0\.\d+ .*0\.001"
    ):
        checked_engine(name, other, judge)


def test_onnx_runtime_has_no_bfloat16(exported):
    with pytest.raises(ConfigError, match="backend onnx computes in float32 only"):
        start_engine("onnx", exported, "bfloat16")
