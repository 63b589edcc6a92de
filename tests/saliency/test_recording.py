"""What is taken from a network, and that nothing stays behind."""

import pytest
import torch
from torch import nn

from lungscan_monai.errors import SaliencyError
from lungscan_monai.saliency.recording import FeatureRecorder, choose_labels, evaluating, label_scores


class Convolutions(nn.Module):
    """A network without the border of ours, with a layer whose output a later one changes in place."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 4, 3)
        self.relu = nn.ReLU(inplace=True)
        self.second = nn.Conv2d(4, 5, 3)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.unused = nn.Conv2d(4, 5, 3)
        self.head = nn.Linear(5, 2)

    def forward(self, x):
        x = self.relu(self.first(x))
        self.unused(x)
        return self.head(self.pool(self.second(x)).flatten(1))


def test_the_gradient_is_that_of_a_finite_difference():
    torch.manual_seed(0)
    network = Convolutions().double()
    x = torch.rand(2, 3, 8, 8, dtype=torch.float64)
    recording = FeatureRecorder(network, "second", "multiclass").record(x)
    gradient = recording.gradient(torch.tensor([0, 1]))
    shifted = recording.features.detach().clone()
    shifted[1, 2, 3, 1] += 1e-3
    logits = network.head(shifted.mean((2, 3)))
    assert gradient[1, 2, 3, 1].item() == pytest.approx((logits[1, 1] - recording.logits[1, 1]).item() / 1e-3, rel=1e-6)


def test_a_layer_whose_output_is_changed_in_place_keeps_its_own_values():
    torch.manual_seed(0)
    network = Convolutions()
    x = torch.rand(1, 3, 8, 8)
    recording = FeatureRecorder(network, "first", "multiclass").record(x)
    assert torch.equal(recording.features, network.first(x))
    assert (recording.features < 0).any()


def test_evaluating_restores_the_mode_of_every_module():
    network = Convolutions().train()
    network.second.eval()
    before = [module.training for module in network.modules()]
    with evaluating(network):
        assert not any(module.training for module in network.modules())
    assert [module.training for module in network.modules()] == before


def test_the_mode_is_restored_after_an_error():
    network = Convolutions().train()
    with pytest.raises(RuntimeError):
        FeatureRecorder(network, "first", "multiclass").record(torch.rand(1, 7, 8, 8))
    assert network.training and network.head.training
    assert not network.first._forward_hooks


def test_a_binary_logit_is_explained_with_its_sign():
    scores = label_scores(torch.tensor([[2.0], [-3.0]]), "binary")
    assert scores.tolist() == [[-2.0, 2.0], [3.0, -3.0]]


@pytest.mark.parametrize(
    ("given", "expected"),
    [(None, [[1], [0]]), (2, [[2], [2]]), ([0, 2], [[0], [2]]), ([[0, 1], [2, 2]], [[0, 1], [2, 2]])],
)
def test_labels_are_chosen_for_each_case(given, expected):
    scores = torch.tensor([[0.1, 0.9, 0.5], [0.3, 0.2, 0.1]])
    assert choose_labels(scores, given if given is None else torch.tensor(given)).tolist() == expected


@pytest.mark.parametrize("given", [3, -1, [0, 1, 2], [[[0]], [[1]]], [[], []]])
def test_labels_that_do_not_fit_are_refused(given):
    with pytest.raises(SaliencyError, match="expected"):
        choose_labels(torch.zeros(2, 3), torch.tensor(given))


def test_a_wrong_name_is_answered_with_the_names_there_are():
    with pytest.raises(SaliencyError, match=r"no layer 'secnd'; choose second, .*first"):
        FeatureRecorder(Convolutions(), "secnd", "multiclass")


def test_a_layer_after_the_pooling_is_refused():
    with pytest.raises(SaliencyError, match=r"'pool' gives \(1, 5, 1, 1\).*larger than 1x1.*first, relu, second"):
        FeatureRecorder(Convolutions(), "pool", "multiclass").record(torch.rand(1, 3, 8, 8))


def test_a_layer_that_gives_no_map_is_refused():
    with pytest.raises(SaliencyError, match=r"'head' gives \(1, 2\)"):
        FeatureRecorder(Convolutions(), "head", "multiclass").record(torch.rand(1, 3, 8, 8))


@pytest.mark.parametrize("frozen", [False, True])
def test_a_layer_off_the_way_to_the_logits_is_refused(frozen):
    network = Convolutions().requires_grad_(not frozen)
    recorder = FeatureRecorder(network, "unused", "multiclass")
    with pytest.raises(SaliencyError, match="do not depend on layer 'unused'"):
        recorder(torch.rand(1, 3, 8, 8))


def test_a_layer_that_runs_twice_is_refused():
    network = nn.Sequential(shared := nn.Conv2d(3, 3, 3), shared, nn.Flatten())
    with pytest.raises(SaliencyError, match="ran 2 times"):
        FeatureRecorder(network, "0", "multiclass").record(torch.rand(1, 3, 8, 8))


def test_a_layer_that_gives_several_tensors_is_refused():
    class Twins(nn.Module):
        def forward(self, x):
            return x, x

    class Network(nn.Module):
        def __init__(self):
            super().__init__()
            self.twins = Twins()

        def forward(self, x):
            return self.twins(x)[0].mean((2, 3))

    with pytest.raises(SaliencyError, match="gives a tuple"):
        FeatureRecorder(Network(), "twins", "multiclass").record(torch.rand(1, 3, 8, 8))
