"""The precision of the forward pass."""

import pytest
import torch
from torch import nn

from lungscan_monai.errors import ConfigError
from lungscan_monai.inferers import PrecisionInferer, has_bfloat16

CPU = torch.device("cpu")


class Watched(nn.Sequential):
    """A small network that notes in which type it multiplies."""

    def __init__(self):
        super().__init__(nn.Conv2d(1, 8, 3), nn.Flatten(), nn.Linear(8 * 36, 2))
        self.types = []
        self[0].register_forward_hook(lambda _, inputs, output: self.types.append(output.dtype))


def capabilities(**features):
    return lambda: {"architecture": "x86_64", **features}


def test_bfloat16_gives_float32_logits_close_to_those_of_float32():
    network, images = Watched(), torch.rand(4, 1, 8, 8)
    exact, fast = PrecisionInferer("float32")(images, network), PrecisionInferer("bfloat16")(images, network)
    assert network.types == [torch.float32, torch.bfloat16]
    assert fast.dtype == torch.float32
    torch.testing.assert_close(fast, exact, rtol=0.02, atol=0.02)
    assert not torch.equal(fast, exact)


def test_float32_is_the_network_itself():
    network, images = Watched(), torch.rand(4, 1, 8, 8)
    assert torch.equal(PrecisionInferer()(images, network), network(images))


def test_gradients_reach_the_weights_in_float32():
    network = Watched()
    PrecisionInferer("bfloat16")(torch.rand(4, 1, 8, 8), network).sum().backward()
    for parameter in network.parameters():
        assert parameter.grad.dtype == torch.float32
        assert parameter.grad.abs().sum() > 0


def test_another_word_is_refused():
    with pytest.raises(ConfigError, match="precision is 'fp16', expected one of float32, bfloat16, auto"):
        PrecisionInferer("fp16")


@pytest.mark.parametrize(("feature", "expected"), [("avx512_bf16", torch.bfloat16), ("avx2", torch.float32)])
def test_auto_takes_what_the_processor_has_and_says_so(feature, expected, monkeypatch, caplog):
    caplog.set_level("INFO")
    monkeypatch.setattr(torch.cpu, "get_capabilities", capabilities(**{feature: True}), raising=False)
    network, inferer = Watched(), PrecisionInferer("auto")
    inferer(torch.rand(1, 1, 8, 8), network)
    inferer(torch.rand(1, 1, 8, 8), network)
    assert network.types == [expected, expected]
    assert caplog.messages == [f"precision auto: {str(expected).removeprefix('torch.')} on cpu"]


def test_a_torch_that_cannot_tell_counts_as_no(monkeypatch):
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    assert not has_bfloat16(CPU)


def test_a_gpu_is_asked_for_instructions_of_its_own(monkeypatch):
    asked = []
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda **options: asked.append(options) or True)
    assert has_bfloat16(torch.device("cuda"))
    assert asked == [{"including_emulation": False}]
