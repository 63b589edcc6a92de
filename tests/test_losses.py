import numpy as np
import pytest
import torch
from sklearn.utils.class_weight import compute_class_weight

from lungscan_monai.errors import DataError
from lungscan_monai.losses import WeightedBCEWithLogitsLoss, balanced_class_weights


def test_balanced_weights_are_those_of_scikit_learn():
    labels = [0] * 7 + [1] * 2 + [2] * 5
    expected = compute_class_weight("balanced", classes=np.arange(3), y=np.array(labels))
    weights = balanced_class_weights([{"label": label} for label in labels], 3)
    np.testing.assert_allclose(weights, expected, rtol=1e-6)


def test_an_empty_class_is_named():
    with pytest.raises(DataError, match=r"label \[1\]"):
        balanced_class_weights([{"label": 0}, {"label": 2}], 3)


def test_the_loss_equals_a_hand_calculation():
    loss = WeightedBCEWithLogitsLoss(torch.tensor([0.5, 2.0]))
    value = loss(torch.tensor([[0.0], [0.0]]), torch.tensor([[0.0], [1.0]]))
    assert float(value) == pytest.approx((0.5 + 2.0) / 2 * np.log(2))


def test_without_weights_it_is_the_plain_cross_entropy():
    logits, labels = torch.randn(5, 1), torch.randint(0, 2, (5, 1)).float()
    expected = torch.nn.functional.binary_cross_entropy_with_logits(logits, labels)
    torch.testing.assert_close(WeightedBCEWithLogitsLoss()(logits, labels), expected)
