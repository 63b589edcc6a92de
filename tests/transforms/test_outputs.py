"""From logits to probabilities."""

import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from scipy.special import expit, softmax

from lungscan_monai.metrics.scaling import Calibration, Scaling
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
    assert isinstance(result["pred"], MetaTensor) and result["pred"].dtype == torch.float64
    assert result["pred"].tolist() == pytest.approx([1 / len(labels)] * len(labels))
    assert data["pred"].dtype == torch.float16


def task_of(kind, labels):
    return TaskSpec("t", "?", "1", kind, tuple(labels), (8, 8), 1, ("DX",), "Research only.")


def test_very_sure_logits_stay_apart():
    first, second = (Probabilitiesd("pred", task_of("binary", "AB"))({"pred": torch.tensor([x])}) for x in (20.0, 25.0))
    assert first["pred"][1] < second["pred"][1] < 1


@pytest.mark.parametrize(
    ("kind", "labels", "n"), [("binary", "AB", 1), ("multiclass", "ABC", 3), ("multilabel", "AB", 2)]
)
def test_a_calibration_is_applied_where_there_is_one(kind, labels, n):
    scalings = [
        Scaling(None if kind == "multiclass" else name, 0.5, 0.0 if kind == "multiclass" else 0.2) for name in "AB"
    ]
    calibration = Calibration(kind, "validation", tuple(scalings if kind == "multilabel" else scalings[:1]))
    logits = np.linspace(-1, 2, n)
    found = Probabilitiesd("pred", task_of(kind, labels), calibration)({"pred": torch.tensor(logits)})["pred"].numpy()
    if kind == "multiclass":
        np.testing.assert_allclose(found, softmax(0.5 * logits))
    else:
        np.testing.assert_allclose(found[-n:], expit(0.5 * logits + 0.2))
    assert found.shape == (len(labels),)


def test_the_spatial_shape_is_forgotten_and_an_image_without_meta_data_passes():
    image = MetaTensor(torch.zeros(1, 2, 2), meta={"spatial_shape": [2, 2], "filename_or_obj": "a.png"})
    result = ForgetSpatialShaped("image")({"image": image})
    assert "spatial_shape" not in result["image"].meta
    assert result["image"].meta["filename_or_obj"] == "a.png"
    assert ForgetSpatialShaped("image")({"image": None}) == {"image": None}
