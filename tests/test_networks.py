import socket

import pytest
import torch
from safetensors.torch import save_file

from lungscan_monai.errors import ConfigError, WeightsError
from lungscan_monai.networks import TimmClassifier

SMALL = "test_efficientnet"


def classifier(**settings) -> TimmClassifier:
    torch.manual_seed(0)
    return TimmClassifier(SMALL, **{"num_outputs": 2, "weights": "none", **settings})


def test_the_keras_sized_kidney_network_has_its_published_number_of_values():
    network = TimmClassifier("mobilenetv2_035", 4, weights="none", hidden_features=32, dropout=0.2, trainable_blocks=0)
    statistics = sum(b.numel() for name, b in network.backbone.named_buffers() if "running" in name)
    frozen = statistics + sum(p.numel() for p in network.parameters() if not p.requires_grad)
    trainable = sum(p.numel() for p in network.parameters() if p.requires_grad)
    assert (frozen, trainable) == (410_208, 41_124)


@pytest.mark.parametrize("backbone", ["mobilenetv2_100", "resnet50", "efficientnet_b0"])
def test_every_backbone_of_the_pneumonia_task_gives_one_logit(backbone):
    network = TimmClassifier(backbone, 1, weights="none").eval()
    with torch.no_grad():
        assert network(torch.rand(2, 3, 64, 64)).shape == (2, 1)


def test_the_image_size_is_recorded_where_it_is_known_and_changes_nothing_else():
    sized, unsized = classifier(image_size=(64, 48)), classifier()
    assert sized.architecture == {**unsized.architecture, "image_size": [64, 48]}
    assert all(torch.equal(value, unsized.state_dict()[name]) for name, value in sized.state_dict().items())


def test_forward_is_features_then_classify():
    network, image = classifier().eval(), torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(network(image), network.classify(network.features(image)))


def test_the_network_normalises_as_its_backbone_was_pretrained():
    network = classifier(mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25)).eval()
    image = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(network.features(image), network.backbone((image - 0.5) / 0.25))


def test_frozen_batch_norm_statistics_do_not_move():
    network = classifier(trainable_blocks=0).train()
    before = {name: value.clone() for name, value in network.backbone.state_dict().items()}
    network(torch.rand(4, 3, 64, 64)).sum().backward()
    assert all(torch.equal(value, before[name]) for name, value in network.backbone.state_dict().items())
    assert all(parameter.grad is None for parameter in network.backbone.parameters())


def test_only_the_top_blocks_are_trained():
    network = classifier(trainable_blocks=2)
    trained = {name for name, parameter in network.backbone.named_parameters() if parameter.requires_grad}
    assert trained == set(network.blocks()[-1]) | set(network.blocks()[-2])
    network.train()
    assert network.training and not network.backbone.conv_stem.training and not network.backbone.bn1.training


def test_all_blocks_are_trained_by_default():
    assert all(parameter.requires_grad for parameter in classifier().parameters())


def test_more_blocks_than_there_are_is_an_error():
    with pytest.raises(ConfigError, match="trainable_blocks is 99"):
        classifier(trainable_blocks=99)


def test_a_backbone_that_timm_never_trained_is_not_to_be_downloaded():
    with pytest.raises(WeightsError, match="timm has no ImageNet weights for mobilenetv2_035.*another --backbone"):
        TimmClassifier("mobilenetv2_035", 4)


def test_a_local_file_gives_the_weights(tmp_path):
    source = classifier()
    save_file(
        {name: value.contiguous() for name, value in source.backbone.state_dict().items()}, tmp_path / "w.safetensors"
    )
    torch.manual_seed(1)
    loaded = TimmClassifier(SMALL, 2, weights=tmp_path / "w.safetensors")
    for name, value in source.backbone.state_dict().items():
        torch.testing.assert_close(loaded.backbone.state_dict()[name], value)


def test_weights_of_another_network_are_refused(tmp_path):
    save_file({"nothing": torch.zeros(1)}, tmp_path / "w.safetensors")
    with pytest.raises(WeightsError, match="does not hold the weights of test_efficientnet"):
        classifier(weights=tmp_path / "w.safetensors")


def test_a_missing_file_names_the_three_ways(tmp_path):
    with pytest.raises(WeightsError, match=r"\(1\).*\(2\).*--weights none"):
        classifier(weights=tmp_path / "absent.safetensors")


def test_offline_without_weights_is_no_silent_random_start(monkeypatch, tmp_path):
    def refuse(*_):
        raise socket.gaierror

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("lungscan_monai.networks.try_to_load_from_cache", lambda *_: None)
    with pytest.raises(WeightsError, match=r"offline.*\(3\)"):
        TimmClassifier("mobilenetv2_100", 1, weights="imagenet")


def test_an_unknown_network_and_one_without_feature_map_are_refused():
    with pytest.raises(ConfigError, match="no network called"):
        TimmClassifier("no_such_network", 1, weights="none")
    with pytest.raises(ConfigError, match="convolutional"):
        TimmClassifier("test_vit", 1, weights="none")


def test_the_network_can_be_scripted():
    network, image = classifier().eval(), torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(torch.jit.script(network)(image), network(image))


def test_the_layer_that_explanations_look_at_must_exist():
    assert classifier(saliency_layer="backbone.blocks.2").saliency_layer == "backbone.blocks.2"
    with pytest.raises(ConfigError, match="no layer called 'layer4'"):
        classifier(saliency_layer="layer4")
