"""Explanations of evaluated cases: what was decided, what went wrong, and where the finding is known to be."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from monai.data import Dataset
from PIL import Image

from lungscan_monai.evaluation import explaining
from lungscan_monai.evaluation.explaining import EvaluationExplainer
from lungscan_monai.evaluation.explanation_plan import ExplanationSettings
from lungscan_monai.evaluation.predictions import Predictions
from lungscan_monai.evaluation.settings import ReportSettings
from lungscan_monai.networks import TimmClassifier
from lungscan_monai.task import TaskSpec

TASK = TaskSpec("t", "?", "1", "binary", ("Normal", "Ill"), (64, 64), 3, ("DX",), "Research only.")
POSITIVE = [0.9, 0.8, 0.2, 0.7]
LESIONS = [True, True, True, False]
PEAKS = {"c0": (8, 8), "c1": (60, 60), "c2": (8, 8), "c3": (8, 8)}
"""The lesion is the upper left quarter: found in c0, missed by the map of c1, not called in c2; c3 has none."""


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return TimmClassifier("test_efficientnet", 1, weights="none").eval()


@pytest.fixture
def dataset(tmp_path):
    """Three ill cases with a lesion in the upper left corner, and a normal one, in another order than the answers."""
    records = []
    for number, lesion in enumerate(LESIONS):
        image, mask = tmp_path / f"{number}.png", tmp_path / f"mask-{number}.png"
        grey = np.full((32, 32), 90, np.uint8)
        grey[number : number + 9] = 200
        Image.fromarray(grey).save(image)
        Image.fromarray(np.pad(np.full((16, 16), 255, np.uint8), (0, 16))).save(mask)
        entry = {"image": str(image), "case": f"c{number}", "label": int(lesion), "mask": str(mask) if lesion else ""}
        records.append(entry)
    picture = torch.rand(3, 64, 64, generator=torch.Generator().manual_seed(1))
    return Dataset(records[::-1], lambda record: {"image": picture * (1 + int(record["case"][1])) / 4})


@pytest.fixture
def looked_at(monkeypatch):
    """The network looks at one point of each picture; the labels asked for are remembered."""
    asked = []

    def explain(network, images, labels, kind, method):
        asked.extend([] if labels is None else labels.tolist())
        maps = torch.full((len(images), 64, 64), 0.01)
        for row, image in enumerate(images):
            number = round(float(image.max()) * 4) - 1
            maps[(row, *PEAKS[f"c{number}"])] = 1
        return torch.tensor([[0.7, 0.3]]).repeat(len(images), 1), maps

    monkeypatch.setattr(explaining, "explain", explain)
    monkeypatch.setattr(explaining, "BATCH_SIZE", 3)
    return asked


def explained(network, dataset, folder, facts=None, task=TASK, y_true=(1, 1, 1, 0), **settings):
    positive = np.array(POSITIVE)
    rows = np.column_stack([1 - positive, positive])
    parts = (("c0", "c1", "c2", "c3"), ("a", "a", "b", None), ("test",) * 4, np.array(y_true), rows)
    test = Predictions(*parts, task.label_names, task.kind)
    settings = ExplanationSettings(**{"errors": 1, **settings})
    thresholds = [0.5] * (2 if task.kind == "multilabel" else 1)
    parts = (network, dataset, test, thresholds, task, facts or {}, None, settings, ReportSettings(n_resamples=50))
    return EvaluationExplainer(*parts).run(folder, "ab" * 32)


def index_of(folder: Path) -> dict:
    entries = json.loads((folder / "explanations" / "index.json").read_text())
    return {(entry["case"], entry["label"]): entry for entry in entries}


def test_decided_labels_errors_and_lesions_are_explained(network, dataset, looked_at, tmp_path):
    found = explained(network, dataset, tmp_path).explanations
    index = index_of(tmp_path)
    decided = {("c0", "Ill"), ("c1", "Ill"), ("c2", "Normal"), ("c3", "Ill")}
    assert set(index) == decided | {("c2", "Ill")}
    assert len(looked_at) == 5
    assert (found["cases"], found["heatmaps"], found["method"], found["layer"]) == (4, 5, "gradcam", "backbone")
    assert all((tmp_path / "explanations" / entry["overlay"]).is_file() for entry in index.values())
    assert index["c0", "Ill"]["model_sha256"] == "ab" * 32


def test_maps_are_measured_where_the_lesion_is_known(network, dataset, looked_at, tmp_path):
    found = explained(network, dataset, tmp_path).explanations["localisation"]
    index = index_of(tmp_path)
    assert [index[f"c{number}", "Ill"].get("hit") for number in range(4)] == [True, False, True, None]
    assert "hit" not in index["c2", "Normal"]
    assert (found["cases"], found["patients"]) == (3, 2)
    assert found["pointing_game"]["value"] == pytest.approx(2 / 3, abs=1e-6)
    assert found["pointing_game"]["by_chance"] == pytest.approx(0.25, abs=0.03)
    assert (found["called"]["cases"], found["called"]["pointing_game_called"]["value"]) == (2, 0.5)


def test_boxes_of_the_datalist_are_places_too(network, dataset, looked_at, tmp_path):
    for record in dataset.data:
        record["mask"] = ""
    box = {"label": "Ill", "box": [0.0, 0.0, 0.5, 0.5]}
    facts = {"c1": {"boxes": [box]}, "c3": {"boxes": [box]}}  # c3 is normal: its box is of no use
    found = explained(network, dataset, tmp_path, facts).explanations["localisation"]
    assert (found["cases"], found["pointing_game"]["value"]) == (1, 0)


def test_without_known_places_there_is_no_localisation(network, dataset, looked_at, tmp_path):
    for record in dataset.data:
        record["mask"] = ""
    assert explained(network, dataset, tmp_path).explanations["localisation"] is None


def test_an_empty_mask_shows_no_lesion(network, dataset, looked_at, tmp_path):
    Image.fromarray(np.zeros((32, 32), np.uint8)).save(tmp_path / "mask-0.png")
    assert explained(network, dataset, tmp_path).explanations["localisation"]["cases"] == 2


def test_the_gallery_has_its_pictures_even_if_no_other_case_is_explained(network, dataset, looked_at, tmp_path):
    found = explained(network, dataset, tmp_path, cases=0, checks=0)
    (gallery,) = found.gallery
    assert [gallery[kind][0]["case"] for kind in ("false_positives", "false_negatives", "confident")] == [
        "c3",
        "c2",
        "c0",
    ]
    for entry in (gallery["false_positives"][0], gallery["false_negatives"][0]):
        assert entry["explained"] == "Ill"
        assert (tmp_path / entry["picture"]).is_file() and (tmp_path / entry["heatmap"]).is_file()
    numbers = ("localisation", "faithfulness", "randomised_weights", "shortcuts")
    assert [found.explanations[name] for name in numbers] == [None] * 4
    assert found.explanations["cases"] == 3


def test_nothing_is_explained_if_nothing_is_asked_for(network, dataset, looked_at, tmp_path):
    found = explained(network, dataset, tmp_path, cases="none")
    assert found.explanations is None and not looked_at
    assert found.gallery[0]["confident"][0]["heatmap"] is None
    assert not (tmp_path / "explanations").exists()


@pytest.mark.parametrize("method", ["gradcam", "layercam"])
def test_everything_is_measured_with_a_real_network_and_twice_alike(network, dataset, tmp_path, method):
    first, second = (
        explained(network, dataset, tmp_path / name, method=method, checks=3).explanations for name in ("a", "b")
    )
    assert first == second
    assert first["faithfulness"]["cases"] == first["randomised_weights"]["cases"] == 3
    assert first["faithfulness"]["deletion"]["value"] > 0
    assert -1 <= first["randomised_weights"]["rank_correlation_head"]["value"] <= 1
    assert first["shortcuts"]["border"]["by_chance"] == pytest.approx(1 - (52 / 64) ** 2)
    json.dumps(first, allow_nan=False)


def test_occlusion_is_not_tried_with_random_weights(network, dataset, tmp_path):
    found = explained(network, dataset, tmp_path, method="occlusion", cases=1, checks=1, errors=0).explanations
    assert found["layer"] is None
    assert found["randomised_weights"]["not_computable"].startswith("because occlusion")


def test_a_finding_of_several_is_measured_where_the_case_has_it(dataset, looked_at, tmp_path):
    labels = {"c0": [0, 1], "c1": [1, np.nan], "c2": [1, 1], "c3": [0, 0]}
    for record in dataset.data:
        record["label"] = np.array(labels[record["case"]], dtype=np.float32)
    task = TaskSpec("t", "?", "1", "multilabel", ("Mass", "Edema"), (64, 64), 3, ("DX",), "Research only.")
    network = TimmClassifier("test_efficientnet", 2, weights="none")
    found = explained(network, dataset, tmp_path, task=task, y_true=list(labels.values())).explanations["localisation"]
    assert {part["label"]: part["cases"] for part in found["labels"]} == {"Mass": 2, "Edema": 2}
