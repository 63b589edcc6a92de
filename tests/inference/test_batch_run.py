"""A folder through a model: every file accounted for, nothing twice, nobody's name where it should not be."""

from __future__ import annotations

import csv
import json
import shutil
import stat
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from blake3 import blake3
from filelock import FileLock
from PIL import Image
from pydicom.uid import JPEG2000Lossless
from small_bundle import mixed_folder, small_bundle, write_image, write_png

from lungscan_monai.data.files import files_below
from lungscan_monai.errors import CheckpointError, ConfigError, DataError, OutputError
from lungscan_monai.fitted import save_calibration, save_input_check, save_operating_points
from lungscan_monai.inference import batch, composing
from lungscan_monai.inference.batch_run import BatchSettings, run_batch
from lungscan_monai.inference.case_model import CaseModel
from lungscan_monai.inference.opening import open_model
from lungscan_monai.inference.predictor import Predictor
from lungscan_monai.inference.pseudonyms import Pseudonyms
from lungscan_monai.inference.smaller_decoding import FILES, TOLERANCE
from lungscan_monai.metrics.familiarity import Familiarity
from lungscan_monai.metrics.operating_points import OperatingPoint
from lungscan_monai.metrics.scaling import Calibration, Scaling
from lungscan_monai.storage import sha256_file

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "error::lungscan_monai.errors.LungScanWarning")

SMALL = {"batch_size": 2, "workers": 2}


@pytest.fixture(scope="module")
def bundle(tmp_path_factory) -> Path:
    """A small bundle with a calibration and an operating point."""
    root = small_bundle(tmp_path_factory.mktemp("bundle"))
    sha256 = sha256_file(root / "models" / "model.pt")
    calibration = Calibration("binary", "validation", (Scaling("Pneumonia", 0.8, -0.1),))
    save_calibration(root / "models", calibration, sha256)
    point = OperatingPoint(0.45, "youden", 0.9, 0.8, "validation", 50)
    save_operating_points(root / "models", {"Pneumonia": point}, sha256, calibration)
    return root


@pytest.fixture
def mixed(tmp_path, make_dicom) -> tuple[Path, dict[str, str]]:
    folder = tmp_path / "archive"
    return folder, mixed_folder(folder, make_dicom)


def table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def contents(output: Path) -> dict[str, bytes]:
    """Return the results of a run."""
    own = ("ledger.sqlite", ".lock")
    return {
        path.relative_to(output).as_posix(): path.read_bytes()
        for path in sorted(output.rglob("*"))
        if path.is_file() and not path.name.startswith(own)
    }


def test_every_file_of_a_folder_of_all_kinds_is_accounted_for(bundle, mixed, tmp_path):
    folder, expected = mixed
    summary = run_batch(bundle, folder, tmp_path / "out", BatchSettings(**SMALL))
    answers, others = lines(tmp_path / "out" / "predictions.jsonl"), table(tmp_path / "out" / "rejects.csv")
    became = {row["file"]: "assessed" if row["assessable"] else row["code"] for row in answers}
    became |= {row["file"].removeprefix("'"): row["code"] for row in others}
    assert became == expected
    assert summary["found"] == len(expected) == summary["done"] + summary["skipped"] + summary["rejected"]
    assert (summary["done"], summary["skipped"], summary["rejected"]) == (6, 5, 3)
    assert (summary["assessed"], summary["not_assessable"], summary["different_contents"]) == (5, {"modality": 1}, 5)
    assert summary["skipped_by_code"] == {"hidden": 2, "not-an-image": 2, "other-file": 1}
    assert json.loads((tmp_path / "out" / "summary.json").read_text()) == summary
    assert {row["file"]: row["state"] for row in others}["DICOMDIR"] == "skipped"
    assert all(row["reason"] for row in others)


def test_a_limited_run_looks_at_the_first_files_and_is_a_run_of_its_own(bundle, mixed, tmp_path):
    folder, _ = mixed
    summary = run_batch(bundle, folder, tmp_path / "out", BatchSettings(**SMALL, limit=4))
    assert summary["found"] == summary["done"] + summary["skipped"] + summary["rejected"] == 4
    named = lines(tmp_path / "out" / "predictions.jsonl") + table(tmp_path / "out" / "rejects.csv")
    assert {row["file"].removeprefix("'") for row in named} == {str(file) for file in list(files_below(folder))[:4]}
    with pytest.raises(OutputError, match="limit 4 there, none here"):
        run_batch(bundle, folder, tmp_path / "out", BatchSettings(**SMALL, resume=True))


@pytest.fixture
def write_waves(make_dicom, tmp_path) -> Callable[[int, int], Path]:
    """Writes a folder of large JPEG 2000 frames: waves of so many pixels' length, no two alike."""

    def write(number: int, length: int) -> Path:
        folder = tmp_path / f"waves of {length}"
        folder.mkdir()
        for index in range(number):
            rows, columns = np.mgrid[:512, :520] * 2 * np.pi / length + index / 9
            stored = (2048 + 1500 * np.sin(rows) * np.cos(columns)).astype(np.uint16)
            dataset = make_dicom(stored, bits=12, Modality="DX", WindowCenter=2048, WindowWidth=4096)
            dataset.compress(JPEG2000Lossless)
            dataset.save_as(folder / f"{index:02}.dcm", enforce_file_format=True)
        return folder

    return write


def pneumonia(output: Path) -> list[float]:
    return [one["probabilities"]["Pneumonia"] for one in lines(output / "predictions.jsonl")]


def test_large_jpeg_2000_pictures_are_decoded_in_full_or_smaller_as_is_asked_for(bundle, write_waves, tmp_path):
    folder = write_waves(1, 251)
    for exact in (True, False):
        run_batch(bundle, folder, tmp_path / str(exact), BatchSettings(**SMALL, exact=exact))
    full, smaller = pneumonia(tmp_path / "True")[0], pneumonia(tmp_path / "False")[0]
    (answer,) = Predictor(bundle, device="cpu").predict([folder / "00.dcm"])
    assert full == pytest.approx(answer.probabilities["Pneumonia"], abs=1e-5)
    assert 0 < abs(smaller - full) < 0.02
    with pytest.raises(OutputError, match="exact False there, True here"):
        run_batch(bundle, folder, tmp_path / "False", BatchSettings(**SMALL, exact=True, resume=True))


@pytest.mark.parametrize("length", [251, 16])
def test_if_nothing_is_asked_for_the_model_is_and_a_run_that_goes_on_keeps_to_it(bundle, write_waves, tmp_path, length):
    folder = write_waves(FILES, length)
    for exact in (None, True, False):
        run_batch(bundle, folder, tmp_path / str(exact), BatchSettings(**SMALL, exact=exact))
    found, full, smaller = (np.array(pneumonia(tmp_path / str(exact))) for exact in (None, True, False))
    agrees = np.abs(full - smaller).max() <= TOLERANCE
    assert agrees == (length == 251) and not np.array_equal(full, smaller)
    np.testing.assert_array_equal(found, smaller if agrees else full)
    assert json.loads((tmp_path / "None" / "summary.json").read_text())["exact"] != agrees
    shutil.copy(folder / "00.dcm", folder / "new.dcm")
    run_batch(bundle, folder, tmp_path / "None", BatchSettings(**SMALL, resume=True))
    assert pneumonia(tmp_path / "None")[-1] == found[0]


def test_too_few_files_tell_nothing_of_a_model(bundle, write_waves, tmp_path):
    folder = write_waves(FILES - 1, 251)
    for exact in (None, True):
        run_batch(bundle, folder, tmp_path / str(exact), BatchSettings(**SMALL, exact=exact))
    assert pneumonia(tmp_path / "None") == pneumonia(tmp_path / "True")


def test_the_answers_are_those_of_the_predictor_and_name_file_and_instance(bundle, mixed, tmp_path):
    folder, _ = mixed
    run_batch(bundle, folder, tmp_path / "out", BatchSettings(**SMALL))
    predictor = Predictor(bundle, device="cpu")
    for row in lines(tmp_path / "out" / "predictions.jsonl"):
        assert row["blake3"] == blake3((folder / row["file"]).read_bytes()).hexdigest()
        if row["assessable"]:
            (answer,) = predictor.predict([folder / row["file"]])
            assert row["probabilities"] == pytest.approx(answer.probabilities, abs=1e-5)
            assert (row["label"], row["threshold"]) == (answer.label, 0.45)
    by_file = {row["file"]: row for row in lines(tmp_path / "out" / "predictions.jsonl")}
    good = by_file["a/good"]
    uids = [good[name] for name in ("modality", "study_uid", "series_uid", "instance_uid")]
    assert uids == ["DX", "2.25.711", "2.25.811", "2.25.911"]
    assert by_file["b/copy.dcm"] == {**good, "file": "b/copy.dcm"}
    assert by_file["b/slice.dcm"]["reason"] == (
        "not assessable: Modality is CT, and the model was made for CR and DX and RG"
    )


def test_both_tables_say_the_same_in_the_order_of_the_names_and_no_cell_is_a_formula(bundle, mixed, tmp_path):
    folder, _ = mixed
    run_batch(bundle, folder, tmp_path / "out", BatchSettings(**SMALL))
    rows, answers = table(tmp_path / "out" / "predictions.csv"), lines(tmp_path / "out" / "predictions.jsonl")
    assert [row["file"] for row in answers] == sorted(row["file"] for row in answers)
    assert [row["file"] for row in rows] == ["'=1+1.png", *(answer["file"] for answer in answers[1:])]
    for row, answer in zip(rows, answers, strict=True):
        if answer["assessable"]:
            assert float(row["probability Pneumonia"]) == answer["probabilities"]["Pneumonia"]
            assert row["decision"] == answer["label"]
        else:
            assert (row["decision"], row["probability Pneumonia"]) == ("not assessable", "")


def test_a_content_that_lies_at_two_places_is_predicted_once(bundle, mixed, tmp_path, monkeypatch):
    folder, _ = mixed
    seen = []
    answer = CaseModel.answer
    monkeypatch.setattr(CaseModel, "answer", lambda self, images: seen.append(len(images)) or answer(self, images))
    run_batch(bundle, folder, tmp_path / "out", BatchSettings(**SMALL))
    assert seen == [2, 2]


def test_what_a_run_gives_does_not_depend_on_its_threads(bundle, mixed, tmp_path):
    folder, _ = mixed
    run_batch(bundle, folder, tmp_path / "one", BatchSettings(batch_size=2, workers=1, explain=True))
    run_batch(bundle, folder, tmp_path / "four", BatchSettings(batch_size=2, workers=4, explain=True))
    assert contents(tmp_path / "one") == contents(tmp_path / "four")


def test_a_run_is_not_repeated_unasked_nor_mixed_with_another(bundle, mixed, tmp_path):
    folder, _ = mixed
    run_batch(bundle, folder, tmp_path / "out", BatchSettings(**SMALL))
    before = contents(tmp_path / "out")
    with pytest.raises(OutputError, match=r"14 of 14 files through; give --resume"):
        run_batch(bundle, folder, tmp_path / "out", BatchSettings(**SMALL))
    with pytest.raises(OutputError, match="other settings .batch_size 2 there, 4 here"):
        run_batch(bundle, folder, tmp_path / "out", BatchSettings(batch_size=4, resume=True))
    with pytest.raises(OutputError, match="other settings .folder"):
        run_batch(bundle, folder / "a", tmp_path / "out", BatchSettings(**SMALL, resume=True))
    assert contents(tmp_path / "out") == before


def test_while_a_run_is_at_work_a_second_one_is_refused_with_what_is_known_of_the_first(bundle, mixed, tmp_path):
    folder, _ = mixed
    run_batch(bundle, folder, tmp_path / "out", BatchSettings(**SMALL))
    told = "run of model .* of pneumonia_cxr_classification, 14 of 14 .* at work"
    with FileLock(tmp_path / "out" / ".lock"), pytest.raises(OutputError, match=told):
        run_batch(bundle, folder, tmp_path / "out", BatchSettings(**SMALL, resume=True))


def test_a_run_that_goes_on_takes_in_what_is_new_and_what_has_changed(bundle, mixed, tmp_path, monkeypatch):
    folder, _ = mixed
    run_batch(bundle, folder, tmp_path / "out", BatchSettings(**SMALL))
    write_png(folder / "new.png", 7)
    write_png(folder / "b" / "picture.png", 8)
    (folder / "a" / "inverted.dcm").unlink()
    seen = []
    answer = CaseModel.answer
    monkeypatch.setattr(CaseModel, "answer", lambda self, images: seen.append(len(images)) or answer(self, images))
    summary = run_batch(bundle, folder, tmp_path / "out", BatchSettings(**SMALL, resume=True))
    assert seen == [2]
    assert summary["found"] == 15
    picture = next(row for row in lines(tmp_path / "out" / "predictions.jsonl") if row["file"] == "b/picture.png")
    assert picture["blake3"] == blake3((folder / "b" / "picture.png").read_bytes()).hexdigest()


def test_heatmaps_have_the_proportions_of_their_images_and_no_name(bundle, mixed, tmp_path):
    folder, _ = mixed
    run_batch(bundle, folder, tmp_path / "out", BatchSettings(**SMALL, explain=True))
    rows = [row for row in lines(tmp_path / "out" / "predictions.jsonl") if row["assessable"]]
    for row in rows:
        assert row["heatmap"] == f"heatmaps/{row['blake3'][:2]}/{row['blake3']}.jpg"
        with Image.open(tmp_path / "out" / row["heatmap"]) as picture, Image.open(picture.filename) as _:
            wide = row["file"].endswith(".png")
            assert picture.size == ((384, 307) if wide else (320, 384))
    assert len(list((tmp_path / "out" / "heatmaps").rglob("*.jpg"))) == 4


def test_explaining_takes_no_pass_of_its_own_and_changes_no_answer(bundle):
    plain, explaining = (open_model(bundle, "torch", "float32", 4, True, explains) for explains in (False, True))
    images = np.random.default_rng(0).random((4, 3, 64, 64), np.float32)
    expected, found = plain.answer(images), explaining.answer(images)
    np.testing.assert_array_equal(found.probabilities, expected.probabilities)
    np.testing.assert_array_equal(found.maps, explaining.saliency(images, expected.leading))
    assert expected.maps is None


def test_with_pseudonyms_no_name_and_no_uid_of_the_input_is_in_any_output(bundle, mixed, tmp_path, caplog):
    folder, _ = mixed
    named = folder / "1.2.840.99.12345" / "Doe_Jane.dcm"
    named.parent.mkdir()
    shutil.copy(folder / "a" / "inverted.dcm", named)
    labels = tmp_path / "labels.csv"
    labels.write_text("image,label,patient\na/good,Normal,P-17\nb/picture.png,Pneumonia,P-18\n", encoding="utf-8")
    settings = BatchSettings(**SMALL, deidentify=True, explain=True, labels=labels)
    run_batch(bundle, folder, tmp_path / "out", settings)
    written = b"".join(
        path.name.encode() + path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()
    )
    written += caplog.text.encode()
    uids = [f"2.25.{kind}{number}" for kind in (7, 8, 9) for number in (11, 12, 13)]
    for secret in [*uids, "inverted", "a/good", "DICOMDIR", "1.2.840.99.12345", "Doe", "Jane", "P-17", str(folder)]:
        assert secret.encode() not in written, secret
    key = tmp_path / "out" / "pseudonyms.key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    pseudonyms = Pseudonyms(key.read_bytes())
    by_file = {row["file"]: row for row in lines(tmp_path / "out" / "predictions.jsonl")}
    assert by_file[pseudonyms.text("file", "a/good")]["instance_uid"] == pseudonyms.uid("2.25.911")


def test_a_key_that_is_given_makes_pseudonyms_that_hold_over_runs(bundle, mixed, tmp_path):
    folder, _ = mixed
    (tmp_path / "key").write_bytes(bytes(range(32)))
    for name in ("one", "two"):
        run_batch(bundle, folder, tmp_path / name, BatchSettings(**SMALL, deidentify=True, key=tmp_path / "key"))
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    assert not (tmp_path / "one" / "pseudonyms.key").exists()


def test_an_image_unlike_the_validation_cases_is_not_assessable_and_has_no_probability(bundle, tmp_path):
    root = shutil.copytree(bundle, tmp_path / bundle.name)
    files = [write_png(tmp_path / "in" / f"{number}.png", number) for number in range(3)]
    model = Predictor(root)
    features = model.backend.forward(model._prepared(str(files[0]))[None]).features
    check = Familiarity(np.repeat(features, 10, axis=0).astype(np.float16), 1e-3, 0.99, 200)
    save_input_check(root / "models", check, model.model_sha256)
    summary = run_batch(root, tmp_path / "in", tmp_path / "out", BatchSettings(**SMALL, explain=True))
    assert summary["not_assessable"] == {"not-assessable": 2} and summary["rejected"] == 0
    rows = lines(tmp_path / "out" / "predictions.jsonl")
    assert [row["assessable"] for row in rows] == [True, False, False]
    assert rows[1]["probabilities"] is None and rows[1]["heatmap"] is None and "does not look like" in rows[1]["reason"]
    lenient = run_batch(root, tmp_path / "in", tmp_path / "all", BatchSettings(**SMALL, check_inputs=False))
    assert lenient["assessed"] == 3


def test_a_series_of_slices_has_an_answer_and_localizers_take_no_part(tmp_path, make_dicom):
    root = small_bundle(tmp_path, "lung_cancer_ct_classification")
    stack = {"StudyInstanceUID": "2.25.1", "SeriesInstanceUID": "2.25.2", "ImageOrientationPatient": [1, 0, 0, 0, 1, 0]}
    for number, place in enumerate((20, 0, 5, 10)):
        write_image(
            *(tmp_path / "in" / f"{number}", make_dicom, 20 + number, "CT"), **stack, ImagePositionPatient=[0, 0, place]
        )
    scout = {**stack, "ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"], "ImagePositionPatient": [0, 0, 300]}
    write_image(tmp_path / "in" / "scout", make_dicom, 30, "CT", **scout)
    write_image(tmp_path / "in" / "chest", make_dicom, 31, "DX")
    summary = run_batch(root, tmp_path / "in", tmp_path / "out", BatchSettings(**SMALL))
    assert summary["not_assessable"] == {"localizer": 1, "modality": 1}
    (series,) = table(tmp_path / "out" / "series.csv")
    rows = [row for row in lines(tmp_path / "out" / "predictions.jsonl") if row["assessable"]]
    for label in ("Normal", "Benign", "Malignant"):
        mean = np.mean([row["probabilities"][label] for row in rows])
        assert float(series[f"probability {label}"]) == pytest.approx(mean)
    told = {
        name: series[name] for name in ("series_uid", "slices", "places", "duplicates", "gaps", "spacing", "geometry")
    }
    assert told == {
        "series_uid": "2.25.2",
        "slices": "4",
        "places": "4",
        "duplicates": "0",
        "gaps": "1",
        "spacing": "5.0",
        "geometry": "complete",
    }


def test_results_inside_the_folder_are_not_taken_for_input(bundle, tmp_path):
    write_png(tmp_path / "in" / "a.png", 1)
    output = tmp_path / "in" / "results"
    first = run_batch(bundle, tmp_path / "in", output, BatchSettings(**SMALL, explain=True))
    again = run_batch(bundle, tmp_path / "in", output, BatchSettings(**SMALL, explain=True, resume=True))
    assert first == again and first["found"] == 1


def test_an_empty_folder_is_a_result_and_a_missing_one_an_error(bundle, tmp_path):
    (tmp_path / "in").mkdir()
    assert run_batch(bundle, tmp_path / "in", tmp_path / "out")["found"] == 0
    assert table(tmp_path / "out" / "predictions.csv") == []
    with pytest.raises(DataError, match="no such folder"):
        run_batch(bundle, tmp_path / "nowhere", tmp_path / "out")


def test_a_name_that_is_no_text_is_taken(bundle, tmp_path):
    picture = write_png(tmp_path / "in" / "a.png", 1)
    shutil.copy(picture, bytes(tmp_path / "in") + b"/b\xff.png")
    assert run_batch(bundle, tmp_path / "in", tmp_path / "out", BatchSettings(**SMALL))["assessed"] == 2
    assert [row["file"] for row in lines(tmp_path / "out" / "predictions.jsonl")] == ["a.png", "b\\udcff.png"]


def test_many_files_that_are_no_images_are_recorded_in_parts(bundle, tmp_path, monkeypatch):
    monkeypatch.setattr(composing, "BATCHES_OF_A_PORTION", 2)
    monkeypatch.setattr(batch, "_FOUND_AT_ONCE", 2)
    (tmp_path / "in").mkdir()
    for number in range(8):
        (tmp_path / "in" / f"{number}.txt").write_text("text", encoding="utf-8")
    calls = []
    run_batch(bundle, tmp_path / "in", tmp_path / "out", BatchSettings(**SMALL), lambda *given: calls.append(given))
    assert calls == [(4, 8), (8, 8), (8, 8)]


@pytest.mark.parametrize("wrong", [{"batch_size": 0}, {"workers": 0}, {"key": Path("key")}])
def test_settings_that_make_no_sense_are_refused(wrong):
    with pytest.raises(ConfigError):
        BatchSettings(**wrong)


def test_a_bundle_without_a_model_says_what_makes_one(tmp_path, bundle):
    (tmp_path / "in").mkdir()
    root = shutil.copytree(bundle, tmp_path / bundle.name, ignore=shutil.ignore_patterns("models"))
    with pytest.raises(CheckpointError, match="lungscan train"):
        run_batch(root, tmp_path / "in", tmp_path / "out")
