"""Probabilities of logits, as PyTorch has them."""

import numpy as np
import pytest
import torch

from lungscan_monai.metrics.probabilities import label_probabilities

LOGITS = np.random.default_rng(0).normal(scale=20, size=(37, 5)).astype(np.float32)


def test_a_binary_logit_becomes_both_classes():
    positive = torch.tensor(LOGITS[:, :1]).double().sigmoid().numpy()
    expected = np.concatenate([1 - positive, positive], axis=1)
    np.testing.assert_allclose(label_probabilities(LOGITS[:, :1], "binary"), expected, atol=1e-15)


def test_exclusive_classes_share_one_and_findings_do_not():
    logits = torch.tensor(LOGITS).double()
    np.testing.assert_allclose(label_probabilities(LOGITS, "multiclass"), logits.softmax(dim=-1), atol=1e-15)
    np.testing.assert_allclose(label_probabilities(LOGITS, "multilabel"), logits.sigmoid(), atol=1e-15)


@pytest.mark.parametrize(("kind", "outputs"), [("binary", 1), ("multiclass", 5), ("multilabel", 5)])
def test_a_case_has_the_same_numbers_alone_and_among_others(kind, outputs):
    together = label_probabilities(LOGITS[:, :outputs], kind)
    alone = np.stack([label_probabilities(row[:outputs], kind) for row in LOGITS])
    assert together.dtype == np.float64
    np.testing.assert_array_equal(together, alone)
