"""ONNX Runtime on the exported model: PyTorch's answers, for any batch."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from lungscan_monai.errors import MissingDependencyError
from lungscan_monai.inference.backends.onnx_runtime import OnnxRuntimeBackend
from lungscan_monai.inference.backends.torch_backend import TorchBackend


@pytest.mark.parametrize("count", [1, 3, 5])
def test_it_answers_as_pytorch_for_any_batch(network, exported, pictures, count):
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed: pip install 'lungscan-monai[export]'")
    found = OnnxRuntimeBackend(exported, threads=1).forward(pictures[:count])
    expected = TorchBackend(network).forward(pictures[:count])
    np.testing.assert_allclose(found.logits, expected.logits, atol=1e-4)
    np.testing.assert_allclose(found.features, expected.features, atol=1e-5)


def test_without_the_package_its_extra_is_named(exported, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(MissingDependencyError, match=r"lungscan-monai\[export\]"):
        OnnxRuntimeBackend(exported)
