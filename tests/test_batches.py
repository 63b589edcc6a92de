"""A stored batch becomes what the network is trained on."""

import numpy as np
import pytest
import torch
from monai.transforms import RandGaussianNoise

from lungscan_monai.batches import BatchPreparation, as_one
from lungscan_monai.errors import ConfigError
from lungscan_monai.task import TaskSpec


def task(kind, count=3):
    names = ("A", "B", "C", "D")[:count]
    return TaskSpec("t", "?", "1", kind, names, (8, 8), 3, ("DX",), "Research only.")


def batch(label):
    levels = torch.arange(len(label) * 16, dtype=torch.uint8).view(len(label), 1, 4, 4)
    return {"image": levels, "label": torch.as_tensor(label), "case": [str(number) for number in range(len(label))]}


def test_eight_bits_become_shades_from_0_to_1():
    image, label = BatchPreparation()(
        {"image": torch.tensor([[[[0, 51, 255]]]], dtype=torch.uint8), "label": torch.tensor([2])}
    )
    assert image.dtype == torch.float32 and image.flatten().tolist() == pytest.approx([0, 0.2, 1])
    assert label.tolist() == [2]


def test_shades_that_are_numbers_already_stay_as_they_are():
    image = torch.rand(2, 3, 4, 4)
    assert torch.equal(BatchPreparation()({"image": image, "label": torch.zeros(2)})[0], image)


def test_random_transforms_see_shades_and_follow_each_other():
    seen = []
    preparation = BatchPreparation(
        [lambda images: seen.append(images.max().item()) or images * 0.5, lambda images: images + 1]
    )
    image, _ = preparation(batch([0, 1]))
    assert seen == [pytest.approx(31 / 255)]
    torch.testing.assert_close(image, batch([0, 1])["image"].float() / 510 + 1)


def test_the_plain_preparation_leaves_out_what_is_random():
    preparation = BatchPreparation([lambda images: images * 0], task("multiclass"), mixup_alpha=1.0)
    image, label = preparation.plain()(batch([0, 1, 2]))
    assert image.max() > 0 and label.tolist() == [0, 1, 2]


def test_monais_own_transforms_are_seeded():
    drawn = []
    for seed in (1, 1, 2):
        preparation = BatchPreparation([RandGaussianNoise(prob=1.0)])
        preparation.seed(seed)
        drawn.append(preparation.images(batch([0, 1])))
    assert torch.equal(drawn[0], drawn[1]) and not torch.equal(drawn[0], drawn[2])


@pytest.mark.parametrize(
    "alphas", [{"mixup_alpha": 1.0}, {"cutmix_alpha": 1.0}, {"mixup_alpha": 0.4, "cutmix_alpha": 1.0}], ids=str
)
def test_mixed_labels_are_the_shares_of_the_mixed_images(alphas):
    torch.manual_seed(0)
    preparation = BatchPreparation(task=task("multiclass"), **alphas)
    shades = torch.tensor([0.0, 0.5, 1.0])
    given = {"image": shades.view(3, 1, 1, 1).expand(3, 1, 64, 64).clone(), "label": torch.tensor([0, 1, 2])}
    for _ in range(20):
        image, label = preparation(given)
        np.testing.assert_allclose(label.sum(dim=1), 1, atol=1e-6)
        np.testing.assert_allclose(image.mean(dim=(1, 2, 3)), label @ shades, atol=1e-5)


@pytest.mark.parametrize(
    "label", [[[0.0], [1.0]], [[0.0, 1.0, float("nan")], [1.0, 1.0, 0.0]]], ids=["binary", "findings"]
)
def test_labels_of_findings_are_mixed_as_they_are_and_gaps_stay_gaps(label):
    torch.manual_seed(1)
    image, mixed = BatchPreparation(task=task("multilabel"), mixup_alpha=1.0)(batch(label))
    assert mixed.shape == torch.tensor(label).shape
    assert 0 < mixed[0, 0] < 1 and mixed[0, 0] + mixed[1, 0] == pytest.approx(1)
    if len(label[0]) == 3:
        assert mixed[:, 1].tolist() == [1, 1] and mixed[:, 2].isnan().all()


@pytest.mark.parametrize(
    "options", [{"mixup_alpha": -1, "task": task("multiclass")}, {"cutmix_alpha": 1.0}], ids=["negative", "no task"]
)
def test_impossible_mixings_are_refused(options):
    with pytest.raises(ConfigError, match="alpha"):
        BatchPreparation(**options)


def test_whole_batches_need_no_collating():
    given = batch([0])
    assert as_one(given) is given
