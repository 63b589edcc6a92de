"""Explanations of evaluated cases: the label that the caller decided, beside the lesion where it is known."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from monai.data import Dataset
from PIL import Image

from lungscan_monai.evaluation import explaining
from lungscan_monai.evaluation.explaining import explain_cases
from lungscan_monai.networks import SALIENCY_LAYER
from lungscan_monai.task import TaskSpec

TASK = TaskSpec("t", "?", "1", "binary", ("Normal", "Ill"), (8, 8), 1, ("DX",), "Research only.")
PEAKS = [(1, 1), (6, 6), (1, 1), (1, 1)]
LABELS = [1, 1, 0, 0]
LESIONS = [True, True, True, False]


@pytest.fixture
def dataset(tmp_path):
    """Three ill cases with a lesion in the upper left corner, and a normal one."""
    records = []
    for number, lesion in enumerate(LESIONS):
        image, mask = tmp_path / f"{number}.png", tmp_path / f"mask-{number}.png"
        Image.fromarray(np.full((16, 16), 90, np.uint8)).save(image)
        Image.fromarray(np.pad(np.full((8, 8), 255, np.uint8), (0, 8))).save(mask)
        entry = {"image": str(image), "case": f"c{number}", "label": int(lesion), "mask": str(mask) if lesion else ""}
        records.append(entry)
    return Dataset(records, lambda record: {"image": torch.zeros(1, 8, 8)})


@pytest.fixture
def looked_at(monkeypatch):
    """The network says 0.3, and looks at one point of each picture; the labels asked for are remembered."""
    asked = []

    def explain(network, images, labels, kind, method):
        maps = torch.zeros(len(images), 8, 8)
        for row, peak in enumerate(PEAKS[len(asked) : len(asked) + len(images)]):
            maps[(row, *peak)] = 1
        asked.extend(labels.tolist())
        return torch.tensor([[0.7, 0.3]]).repeat(len(images), 1), maps

    monkeypatch.setattr(explaining, "explain", explain)
    monkeypatch.setattr(explaining, "BATCH_SIZE", 3)
    return asked


def explained(dataset, folder, labels=LABELS, task=TASK):
    return explain_cases(
        torch.nn.Linear(1, 1), dataset, range(len(labels)), labels, task, folder, method="gradcam", model_sha256="ab"
    )


def test_the_labels_that_the_caller_decided_are_explained(dataset, looked_at, tmp_path):
    facts = explained(dataset, tmp_path / "out")
    index = json.loads((tmp_path / "out" / "index.json").read_text())
    assert looked_at == LABELS
    assert [entry["label"] for entry in index] == ["Ill", "Ill", "Normal", "Normal"]
    assert [entry["probability"] for entry in index] == pytest.approx([0.3, 0.3, 0.7, 0.7])
    assert (facts["cases"], facts["method"], facts["layer"]) == (4, "gradcam", SALIENCY_LAYER)


def test_the_pointing_game_counts_the_lesions_that_were_found(dataset, looked_at, tmp_path):
    game = explained(dataset, tmp_path / "out")["pointing_game"]
    assert (game["value"], game["n"], game["missed"]) == (0.5, 2, 1)
    assert game["low"] == pytest.approx(0.0945, abs=1e-3)  # statsmodels: proportion_confint(1, 2, method="wilson")
    assert game["high"] == pytest.approx(0.9055, abs=1e-3)
    index = json.loads((tmp_path / "out" / "index.json").read_text())
    assert [entry.get("hit") for entry in index] == [True, False, None, None]
    assert all("iou" in entry for entry in index[:2])


def test_without_masks_there_is_no_pointing_game(dataset, looked_at, tmp_path):
    for record in dataset.data:
        record["mask"] = ""
    assert explained(dataset, tmp_path / "out")["pointing_game"] is None


def test_an_empty_mask_shows_no_lesion(dataset, looked_at, tmp_path):
    Image.fromarray(np.zeros((16, 16), np.uint8)).save(tmp_path / "mask-0.png")
    assert explained(dataset, tmp_path / "out")["pointing_game"]["n"] == 1


def test_where_no_lesion_was_found_there_is_a_reason_instead_of_a_number(dataset, looked_at, tmp_path):
    game = explained(dataset, tmp_path / "out", labels=[0, 0, 0, 0])["pointing_game"]
    assert "value" not in game and game["not_computable"].startswith("because")
    assert (game["n"], game["missed"]) == (0, 3)


def test_a_finding_of_several_is_measured_where_the_case_has_it(dataset, looked_at, tmp_path):
    for record, label in zip(dataset.data, ([0, 1], [1, np.nan], [1, 1], [0, 0]), strict=True):
        record["label"] = np.array(label, dtype=np.float32)
    game = explained(dataset, tmp_path / "out", task=replace(TASK, kind="multilabel"))["pointing_game"]
    assert (game["n"], game["missed"]) == (2, 1)
