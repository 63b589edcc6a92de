"""Labels as the losses want them."""

import numpy as np
import pytest
import torch

from lungscan_monai.task import TaskSpec
from lungscan_monai.transforms.labels import EncodeLabeld


def encoded(kind, label):
    labels = ("A", "B") if kind == "binary" else ("A", "B", "C")
    task = TaskSpec("t", "?", "1", kind, labels, (8, 8), 1, ("DX",), "Research only.")
    data = {"label": label, "case": "a.png"}
    result = EncodeLabeld("label", task)(data)
    assert data["label"] is label and result["case"] == "a.png"
    return result["label"]


def test_a_binary_label_fits_the_one_logit():
    label = encoded("binary", 1)
    assert label.dtype == torch.float32 and label.tolist() == [1.0]


def test_a_class_is_an_index():
    label = encoded("multiclass", 2)
    assert label.dtype == torch.int64 and label.shape == () and label.item() == 2


@pytest.mark.parametrize("given", [[1, 0, None], np.array([1, 0, np.nan], dtype=np.float32)], ids=["list", "array"])
def test_a_finding_that_was_not_assessed_is_nan(given):
    label = encoded("multilabel", given)
    assert label.dtype == torch.float32
    np.testing.assert_array_equal(label, [1.0, 0.0, np.nan])


@pytest.mark.parametrize(
    ("kind", "label", "loss"),
    [
        ("binary", 1, torch.nn.functional.binary_cross_entropy_with_logits),
        ("multiclass", 1, torch.nn.functional.cross_entropy),
        ("multilabel", [1, 0, 1], torch.nn.functional.binary_cross_entropy_with_logits),
    ],
)
def test_a_batch_of_labels_goes_into_the_loss_of_its_task(kind, label, loss):
    batch = torch.stack([encoded(kind, label), encoded(kind, label)])
    assert loss(torch.zeros(2, 1 if kind == "binary" else 3), batch).ndim == 0
