"""The bundles' networks without MONAI: what MONAI makes of the same config, or a refusal."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from monai.bundle import ConfigParser

from lungscan_monai.errors import ConfigError
from lungscan_monai.inference.plain_network import plain_network
from lungscan_monai.task import load_task

BUNDLES = sorted((Path(__file__).resolve().parents[2] / "monai_bundles").glob("*_classification"))

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


@pytest.fixture
def config(tmp_path):
    """A bundle whose inference config is to be changed: the root, the content, and a way to write it."""
    root = shutil.copytree(BUNDLES[0], tmp_path / BUNDLES[0].name, ignore=shutil.ignore_patterns("models"))
    path = root / "configs" / "inference.json"
    content = json.loads(path.read_text())
    return root, content, lambda: path.write_text(json.dumps(content))


@pytest.mark.parametrize("bundle", BUNDLES, ids=lambda bundle: bundle.name)
def test_every_bundle_has_the_network_that_monai_builds(bundle, tmp_path):
    root = shutil.copytree(bundle, tmp_path / bundle.name, ignore=shutil.ignore_patterns("models"))
    recorded = {"backbone": "test_efficientnet", "image_size": [96, 72]}
    (root / "models").mkdir()
    (root / "models" / "manifest.json").write_text(json.dumps({"files": {"model.pt": {"architecture": recorded}}}))
    parser = ConfigParser()
    parser.read_config(str(root / "configs" / "inference.json"))
    parser.update({"bundle_root": str(root), **recorded})
    torch.manual_seed(0)
    expected = parser.get_parsed_content("network_def")
    torch.manual_seed(0)
    found = plain_network(root, load_task(root))
    assert repr(found) == repr(expected)
    assert found.architecture == expected.architecture and found.saliency_layer == expected.saliency_layer
    ours, theirs = found.state_dict(), expected.state_dict()
    assert ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_settings_of_its_own_are_taken(config):
    root, content, write = config
    content["network_def"] |= {"backbone": "test_efficientnet", "mean": [0.1, 0.2, 0.3], "num_channels": 3}
    write()
    assert plain_network(root, load_task(root)).mean.flatten().tolist() == pytest.approx([0.1, 0.2, 0.3])


@pytest.mark.parametrize(
    "change",
    [
        {"_target_": "mine.Network"},
        {"_disabled_": True},
        {"num_classes": 3},
        {"num_outputs": "$len(@task.label_names)"},
        {"dropout": "@absent"},
        {"dropout": "@task#dropout"},
        {"backbone": "%other.json#backbone"},
        {"mean": ["$0.1 + 0.1", 0.2, 0.3]},
        {"weights": {"_target_": "mine.weights"}},
    ],
)
def test_what_is_not_known_to_the_letter_is_refused(config, change):
    root, content, write = config
    content["network_def"] |= change
    write()
    with pytest.raises(ConfigError, match=r"inference\.json: network_def: .* not known without MONAI"):
        plain_network(root, load_task(root))


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"network_def": "@network"}'])
def test_a_config_that_cannot_be_read_is_refused(config, text):
    root = config[0]
    (root / "configs" / "inference.json").write_text(text)
    with pytest.raises(ConfigError, match="without MONAI"):
        plain_network(root, load_task(root))
