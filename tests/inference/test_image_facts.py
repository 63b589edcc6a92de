"""What a header says speaks for or against a model, and only what it plainly says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pydicom import Dataset

from lungscan_monai.gate.admitting import admit
from lungscan_monai.inference.image_facts import facts_of
from lungscan_monai.task import load_task

BUNDLES = Path(__file__).resolve().parents[2] / "monai_bundles"
CHEST, KIDNEY = load_task(BUNDLES / "pneumonia_cxr_classification"), load_task(BUNDLES / "kidney_ct_classification")
STORED = np.arange(30, dtype=np.uint16).reshape(5, 6)


def view_codes(value: str) -> list[Dataset]:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, "SCT", "a view"
    return [item]


@pytest.mark.parametrize(
    ("attributes", "task", "code"),
    [
        ({"Modality": "DX", "ViewPosition": "PA", "BodyPartExamined": "CHEST"}, CHEST, None),
        ({"Modality": "CR"}, CHEST, None),
        ({"Modality": "DX", "ViewPosition": "ERECT"}, CHEST, None),
        ({"Modality": "DX", "ViewPosition": "LL"}, CHEST, "view"),
        ({"Modality": "CR", "ViewPosition": "LATERAL"}, CHEST, "view"),
        ({"Modality": "DX", "ViewCodeSequence": view_codes("399198007")}, CHEST, "view"),
        ({"Modality": "DX", "ViewCodeSequence": view_codes("272479007")}, CHEST, None),
        ({"Modality": "DX", "ViewPosition": "PA", "ViewCodeSequence": view_codes("399198007")}, CHEST, None),
        ({"Modality": "DX", "ViewPosition": "AP", "BodyPartExamined": "HAND"}, CHEST, "body-part"),
        ({"Modality": "DX", "ViewPosition": "AP", "BodyPartExamined": "ABDOMEN"}, CHEST, None),
        ({"Modality": "DX", "PresentationIntentType": "FOR PROCESSING"}, CHEST, "for-processing"),
        ({"Modality": "DX", "PresentationIntentType": "FOR PRESENTATION"}, CHEST, None),
        ({"Modality": "CT"}, CHEST, "modality"),
        ({"Modality": "CT", "ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]}, KIDNEY, "localizer"),
        ({"Modality": "CT", "BodyPartExamined": "HEAD"}, KIDNEY, "body-part"),
        ({"Modality": "CT", "ViewPosition": "LL", "BodyPartExamined": "CHEST"}, KIDNEY, None),
        ({}, CHEST, None),
    ],
)
def test_a_picture_that_the_model_was_not_made_for_is_not_assessable(write_dicom, attributes, task, code):
    path = write_dicom("a.dcm", STORED, **attributes)
    found = facts_of(path, admit(path)).why_not_assessable(task)
    assert (found and found[0]) == code
    assert found is None or found[1].startswith("not assessable: ")
