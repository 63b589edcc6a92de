import numpy as np
import pytest
import torch
from sklearn.utils.class_weight import compute_class_weight
from torch.nn.functional import one_hot
from torchvision.ops import sigmoid_focal_loss

from lungscan_monai.errors import ConfigError, DataError, LungScanWarning
from lungscan_monai.losses import (
    MultilabelFocalLoss,
    WeightedBCEWithLogitsLoss,
    balanced_class_weights,
    balanced_finding_weights,
)


def records(*labels):
    return [{"label": label} for label in labels]


def test_balanced_weights_are_those_of_scikit_learn():
    labels = [0] * 7 + [1] * 2 + [2] * 5
    expected = compute_class_weight("balanced", classes=np.arange(3), y=np.array(labels))
    np.testing.assert_allclose(balanced_class_weights(records(*labels), 3), expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ((0, 2), r"no training case has label \[1\]; expected every class index from 0 to 2, found \[0, 2\]"),
        ((1, 1), r"all 2 training cases have label \[1\]; expected every class index from 0 to 2"),
        ((0, 1, 2, 3, -1), r"label\(s\) \[-1, 3\].* from 0 to 2, found \[-1, 0, 1, 2, 3\]"),
        ((), r"no training case has label \[0, 1, 2\]"),
    ],
)
def test_classes_that_cannot_be_weighed_are_named(labels, message):
    with pytest.raises(DataError, match=message):
        balanced_class_weights(records(*labels), 3)


def test_every_finding_has_the_weights_that_scikit_learn_gives_it_alone():
    labels = np.array([[1, 0], [0, 0], [0, 1], [np.nan, 1], [0, 1], [0, np.nan]], dtype=np.float32)
    weights = balanced_finding_weights(records(*labels), 2)
    for column, finding in zip(weights, labels.T, strict=True):
        assessed = finding[~np.isnan(finding)]
        expected = compute_class_weight("balanced", classes=np.array([0.0, 1.0]), y=assessed)
        np.testing.assert_allclose(column, expected, rtol=1e-6)


def test_none_is_not_assessed_as_nan_is():
    torch.testing.assert_close(
        balanced_finding_weights(records([1, None], [0, 1], [0, 0]), 2),
        balanced_finding_weights(records([1, np.nan], [0, 1], [0, 0]), 2),
    )


def test_a_finding_that_no_case_has_is_named_and_weighed_as_if_one_had_it():
    with pytest.warns(LungScanWarning, match=r"no positive training case .* \[1\]"):
        weights = balanced_finding_weights(records([1, 0], [0, 0], [0, 0]), 2)
    np.testing.assert_allclose(weights[1], [4 / 6, 4 / 2])


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (([1, 0, 0],), r"have \[3\] values, expected 2"),
        ((), r"have \[\] values, expected 2"),
        (([1, 2], [0, -1]), r"hold \[-1.0, 2.0\], expected 0 or 1"),
    ],
)
def test_findings_that_cannot_be_weighed_are_explained(labels, message):
    with pytest.raises(DataError, match=message):
        balanced_finding_weights(records(*labels), 2)


def test_the_binary_loss_equals_a_hand_calculation():
    loss = WeightedBCEWithLogitsLoss(torch.tensor([0.5, 2.0]))
    value = loss(torch.tensor([[0.0], [0.0]]), torch.tensor([[0.0], [1.0]]))
    assert float(value) == pytest.approx((0.5 + 2.0) / 2 * np.log(2))


def test_a_mixed_case_is_weighed_by_its_share_of_both_classes():
    value = WeightedBCEWithLogitsLoss(torch.tensor([0.5, 2.0]))(torch.tensor([[0.0]]), torch.tensor([[0.3]]))
    assert float(value) == pytest.approx((0.7 * 0.5 + 0.3 * 2.0) * np.log(2))


def test_without_weights_it_is_the_plain_cross_entropy():
    logits, labels = torch.randn(5, 1), torch.randint(0, 2, (5, 1)).float()
    expected = torch.nn.functional.binary_cross_entropy_with_logits(logits, labels)
    torch.testing.assert_close(WeightedBCEWithLogitsLoss()(logits, labels), expected)


def test_the_cross_entropy_of_torch_takes_indices_and_mixed_classes_alike():
    loss = torch.nn.CrossEntropyLoss(torch.tensor([0.5, 1.0, 2.0]), label_smoothing=0.1)
    logits, labels = torch.randn(4, 3), torch.tensor([1, 1, 1, 1])
    torch.testing.assert_close(loss(logits, one_hot(labels, 3).float()), loss(logits, labels))


@pytest.mark.parametrize("soft", [False, True])
def test_the_focal_loss_is_that_of_torchvision(soft):
    logits, labels = 3 * torch.randn(6, 4), torch.rand(6, 4)
    labels = labels if soft else labels.round()
    weights = torch.tensor([[0.75, 0.25]]).repeat(4, 1)
    expected = sigmoid_focal_loss(logits, labels, alpha=0.25, gamma=2.0, reduction="mean")
    torch.testing.assert_close(MultilabelFocalLoss(weights)(logits, labels), expected)


def test_each_finding_has_weights_of_its_own_and_what_was_not_assessed_is_left_out():
    logits = np.array([[0.5, -1.0], [2.0, 0.1]])
    probability = 1 / (1 + np.exp(-logits))
    by_hand = [
        3.0 * (1 - probability[0, 0]) ** 2 * -np.log(probability[0, 0]),
        0.5 * probability[1, 0] ** 2 * -np.log(1 - probability[1, 0]),
        7.0 * (1 - probability[1, 1]) ** 2 * -np.log(probability[1, 1]),
    ]
    loss = MultilabelFocalLoss(torch.tensor([[0.5, 3.0], [0.2, 7.0]]))
    value = loss(torch.tensor(logits), torch.tensor([[1.0, np.nan], [0.0, 1.0]]))
    assert float(value) == pytest.approx(np.mean(by_hand))


def test_a_batch_without_any_assessed_finding_gives_zero_and_zero_gradients():
    logits = torch.randn(2, 3, requires_grad=True)
    value = MultilabelFocalLoss()(logits, torch.full((2, 3), np.nan))
    value.backward()
    assert value.item() == 0.0
    assert torch.equal(logits.grad, torch.zeros(2, 3))


def test_sure_answers_have_finite_gradients():
    logits = torch.tensor([[200.0, -200.0, 200.0]], requires_grad=True)
    MultilabelFocalLoss(gamma=1.0)(logits, torch.tensor([[1.0, 0.0, 0.0]])).backward()
    assert logits.grad.isfinite().all()


@pytest.mark.parametrize("gamma", [-1.0, 0.5, np.nan])
def test_a_gamma_without_a_finite_gradient_is_refused(gamma):
    with pytest.raises(ConfigError, match="gamma of the focal loss"):
        MultilabelFocalLoss(gamma=gamma)
