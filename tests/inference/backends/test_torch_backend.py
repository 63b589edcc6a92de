"""PyTorch behind the interface: what the network itself gives, in float32 whatever it computes in."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from lungscan_monai.errors import MissingDependencyError
from lungscan_monai.inference.backends import torch_backend
from lungscan_monai.inference.backends.torch_backend import TorchBackend


def test_it_gives_what_the_network_gives(network, pictures):
    found = TorchBackend(network).forward(pictures)
    with torch.no_grad():
        np.testing.assert_array_equal(found.logits, network(torch.from_numpy(pictures)).numpy())
        maps = network.features(torch.from_numpy(pictures)).numpy()
    np.testing.assert_allclose(found.features, maps.mean(axis=(2, 3)), atol=1e-6)


def test_large_pictures_go_through_in_pieces_and_come_out_in_their_order(network, pictures, monkeypatch):
    expected, seen = TorchBackend(network).forward(pictures), []
    monkeypatch.setattr(torch_backend, "PIXELS_AT_ONCE", {"float32": 2 * pictures[0, 0].size})
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)
    backend = TorchBackend(network)
    backend._run.register_forward_pre_hook(lambda module, given: seen.append(len(given[0])))
    found = backend.forward(pictures)
    assert sum(seen) == len(pictures) and max(seen) <= 2
    np.testing.assert_allclose(found.logits, expected.logits, atol=1e-5)
    np.testing.assert_allclose(found.features, expected.features, atol=1e-5)


def test_bfloat16_is_near_and_comes_out_as_float32(network, pictures):
    backend = TorchBackend(network, "bfloat16")
    found, expected = backend.forward(pictures), TorchBackend(network).forward(pictures)
    assert found.logits.dtype == found.features.dtype == np.float32
    assert not np.array_equal(found.features, expected.features)
    np.testing.assert_allclose(found.features, expected.features, atol=0.1)
    assert backend.facts == {
        "backend": "torch",
        "engine": f"torch {torch.__version__}",
        "precision": "bfloat16",
        "device": "cpu",
    }


def test_compiled_the_network_is_handed_to_torch_compile(network, pictures, monkeypatch):
    compiled = []
    monkeypatch.setattr(torch, "compile", lambda module: compiled.append(module) or module)
    monkeypatch.setattr(torch_backend, "tried_compile", lambda wanted, device: wanted)
    backend = TorchBackend(network, compiled=True)
    assert backend.name == "torch-compile" and len(compiled) == 1
    np.testing.assert_array_equal(backend.logits(pictures), TorchBackend(network).logits(pictures))


def test_where_torch_compile_does_not_work_that_is_said(network, monkeypatch):
    def broken(function):
        raise RuntimeError("no compiler")

    monkeypatch.setattr(torch, "compile", broken)
    with pytest.raises(MissingDependencyError, match="torch.compile does not work for cpu here: no compiler"):
        TorchBackend(network, compiled=True)
