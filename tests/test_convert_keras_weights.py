from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from torch import nn

SCRIPT = Path(__file__).resolve().parents[1] / "scripts" / "convert_keras_weights.py"


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("convert_keras_weights", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def keras_names() -> list[str]:
    """The layers as ``keras.applications.MobileNetV2(include_top=False)`` lists them (Keras 3.15)."""
    names = ["Conv1", "bn_Conv1", "expanded_conv_depthwise", "expanded_conv_depthwise_BN"]
    names += ["expanded_conv_project", "expanded_conv_project_BN"]
    for number in range(1, 17):
        for part in ("expand", "depthwise", "project"):
            names += [f"block_{number}_{part}", f"block_{number}_{part}_BN"]
    return [*names, "Conv_1", "Conv_1_bn"]


@pytest.fixture(scope="module")
def network() -> nn.Module:
    torch.manual_seed(0)
    network = timm.create_model("mobilenetv2_035", num_classes=0).eval()
    for part in network.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.running_var.uniform_(0.5, 1.5)
            part.running_mean.normal_()
    return network


def arrays_of(network: nn.Module, depthwise: str) -> dict[tuple[str, str], np.ndarray]:
    """The network's weights as Keras keeps them: channels last, and a variance without the 0.001 that it adds."""
    arrays = {}
    parts = [part for part in network.modules() if isinstance(part, nn.Conv2d | nn.BatchNorm2d)]
    for name, part in zip(keras_names(), parts, strict=True):
        values = {key: value.detach().numpy() for key, value in part.state_dict().items()}
        if isinstance(part, nn.BatchNorm2d):
            arrays[name, "gamma"], arrays[name, "beta"] = values["weight"], values["bias"]
            arrays[name, "moving_mean"] = values["running_mean"]
            arrays[name, "moving_variance"] = values["running_var"] + 1e-5 - 1e-3
        elif part.groups > 1:
            arrays[name, depthwise] = np.moveaxis(values["weight"], (0, 1), (2, 3))
        else:
            arrays[name, "kernel"] = np.moveaxis(values["weight"], (0, 1), (3, 2))
    return arrays


@pytest.mark.parametrize("depthwise", ["depthwise_kernel", "kernel"], ids=["Keras 2", "Keras 3"])
def test_weights_that_keras_keeps_become_those_of_timm(script, network, depthwise):
    converted = script.convert(arrays_of(network, depthwise), network)
    assert set(converted) == set(network.state_dict())
    for name, value in network.state_dict().items():
        torch.testing.assert_close(converted[name], value)


def test_a_network_of_another_width_is_refused(script, network):
    wider = timm.create_model("mobilenetv2_050", num_classes=0)
    with pytest.raises(ValueError, match="is the width"):
        script.convert(arrays_of(network, "kernel"), wider)


def test_a_file_with_the_top_or_of_another_network_is_refused(script, network):
    arrays = arrays_of(network, "kernel")
    with pytest.raises(ValueError, match="without its top"):
        script.convert({**arrays, ("predictions", "kernel"): np.zeros((1280, 1000))}, network)
    with pytest.raises(ValueError, match="without its top"):
        script.convert({key: value for key, value in arrays.items() if key[0] != "Conv1"}, network)


def test_the_file_is_read_by_layer_and_weight_in_both_layouts(script, tmp_path):
    h5py = pytest.importorskip("h5py", reason="h5py is not installed: pip install h5py")
    with h5py.File(tmp_path / "weights.h5", "w") as file:
        file["Conv1/Conv1/kernel:0"] = np.arange(3)
        file["bn_Conv1/gamma"] = np.ones(2)
    arrays = script.read_arrays(tmp_path / "weights.h5")
    assert {key: value.tolist() for key, value in arrays.items()} == {
        ("Conv1", "kernel"): [0, 1, 2],
        ("bn_Conv1", "gamma"): [1, 1],
    }
