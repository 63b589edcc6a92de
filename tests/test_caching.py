"""Images from the cache, with and without their random changes."""

import pytest
import torch
from monai.transforms import Compose, Lambdad, RandLambdad

from lungscan_monai.caching import CachedImageDataset


def dataset_with(*steps, cache_rate=1.0):
    records = [{"image": torch.full((1, 2, 2), float(number)), "label": number} for number in range(4)]
    return CachedImageDataset(records, Compose(list(steps)), cache_rate=cache_rate, progress=False, num_workers=None)


def double(image):
    return image * 2


def add_ten(image):
    return image + 10


def spoil(image):
    return image + torch.rand(1) + 100


STEPS = [Lambdad("image", double), RandLambdad("image", spoil, prob=1.0), Lambdad("image", add_ten)]


@pytest.mark.parametrize("cache_rate", [0.0, 0.5, 1.0])
def test_plain_images_pass_every_step_but_the_random_ones(cache_rate):
    plain = dataset_with(*STEPS, cache_rate=cache_rate).plain()
    assert [item["image"].unique().item() for item in plain] == [10, 12, 14, 16]
    assert [item["label"] for item in plain] == [0, 1, 2, 3]
    assert len(plain) == 4


def test_looking_at_plain_images_leaves_the_random_ones_as_they_are():
    dataset = dataset_with(*STEPS)
    before = dataset.plain()[1]["image"].clone()
    assert dataset[1]["image"].min() > 110
    assert torch.equal(dataset.plain()[1]["image"], before)
    assert dataset[1]["image"].min() > 110


def test_a_random_step_inside_a_group_of_steps_is_left_out_too():
    grouped = dataset_with(STEPS[0], Compose(STEPS[1:]))
    assert grouped.plain()[2]["image"].unique().item() == 14


def test_without_a_random_step_plain_images_are_the_images():
    dataset = dataset_with(STEPS[0], STEPS[2])
    assert torch.equal(dataset.plain()[3]["image"], dataset[3]["image"])
