"""From logits to probabilities."""

import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from scipy.special import expit, softmax

from lungscan_monai.task import TaskSpec
from lungscan_monai.transforms.outputs import ForgetSpatialShaped, Probabilitiesd, probabilities

LOGITS = np.array([[-2.0, 0.5, 30.0], [0.0, 0.0, 0.0]])


def test_a_binary_logit_becomes_both_classes():
    found = probabilities(torch.tensor(LOGITS[:, :1]), "binary").numpy()
    np.testing.assert_allclose(found, np.column_stack([expit(-LOGITS[:, 0]), expit(LOGITS[:, 0])]), atol=1e-12)


def test_exclusive_classes_share_one_and_findings_do_not():
    logits = torch.tensor(LOGITS)
    np.testing.assert_allclose(probabilities(logits, "multiclass").numpy(), softmax(LOGITS, axis=1), atol=1e-12)
    np.testing.assert_allclose(probabilities(logits, "multilabel").numpy(), expit(LOGITS), atol=1e-12)


@pytest.mark.parametrize(("kind", "labels", "n_logits"), [("binary", "AB", 1), ("multiclass", "ABC", 3)])
def test_one_case_becomes_a_vector_with_meta_data_as_monai_label_wants_it(kind, labels, n_logits):
    task = TaskSpec("t", "?", "1", kind, tuple(labels), (8, 8), 1, ("DX",), "Research only.")
    data = {"pred": torch.zeros(n_logits, dtype=torch.float16), "image": None}
    result = Probabilitiesd("pred", task)(data)
    assert isinstance(result["pred"], MetaTensor) and result["pred"].dtype == torch.float32
    assert result["pred"].tolist() == pytest.approx([1 / len(labels)] * len(labels))
    assert data["pred"].dtype == torch.float16


def test_the_spatial_shape_is_forgotten_and_an_image_without_meta_data_passes():
    image = MetaTensor(torch.zeros(1, 2, 2), meta={"spatial_shape": [2, 2], "filename_or_obj": "a.png"})
    result = ForgetSpatialShaped("image")({"image": image})
    assert "spatial_shape" not in result["image"].meta
    assert result["image"].meta["filename_or_obj"] == "a.png"
    assert ForgetSpatialShaped("image")({"image": None}) == {"image": None}
