"""Explanations on disk."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lungscan_monai.errors import NotComputableError, SaliencyError
from lungscan_monai.saliency.overlay import overlay
from lungscan_monai.saliency.storing import ExplanationStore, safe_name

IMAGE = np.linspace(0, 1, 40 * 60).reshape(40, 60)
SALIENCY = np.zeros((4, 6), dtype=np.float32)
SALIENCY[1, 4] = 1


def test_picture_array_and_index_are_written(tmp_path):
    with ExplanationStore(tmp_path / "new", "gradcam", "backbone", "ab" * 32) as store:
        store.add("a/1.png", "Pneumonia", 0.75, SALIENCY, IMAGE)
    (record,) = json.loads((tmp_path / "new" / "index.json").read_text())
    assert {name: record[name] for name in ("case", "label", "probability", "method", "layer", "model_sha256")} == {
        "case": "a/1.png",
        "label": "Pneumonia",
        "probability": 0.75,
        "method": "gradcam",
        "layer": "backbone",
        "model_sha256": "ab" * 32,
    }
    picture = cv2.imread(str(tmp_path / "new" / record["overlay"]))[..., ::-1]
    assert np.array_equal(picture, overlay(IMAGE, SALIENCY))
    array = np.load(tmp_path / "new" / record["map"])
    assert array.dtype == np.float16
    assert np.array_equal(array, SALIENCY)
    row, column = record["peak"]
    assert 10 <= row < 20 and 40 <= column < 50
    assert "hit" not in record and "iou" not in record


def test_a_mask_is_measured_in_the_resolution_of_the_image(tmp_path):
    mask = np.zeros((40, 60), dtype=np.uint8)
    mask[10:20, 40:50] = 1
    with ExplanationStore(tmp_path, "gradcam", "backbone", "") as store:
        record = store.add("a", "x", 0.5, SALIENCY, IMAGE[None], mask)
        assert record["hit"] is True
        assert 0.2 < record["iou"] < 1
        with pytest.raises(NotComputableError):
            store.add("b", "x", 0.5, SALIENCY, IMAGE, np.zeros((40, 60)))
    assert [entry["case"] for entry in json.loads((tmp_path / "index.json").read_text())] == ["a"]
    assert len(list(tmp_path.rglob("*.png"))) == 1


def test_a_map_of_zeros_has_no_peak(tmp_path):
    with ExplanationStore(tmp_path, "gradcam", None, "") as store:
        assert store.add("a", "x", 0.5, np.zeros((4, 6)), IMAGE)["peak"] is None


def test_what_was_stored_before_an_error_is_in_the_index(tmp_path):
    with pytest.raises(KeyError), ExplanationStore(tmp_path, "gradcam", "backbone", "") as store:
        store.add("a", "x", 0.5, SALIENCY, IMAGE)
        raise KeyError("b")
    assert len(json.loads((tmp_path / "index.json").read_text())) == 1


def test_the_same_label_of_a_case_is_stored_once(tmp_path):
    store = ExplanationStore(tmp_path, "gradcam", "backbone", "")
    store.add("a", "x", 0.5, SALIENCY, IMAGE)
    with pytest.raises(SaliencyError, match="already"):
        store.add("a", "x", 0.5, SALIENCY, IMAGE)


def test_a_map_that_is_not_finite_is_refused(tmp_path):
    store = ExplanationStore(tmp_path, "gradcam", "backbone", "")
    with pytest.raises(SaliencyError, match="not finite"):
        store.add("a", "x", 0.5, np.full((4, 6), np.nan), IMAGE)


@pytest.mark.parametrize(
    "case", ["../../etc/passwd", "/root/x.png", "..", "", "paru-paru/ü 7.png", "a\\b:c\0", "x" * 900]
)
def test_names_stay_in_the_folder(case, tmp_path):
    with ExplanationStore(tmp_path, "gradcam", "backbone", "") as store:
        record = store.add(case, "Tuberculosis", 0.5, SALIENCY, IMAGE)
    for folder, name in (("overlays", record["overlay"]), ("maps", record["map"])):
        path = (tmp_path / name).resolve()
        assert path.parent == tmp_path.resolve() / folder
        assert path.is_file()


@given(st.lists(st.tuples(st.text(max_size=6), st.text(max_size=3)), unique=True, max_size=30))
def test_names_of_different_explanations_differ_on_any_file_system(pairs):
    names = [safe_name(*pair) for pair in pairs]
    assert len({name.casefold() for name in names}) == len(pairs)
    assert all(Path(name).name == name and name.isascii() and name[0].isalnum() for name in names)


def test_names_that_sanitise_alike_differ():
    names = {safe_name("a/b", "x"), safe_name("a_b", "x"), safe_name("A/b", "x").lower(), safe_name("a", "b-x")}
    assert len(names) == 4
