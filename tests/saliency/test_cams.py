"""Maps against MONAI's own, case by case, and against a network whose map is known."""

import copy

import monai.visualize
import pytest
import torch
from monai.data import MetaTensor
from monai.networks.nets import DenseNet121
from torch import nn

from lungscan_monai.errors import SaliencyError
from lungscan_monai.networks import TimmClassifier
from lungscan_monai.saliency.cams import METHODS, GradCAM, GradCAMpp, explain
from lungscan_monai.saliency.scaling import scale_to_peak

NUM_LABELS = 5
RIVALS = {GradCAM: monai.visualize.GradCAM, GradCAMpp: monai.visualize.GradCAMpp}


class KnownMap(nn.Module):
    """The feature map is the input; label k is the mean of channel k, so its map is that channel's positive part."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = nn.Identity()

    def features(self, x):
        return self.backbone(x)

    def classify(self, features):
        return features.mean((2, 3))

    def forward(self, x):
        return self.classify(self.features(x))


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return TimmClassifier("resnet18", NUM_LABELS, weights="none", hidden_features=16).eval()


@pytest.fixture(scope="module")
def images():
    return torch.rand(3, 3, 96, 64, generator=torch.Generator().manual_seed(1))


def case_by_case(visualizer, network, layer, images, labels):
    """MONAI's maps, one case and label at a time, each on a fresh copy because MONAI leaves hooks behind."""
    maps = [
        visualizer(copy.deepcopy(network), layer, postprocessing=scale_to_peak)(image[None], class_idx=int(k))[0]
        for image, row in zip(images, labels, strict=True)
        for k in row
    ]
    return torch.cat(maps).detach().reshape(*labels.shape, *images.shape[2:])


@pytest.mark.parametrize("visualizer", RIVALS)
@pytest.mark.parametrize("layer", ["backbone", "backbone.layer3"])
def test_a_batch_gives_the_maps_that_monai_gives_case_by_case(network, images, visualizer, layer):
    labels = torch.tensor([[0, 3], [1, 4], [2, 2]])
    ours = visualizer(network, layer)(images, labels)
    assert ours.amax() == 1
    torch.testing.assert_close(
        ours, case_by_case(RIVALS[visualizer], network, layer, images, labels), atol=1e-5, rtol=0
    )


def test_monai_postprocessing_and_upsampling_can_be_given(network, images):
    from monai.visualize import default_normalizer

    ours = GradCAM(network, postprocessing=default_normalizer)(images[:1], 2)
    theirs = monai.visualize.GradCAM(copy.deepcopy(network), "backbone")(images[:1], class_idx=2)
    torch.testing.assert_close(ours, theirs.detach(), atol=1e-5, rtol=0)


def test_a_network_of_monai_is_explained_too():
    torch.manual_seed(0)
    network = DenseNet121(spatial_dims=2, in_channels=1, out_channels=3).eval()
    images, labels = torch.rand(2, 1, 64, 64), torch.tensor([[0], [2]])
    ours = GradCAM(network, "class_layers.relu")(images, labels)
    theirs = case_by_case(monai.visualize.GradCAM, network, "class_layers.relu", images, labels)
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=0)
    assert explain(network, images, 1, "multiclass", layer="features.norm5")[1].amax() == 1  # where MONAI's raises


def by_hand(network, layer, images, labels, weigh):
    """Maps from torch's own gradients, case after case; `weigh` makes weights of a gradient ``(C, h, w)``."""
    maps = []
    for image, label in zip(images, labels, strict=True):
        kept = []
        handle = network.get_submodule(layer).register_forward_hook(lambda _m, _i, out, kept=kept: kept.append(out))
        score = network(image[None])[0, label]
        handle.remove()
        (gradient,) = torch.autograd.grad(score, kept[0])
        coarse = (weigh(gradient[0]) * kept[0][0]).sum(0).clamp(min=0)[None, None].detach()
        maps.append(nn.functional.interpolate(coarse, size=images.shape[2:], mode="bilinear")[0, 0])
    maps = torch.stack(maps)
    return maps / maps.amax((1, 2), keepdim=True)


@pytest.mark.parametrize("layer", ["backbone", "backbone.layer3"])
@pytest.mark.parametrize(
    ("method", "weigh"), [("layercam", lambda gradient: gradient.clamp(min=0)), ("hirescam", lambda gradient: gradient)]
)
def test_methods_that_monai_lacks_follow_their_formula(network, images, layer, method, weigh):
    labels = torch.tensor([0, 3, 4])
    maps = explain(network, images, labels, "multiclass", method, layer)[1]
    torch.testing.assert_close(maps, by_hand(network, layer, images, labels, weigh), atol=1e-5, rtol=0)


def test_before_the_global_pooling_hirescam_is_gradcam_and_earlier_it_is_not(network, images):
    for layer, equal in (("backbone", True), ("backbone.layer3", False)):
        maps = [explain(network, images, 1, "multiclass", method, layer)[1] for method in ("gradcam", "hirescam")]
        assert torch.allclose(*maps, atol=1e-5) is equal


@pytest.mark.parametrize("method", ["gradcam", "gradcam++", "layercam", "hirescam"])
def test_each_case_gets_the_channel_of_its_own_label(method):
    images = torch.randn(4, 3, 6, 5)
    labels = torch.tensor([2, 0, 1, 1])
    logits, maps = explain(KnownMap(), images, labels, "multilabel", method)
    channel = images[torch.arange(4), labels].relu()
    torch.testing.assert_close(maps, channel / channel.amax((1, 2), keepdim=True))
    torch.testing.assert_close(logits, images.mean((2, 3)).sigmoid())


def test_the_map_points_at_the_object_not_away_from_it():
    image = torch.zeros(1, 1, 8, 8)
    image[0, 0, 2, 5] = 1
    _, maps = explain(KnownMap(), image, 0, "multilabel")
    assert maps[0, 2, 5] == 1
    assert maps.sum() == 1


def test_the_two_labels_of_one_logit_are_explained_with_opposite_signs():
    image = torch.tensor([[[[1.0, -2.0], [0.0, 0.5]]]])
    probabilities, maps = explain(KnownMap(), image, torch.tensor([[0, 1]]), "binary")
    assert maps[0, 0].tolist() == [[0, 1], [0, 0]]
    assert maps[0, 1].tolist() == [[1, 0], [0, 0.5]]
    assert probabilities[0, 1].item() == pytest.approx(torch.sigmoid(torch.tensor(-0.125)).item())
    assert probabilities.sum().item() == pytest.approx(1)


def test_nothing_for_the_label_is_a_map_of_zeros():
    _, maps = explain(KnownMap(), -torch.ones(2, 1, 4, 4), 0, "multilabel")
    assert not maps.any()


@pytest.mark.parametrize("offset", [-500.0, 500.0])
def test_gradcampp_survives_extreme_logits(offset):
    _, maps = explain(KnownMap(), torch.rand(1, 1, 4, 4) + offset, int(offset < 0), "binary", "gradcam++")
    assert maps.isfinite().all()


def test_without_labels_the_most_probable_one_is_explained(network, images):
    probabilities, maps = explain(network, images, None, "multiclass")
    expected = explain(network, images, probabilities.argmax(1), "multiclass")[1]
    assert torch.equal(maps, expected)
    torch.testing.assert_close(probabilities, network(images).softmax(1).detach())


def test_shapes_follow_the_labels(network, images):
    assert explain(network, images, 1, "multiclass")[1].shape == (3, 96, 64)
    assert explain(network, images, torch.tensor([1, 2, 3]), "multiclass")[1].shape == (3, 96, 64)
    maps = explain(network, images, torch.tensor([[1], [2], [3]]), "multiclass")[1]
    assert maps.shape == (3, 1, 96, 64)
    assert maps.dtype == torch.float32


@pytest.mark.parametrize("layer", ["backbone", "backbone.layer3"])
@pytest.mark.parametrize("method", METHODS)
def test_the_network_is_left_as_it_was(layer, method):
    network = TimmClassifier("resnet18", 2, weights="none", trainable_blocks=1).train()
    network(torch.rand(2, 3, 32, 32)).sum().backward()
    modes = [module.training for module in network.modules()]
    assert len(set(modes)) == 2
    gradients = [None if p.grad is None else p.grad.clone() for p in network.parameters()]
    state = copy.deepcopy(network.state_dict())
    images = torch.rand(1, 3, 64, 64)
    _, maps = explain(network, images, 1, "multiclass", method, layer)
    assert not maps.requires_grad and not images.requires_grad
    assert [module.training for module in network.modules()] == modes
    assert not any(m._forward_hooks or m._backward_hooks or m._forward_pre_hooks for m in network.modules())
    for parameter, before in zip(network.parameters(), gradients, strict=True):
        assert (parameter.grad is None) if before is None else torch.equal(parameter.grad, before)
    assert all(torch.equal(value, state[name]) for name, value in network.state_dict().items())


@pytest.mark.parametrize("layer", ["backbone", "backbone.layer3"])
@pytest.mark.parametrize("caller", [torch.no_grad, torch.inference_mode])
def test_callers_without_gradients_and_frozen_networks_get_the_same_maps(network, images, layer, caller):
    expected = explain(network, images, 1, "multiclass", layer=layer)[1]
    frozen = copy.deepcopy(network).requires_grad_(False)
    with caller():
        for each in (network, frozen):
            made_here, labels = images.clone(), torch.ones(3, dtype=torch.long)
            torch.testing.assert_close(explain(each, made_here, labels, "multiclass", layer=layer)[1], expected)


def test_a_meta_tensor_gives_the_same_maps(network, images):
    maps = explain(network, MetaTensor(images), 1, "multiclass")[1]
    assert not isinstance(maps, MetaTensor)
    assert torch.equal(maps, explain(network, images, 1, "multiclass")[1])


@pytest.mark.filterwarnings("ignore:.*torch.jit:FutureWarning", "ignore:.*torch.jit:DeprecationWarning")
def test_torchscript_is_explained_at_the_backbone_only(network, images):
    script = torch.jit.script(network)
    torch.testing.assert_close(
        explain(script, images, 1, "multiclass")[1], explain(network, images, 1, "multiclass")[1], atol=1e-5, rtol=0
    )
    with pytest.raises(SaliencyError, match="TorchScript"):
        explain(script, images, 1, "multiclass", layer="backbone.layer3")


def test_images_too_small_for_the_layer_are_refused(network):
    with pytest.raises(SaliencyError, match="larger than 1x1"):
        explain(network, torch.rand(1, 3, 32, 32), 0, "multiclass")


def test_an_unknown_method_is_answered_with_those_there_are(network, images):
    with pytest.raises(SaliencyError, match="choose one of gradcam, gradcam\\+\\+, layercam, hirescam, occlusion"):
        explain(network, images, 0, "multiclass", "guess")
