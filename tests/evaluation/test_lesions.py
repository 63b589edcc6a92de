"""Where findings are: masks and boxes."""

import numpy as np
import pytest
from PIL import Image

from lungscan_monai.errors import ShapeError
from lungscan_monai.evaluation.lesions import labels_with_lesion, lesion_mask
from lungscan_monai.task import TaskSpec

BINARY = TaskSpec("t", "?", "1", "binary", ("Normal", "Ill"), (8, 8), 1, ("DX",), "Research only.")
FINDINGS = TaskSpec("t", "?", "1", "multilabel", ("Mass", "Edema"), (8, 8), 1, ("DX",), "Research only.")
BOXES = {"boxes": [{"label": "Mass", "box": [0.5, 0, 0.5, 0.5]}, {"label": "Edema", "box": [0, 0.5, 0.5, 0.5]}]}


@pytest.fixture
def mask(tmp_path):
    Image.fromarray(np.pad(np.full((4, 4), 255, np.uint8), (0, 4))).save(tmp_path / "mask.png")
    return str(tmp_path / "mask.png")


def test_a_mask_shows_every_finding_that_the_case_has(mask):
    assert labels_with_lesion({"label": 1, "mask": mask}, {}, BINARY) == [1]
    assert labels_with_lesion({"label": np.array([1, np.nan]), "mask": mask}, {}, FINDINGS) == [0]
    found = lesion_mask({"case": "c", "mask": mask}, {}, "Ill", (8, 8))
    assert found[:4, :4].all() and found.sum() == 16
    with pytest.raises(ShapeError, match="case 'c': the mask has shape"):
        lesion_mask({"case": "c", "mask": mask}, {}, "Ill", (9, 8))


def test_a_box_shows_its_own_finding_if_the_case_has_it():
    assert labels_with_lesion({"label": np.array([1, 0]), "mask": ""}, BOXES, FINDINGS) == [0]
    found = lesion_mask({"case": "c", "mask": ""}, BOXES, "Mass", (8, 4))
    assert found[:4, 2:].all() and found.sum() == 8


def test_without_either_nothing_is_known():
    assert labels_with_lesion({"label": 1, "mask": ""}, {}, BINARY) == []
    assert lesion_mask({"case": "c", "mask": ""}, {}, "Ill", (8, 8)) is None
