"""The settings that each of the five tasks was designed with, as its configs build them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from monai.bundle import ConfigParser
from pictures import metadata_of, spots

BUNDLES = Path(__file__).resolve().parents[1] / "monai_bundles"
LUNGSCAN, KIDNEY, LUNG = (f"{name}_classification" for name in ("lungscan_cxr", "kidney_ct", "lung_cancer_ct"))
NIH14, PNEUMONIA = "nih14_cxr_classification", "pneumonia_cxr_classification"
SMALL = {"weights": "none", "backbone": "test_efficientnet", "image_size": [32, 32]}

pytestmark = pytest.mark.filterwarnings("ignore:.*:UserWarning")


def parser_of(name: str, config: str = "train", **overrides: Any) -> ConfigParser:
    parser = ConfigParser()
    parser.read_config(str(BUNDLES / name / "configs" / f"{config}.json"))
    parser.update({"bundle_root": str(BUNDLES / name), **overrides})
    return parser


def config_of(name: str, config: str = "train") -> dict[str, Any]:
    return json.loads((BUNDLES / name / "configs" / f"{config}.json").read_text(encoding="utf-8"))


@pytest.fixture
def datalist(request, tmp_path) -> str:
    return str(spots(tmp_path, metadata_of(BUNDLES / request.param)))


def of_task(name: str):
    return pytest.mark.parametrize("datalist", [name], indirect=True)


def parameters(config: str, path: str) -> dict[str, Any]:
    content: Any = config_of(config)
    for level in path.split("#"):
        content = content[int(level)] if level.isdecimal() else content[level]
    return content


@pytest.mark.parametrize(
    ("name", "backbone", "size", "dropout", "epochs"),
    [
        (LUNGSCAN, "convnextv2_tiny", 224, 0.0, 15),
        (KIDNEY, "mobilenetv2_035", 96, 0.2, 0),
        (LUNG, "resnet18", 224, 0.5, 30),
        (PNEUMONIA, "mobilenetv2_100", 224, 0.3, 10),
        (NIH14, "convnext_large", 512, 0.2, 25),
    ],
)
def test_backbone_image_size_dropout_and_epochs(name, backbone, size, dropout, epochs):
    parser = parser_of(name)
    found = [parser.get_parsed_content(entry) for entry in ("backbone", "image_size", "dropout", "max_epochs")]
    assert found == [backbone, (size, size), dropout, epochs]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (LUNGSCAN, {"rotate_degrees": 10, "flip_left_right": 0.5}),
        (KIDNEY, {"rotate_degrees": 10, "zoom_fraction": 0.1, "flip_left_right": 0.5}),
        (LUNG, {"rotate_degrees": 10, "flip_left_right": 0.5}),
        (
            PNEUMONIA,
            {"rotate_degrees": 10, "translate_fraction": 0.1, "zoom_fraction": 0.1, "flip_left_right": 0.5},
        ),
    ],
)
def test_training_images_are_moved_as_designed_and_never_upside_down(name, expected):
    geometry = parameters(name, "train#random_transforms#0")
    assert {key: value for key, value in geometry.items() if key != "_target_"} == expected


def test_the_lungscan_network_has_a_layer_norm_before_its_last_layer():
    network = parser_of(LUNGSCAN, weights="none").get_parsed_content("network_def")
    assert [type(layer).__name__ for layer in network.head] == ["LayerNorm", "Dropout", "Linear"]
    assert all(parameter.requires_grad for parameter in network.parameters())
    assert network.head[-1].weight.shape == (4, 768)


def test_the_lungscan_learning_rate_follows_the_global_batch(monkeypatch):
    monkeypatch.setattr("ignite.distributed.get_world_size", lambda: 4)
    parser = parser_of(LUNGSCAN, batch_size=64, accumulation_steps=2)
    assert parser.get_parsed_content("learning_rate") == pytest.approx(8e-4 * 64 * 2 * 4 / 1024)
    assert parser_of(LUNGSCAN, learning_rate=0.01).get_parsed_content("learning_rate") == 0.01


@of_task(LUNGSCAN)
def test_the_lungscan_loss_is_weighted_smoothed_cross_entropy_with_adamw(datalist):
    parser = parser_of(LUNGSCAN, datalist=datalist, **SMALL)
    loss = parser.get_parsed_content("loss")
    assert isinstance(loss, torch.nn.CrossEntropyLoss) and loss.label_smoothing == 0.1
    torch.testing.assert_close(loss.weight, torch.ones(4))  # 24 cases, 6 of each class
    assert isinstance(parser.get_parsed_content("train#optimizer"), torch.optim.AdamW)


def test_the_kidney_network_has_its_published_number_of_values():
    network = parser_of(KIDNEY, weights="none").get_parsed_content("network_def")
    statistics = sum(value.numel() for name, value in network.named_buffers() if "running_" in name)
    frozen = sum(value.numel() for value in network.parameters() if not value.requires_grad)
    trained = sum(value.numel() for value in network.parameters() if value.requires_grad)
    assert (frozen + statistics, trained) == (410_208, 41_124)
    assert frozen + statistics + trained == 451_332
    assert [type(layer).__name__ for layer in network.head] == ["Linear", "ReLU", "Dropout", "Linear"]


def test_the_kidney_head_is_trained_for_three_epochs_on_frozen_features_and_fine_tuning_is_off():
    config = config_of(KIDNEY)
    assert (config["head_epochs"], config["max_epochs"], config["trainable_blocks"]) == (3, 0, 0)
    assert (config["batch_size"], config["head"]["optimizer"]["_target_"]) == (8, "torch.optim.Adam")
    assert config["phases"] == ["@head#trainer", "@train#trainer"]


@pytest.mark.parametrize(("name", "window"), [(KIDNEY, [40, 400]), (LUNG, [-600, 1500])])
def test_hounsfield_units_are_shown_in_the_window_of_the_organ(name, window, write_dicom):
    center, width = window
    stored = np.array([[center - width / 2, center], [center, center + width / 2]]).astype(np.int16)
    path = write_dicom("slice.dcm", stored.repeat(20, 0).repeat(20, 1), RescaleSlope=1, RescaleIntercept=0)
    for config, entry in (("train", "train#deterministic_transforms"), ("inference", "preprocessing")):
        parser = parser_of(name, config)
        steps = parser.get_parsed_content(entry)
        load = steps[0] if isinstance(steps, list) else steps.transforms[0]
        image = load({"image": str(path)})["image"]
        assert [float(image[0, 0, 0]), float(image[0, -1, -1])] == pytest.approx([0, 1], abs=1e-5)
        assert float(image[0, 0, -1]) == pytest.approx(0.5, abs=1e-3)


@of_task(LUNG)
@pytest.mark.parametrize("backbone", ["resnet18", "resnet34", "resnet50"])
def test_the_lung_network_is_a_resnet_by_one_override_with_adam_plateau_and_early_stopping(datalist, backbone):
    parser = parser_of(LUNG, datalist=datalist, **{**SMALL, "backbone": backbone})
    assert parser.get_parsed_content("network_def").architecture["backbone"] == backbone
    optimizer = parser.get_parsed_content("train#optimizer")
    assert type(optimizer) is torch.optim.Adam and optimizer.param_groups[0]["weight_decay"] == 1e-4
    schedule = parser.get_parsed_content("train#lr_scheduler")
    assert isinstance(schedule, torch.optim.lr_scheduler.ReduceLROnPlateau) and schedule.mode == "max"
    handlers = [entry["_target_"].rpartition(".")[2] for entry in config_of(LUNG)["train"]["handlers"]]
    assert "EarlyStopHandler" in handlers
    assert parameters(LUNG, "train#random_transforms#1")["_target_"].endswith("RandomIntensity")


@of_task(NIH14)
def test_the_nih14_loss_is_focal_with_inverse_frequency_weights(datalist):
    loss = parser_of(NIH14, datalist=datalist, **SMALL).get_parsed_content("loss")
    assert type(loss).__name__ == "MultilabelFocalLoss" and loss.gamma == 2
    # of the 24 cases, the first ten findings are on two, the others on one
    expected = torch.tensor([[24 / 44, 24 / 4]] * 10 + [[24 / 46, 24 / 2]] * 4)
    torch.testing.assert_close(loss.finding_weights, expected)


def test_nih14_accumulates_to_a_batch_of_32_and_anneals_from_1e_4_along_a_cosine():
    config = config_of(NIH14)
    assert config["batch_size"] * config["accumulation_steps"] == 32
    assert config["train"]["trainer"]["accumulation_steps"] == "@accumulation_steps"
    assert (config["learning_rate"], config["max_epochs"]) == (1e-4, 25)
    schedule = config["train"]["lr_scheduler"]
    assert schedule["_target_"].endswith("CosineAnnealingLR") and schedule["T_max"] == "@max_epochs"


def test_nih14_equalises_contrast_always_and_adds_noise_in_training_only():
    config = config_of(NIH14)
    names = [step["_target_"].rpartition(".")[2] for step in config["train"]["deterministic_transforms"]]
    assert names == ["LoadImaged", "ToChannelsd", "Resized", "Clahed"]
    names = [step["_target_"].rpartition(".")[2] for step in config["train"]["random_transforms"]]
    assert names == ["RandomGeometry", "RandomNoise"]


def test_the_nih14_head_is_layer_norm_dropout_and_a_linear_layer_of_1536_to_14():
    network = config_of(NIH14)["network_def"]
    assert (network["head_norm"], network["dropout"]) == (True, "@dropout")
    head = parser_of(NIH14, **{**SMALL, "backbone": "convnext_atto"}).get_parsed_content("network_def").head
    assert [type(layer).__name__ for layer in head] == ["LayerNorm", "Dropout", "Linear"]
    assert head[-1].out_features == 14


def test_pneumonia_is_trained_in_two_phases_and_chosen_for_sensitivity():
    config = config_of(PNEUMONIA)
    assert (config["head_epochs"], config["head_learning_rate"]) == (5, 1e-3)
    assert (config["max_epochs"], config["learning_rate"], config["patience"]) == (10, 1e-4, 6)
    assert config_of(PNEUMONIA, "evaluate")["operating_point_rule"] == "target_sensitivity"


@pytest.mark.parametrize("name", [LUNGSCAN, KIDNEY, LUNG, PNEUMONIA, NIH14])
def test_mixed_precision_is_on_where_the_device_has_it(name):
    for part in ("train#trainer", "validate#evaluator"):
        assert parameters(name, part)["amp"] == "@amp"
    assert config_of(name)["amp"]["_target_"] == "lungscan_monai.devices.supports_amp"
