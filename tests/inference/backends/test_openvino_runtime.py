"""OpenVINO on the exported model: PyTorch's answers in float32, near ones in bfloat16."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from lungscan_monai.errors import MissingDependencyError
from lungscan_monai.inference.backends.openvino_runtime import OpenVinoBackend
from lungscan_monai.inference.backends.torch_backend import TorchBackend

MISSING = "openvino is not installed: pip install 'lungscan-monai[openvino]'"


@pytest.mark.parametrize("count", [1, 3, 5])
def test_in_float32_it_answers_as_pytorch_for_any_batch(network, exported, pictures, count):
    pytest.importorskip("openvino", reason=MISSING)
    found = OpenVinoBackend(exported, threads=1).forward(pictures[:count])
    expected = TorchBackend(network).forward(pictures[:count])
    np.testing.assert_allclose(found.logits, expected.logits, atol=1e-4)
    np.testing.assert_allclose(found.features, expected.features, atol=1e-5)


def test_bfloat16_is_a_hint_of_its_own(network, exported, pictures):
    pytest.importorskip("openvino", reason=MISSING)
    backend = OpenVinoBackend(exported, "bfloat16", threads=1)
    found = backend.forward(pictures)
    assert backend.facts["precision"] == "bfloat16" and backend.facts["engine"].startswith("openvino ")
    assert found.logits.dtype == np.float32
    np.testing.assert_allclose(found.features, TorchBackend(network).forward(pictures).features, atol=0.1)


def test_without_the_package_its_extra_is_named(exported, monkeypatch):
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(MissingDependencyError, match=r"lungscan-monai\[openvino\]"):
        OpenVinoBackend(exported)
