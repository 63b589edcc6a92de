"""Features of the frozen backbone: those that the network itself would see, computed once."""

import pytest
import torch
from monai.data import DataLoader
from monai.transforms import Compose

from lungscan_monai.batches import BatchPreparation, as_one
from lungscan_monai.caching import CachedImages
from lungscan_monai.features import FrozenFeatureDataset
from lungscan_monai.networks import TimmClassifier
from lungscan_monai.task import TaskSpec

TASK = TaskSpec("t", "?", "1", "binary", ("A", "B"), (32, 32), 3, ("DX",), "Research only.")


def brighter(images):
    return (images + 0.3 * torch.rand(len(images), 1, 1, 1)).clamp(0, 1)


BRIGHTER = BatchPreparation([brighter])


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return TimmClassifier("test_efficientnet", 1, weights="none")


@pytest.fixture(scope="module")
def images():
    random = torch.Generator().manual_seed(0)
    records = [{"image": torch.rand(3, 32, 32, generator=random), "label": n % 2, "case": f"c{n}"} for n in range(5)]
    return CachedImages(records, Compose([]), TASK)


def stacked(dataset):
    return dataset.__getitems__(range(len(dataset)))["image"]


def test_the_first_view_is_what_the_network_itself_sees_of_the_plain_images(network, images):
    found = stacked(FrozenFeatureDataset(network, images, batch_size=2))
    batch = images.__getitems__(range(5))["image"].float() / 255
    with torch.no_grad():
        expected = network.eval().features(batch).mean(dim=(2, 3))
        logits = network(batch)
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(network.head(found).detach(), logits)


def test_every_item_keeps_the_other_entries_of_its_image_view_after_view(network, images):
    dataset = FrozenFeatureDataset(network, images, BRIGHTER, views=2, batch_size=2)
    assert len(dataset) == 10
    batch = next(iter(DataLoader(dataset, batch_size=10, collate_fn=as_one)))
    assert batch["case"] == ["c0", "c1", "c2", "c3", "c4"] * 2
    assert batch["label"].tolist() == [[0.0], [1.0], [0.0], [1.0], [0.0]] * 2
    assert batch["image"].shape == (10, network.backbone.num_features)


def test_views_differ_and_the_same_seed_gives_the_same_views(network, images):
    features = [
        stacked(FrozenFeatureDataset(network, images, BRIGHTER, 3, seed=seed)).view(3, 5, -1) for seed in (0, 0, 1)
    ]
    first, again, other = features
    assert not any(torch.allclose(first[a], first[b]) for a, b in ((0, 1), (0, 2), (1, 2)))
    assert torch.equal(first, again)
    assert torch.equal(first[0], other[0]) and not torch.allclose(first[1], other[1])


def test_the_backbone_is_left_as_it_was(network, images):
    network.set_trainable_blocks(None)
    network.train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    stacked(FrozenFeatureDataset(network, images, BRIGHTER, views=2))
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert network.training and network.backbone.training
    assert all(parameter.grad is None for parameter in network.parameters())


def test_random_numbers_drawn_elsewhere_are_not_moved(network, images):
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    stacked(FrozenFeatureDataset(network, images, BRIGHTER, views=2))
    assert torch.equal(torch.rand(1), expected)


def test_features_are_computed_once_and_can_be_trained_on(network, images, monkeypatch):
    dataset = FrozenFeatureDataset(network, images)
    item = dataset[0]
    monkeypatch.setattr(network, "features", lambda image: pytest.fail("computed again"))
    assert torch.equal(dataset[0]["image"], item["image"])
    network.head(item["image"][None]).sum().backward()
    network.zero_grad(set_to_none=True)
