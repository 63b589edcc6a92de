"""Files through a model, as studies: one answer for each radiograph, one for each series, and nothing raises."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from small_bundle import mixed_folder, small_bundle, write_image, write_png

from lungscan_monai.fitted import save_operating_points
from lungscan_monai.hashing import Hashed, blake3_file
from lungscan_monai.inference.answering import Prediction, Reject
from lungscan_monai.inference.opening import open_model, reading
from lungscan_monai.inference.predictor import Predictor
from lungscan_monai.inference.studies import analyse, identity_of
from lungscan_monai.metrics.operating_points import OperatingPoint
from lungscan_monai.storage import sha256_file

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "error::lungscan_monai.errors.LungScanWarning")

POINT = OperatingPoint(0.45, "youden", 0.9, 0.8, "validation", 50)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory) -> Path:
    root = small_bundle(tmp_path_factory.mktemp("bundle"))
    save_operating_points(root / "models", {"Pneumonia": POINT}, sha256_file(root / "models" / "model.pt"))
    return root


@pytest.fixture(scope="module")
def opened(bundle):
    """The model and what reads for it."""
    model = open_model(bundle, "torch", "float32", 2, True, True)
    with reading(bundle, model, 1) as read:
        yield model, read


@pytest.fixture(scope="module")
def kidney(tmp_path_factory):
    root = small_bundle(tmp_path_factory.mktemp("kidney"), "kidney_ct_classification")
    model = open_model(root, "torch", "float32", 2, True, True)
    return model, lambda path: Hashed(model.prepare(path), blake3_file(path))


def slices(folder: Path, make_dicom, count: int = 4, **attributes) -> list[Path]:
    """Write a series of CT slices 5 mm apart."""
    return [
        write_image(
            folder / f"{number}.dcm",
            make_dicom,
            20 + number,
            modality="CT",
            **{
                "StudyInstanceUID": "2.25.5",
                "SeriesInstanceUID": "2.25.55",
                "ImagePositionPatient": [0, 0, 5.0 * number],
                "ImageOrientationPatient": [1, 0, 0, 0, 1, 0],
                **attributes,
            },
        )
        for number in range(count)
    ]


def test_a_radiograph_is_answered_as_the_predictor_does_with_a_map_over_its_own_picture(
    opened, bundle, tmp_path, make_dicom
):
    path = write_image(tmp_path / "chest.dcm", make_dicom, 3)
    (found,) = analyse(*opened, [path])
    (expected,) = Predictor(bundle, device="cpu").predict([path])
    assert found.sources == (path,) and found.series is None
    assert (found.answer.label, found.answer.threshold) == (expected.label, 0.45)
    assert found.answer.probabilities == pytest.approx(expected.probabilities, abs=1e-5)
    (heatmap,) = found.heatmaps
    assert (heatmap.source, heatmap.label, heatmap.method) == (path, expected.label, "gradcam")
    assert heatmap.image.shape == (36, 30) and heatmap.saliency.shape == (64, 64)
    assert 0 <= heatmap.saliency.min() <= heatmap.saliency.max() <= 1
    explained = Predictor(bundle, device="cpu").explain(path)
    np.testing.assert_allclose(heatmap.saliency, explained.saliency, atol=1e-4)
    np.testing.assert_allclose(heatmap.image, explained.image[0], atol=1e-6)


def test_no_file_raises_and_every_file_is_in_one_answer_in_the_order_given(opened, tmp_path, make_dicom):
    expected = mixed_folder(tmp_path, make_dicom)
    paths = sorted(path for path in tmp_path.rglob("*") if path.is_file()) + [tmp_path / "gone.dcm"]
    found = analyse(*opened, paths, explain=False)
    assert [one.sources for one in found] == [(path,) for path in paths]
    rejected = {str(one.sources[0].relative_to(tmp_path)) for one in found if isinstance(one.answer, Reject)}
    assert {name for name, became in expected.items() if became == "assessed"}.isdisjoint(rejected)
    assert found[-1].answer == Reject(str(tmp_path / "gone.dcm"), "missing-file", "there is no such file")
    assert not any(one.heatmaps for one in found)


def test_a_series_has_one_answer_by_the_rule_for_series_and_the_map_of_its_strongest_slice(
    kidney, tmp_path, make_dicom
):
    paths = slices(tmp_path, make_dicom)
    (found,) = analyse(*kidney, paths[::-1])
    rows = np.array([list(one.probabilities.values()) for one in kidney[0].predict(paths)])
    assert found.sources == tuple(paths)
    assert list(found.answer.probabilities.values()) == pytest.approx(rows.mean(axis=0), abs=1e-6)
    assert found.answer.case == "2.25.55"
    assert (found.series.slices, found.series.spacing, found.series.geometry) == (4, 5.0, "complete")
    np.testing.assert_allclose(found.rows, rows, atol=1e-6)
    (heatmap,) = found.heatmaps
    column = kidney[0].task.label_names.index(found.answer.label)
    assert (heatmap.source, heatmap.label) == (paths[rows[:, column].argmax()], found.answer.label)
    assert found.source_for(column) == heatmap.source


def test_a_localizer_takes_no_part_and_alone_it_is_a_reject(kidney, tmp_path, make_dicom):
    paths = slices(tmp_path / "a", make_dicom, 2)
    scout = slices(tmp_path / "b", make_dicom, 1, ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])
    (found,) = analyse(*kidney, [*scout, *paths], explain=False)
    assert found.sources == tuple(paths) and isinstance(found.answer, Prediction)
    assert [(one.case, one.code) for one in found.left_out] == [(str(scout[0]), "localizer")]
    (alone,) = analyse(*kidney, scout)
    assert (alone.answer.case, alone.answer.code, alone.series) == ("2.25.55", "localizer", None)


def test_pictures_that_are_no_dicom_are_answered_too(opened, tmp_path):
    paths = [write_png(tmp_path / f"{seed}.png", seed) for seed in range(3)]
    found = analyse(*opened, paths)
    assert [one.sources for one in found] == [(path,) for path in paths]
    assert all(one.heatmaps[0].image.shape == (40, 50) for one in found)


def test_the_identity_says_which_model_answers_and_changes_with_what_was_fitted(opened, bundle, tmp_path):
    model, _ = opened
    identity = identity_of(model)
    assert identity.sha256 == sha256_file(bundle / "models" / "model.pt")
    assert (identity.name, identity.kind, identity.backend) == ("pneumonia_cxr_classification", "binary", "torch")
    assert identity.version == json.loads((bundle / "configs" / "metadata.json").read_text())["version"]
    assert identity.operating_points == {"Pneumonia": POINT} and not identity.calibrated
    other = shutil.copytree(bundle, tmp_path / bundle.name)
    (other / "models" / "operating_points.json").unlink()
    again = identity_of(open_model(other, "torch", "float32", 2, True, True))
    assert again.sha256 == identity.sha256 and again.fitted != identity.fitted


def test_the_identity_says_in_what_less_than_float32_was_computed(bundle, monkeypatch):
    model = open_model(bundle, "torch", "float32", 2, True, False)
    monkeypatch.setattr(model.backend, "precision", "int8")
    assert identity_of(model).backend == "torch in int8"
