"""The report of a batch with labels is the report of `lungscan evaluate` on the same cases."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from monai.bundle import ConfigWorkflow
from pictures import metadata_of, spots
from small_bundle import small_bundle, write_png

from lungscan_monai.data.datalist import Datalist, load_datalist
from lungscan_monai.errors import DataError, DatalistError
from lungscan_monai.fitted import save_calibration, save_operating_points
from lungscan_monai.inference.batch_run import BatchSettings, run_batch
from lungscan_monai.metrics.operating_points import OperatingPoint
from lungscan_monai.metrics.scaling import Calibration, Scaling
from lungscan_monai.storage import sha256_file

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning", "ignore::DeprecationWarning")


def evaluated(root: Path, datalist: Path, output: Path) -> dict:
    """Return the report of the bundle's own evaluation, nothing fitted."""
    workflow = ConfigWorkflow(
        workflow_type="train",
        config_file=[str(root / "configs" / f"{name}.json") for name in ("train", "evaluate")],
        meta_file=str(root / "configs" / "metadata.json"),
        logging_file=None,
        bundle_root=str(root),
        datalist=str(datalist),
        output_dir=str(output),
        backbone="test_efficientnet",
        image_size=[64, 64],
        weights="none",
        refit=False,
        explain="none",
        input_check=None,
    )
    workflow.initialize()
    workflow.run()
    workflow.finalize()
    return json.loads((output / "report.json").read_text(encoding="utf-8"))


def numbers(content, path: str = "") -> dict[str, object]:
    """Return all values of a report by their place."""
    if isinstance(content, dict):
        items = content.items()
    elif isinstance(content, list):
        items = enumerate(content)
    else:
        return {path: content}
    return {place: value for key, part in items for place, value in numbers(part, f"{path}/{key}").items()}


def test_the_report_is_that_of_an_evaluation_of_the_same_cases(tmp_path):
    root = small_bundle(tmp_path)
    sha256 = sha256_file(root / "models" / "model.pt")
    calibration = Calibration("binary", "validation", (Scaling("Pneumonia", 0.8, -0.1),))
    save_calibration(root / "models", calibration, sha256)
    point = OperatingPoint(0.45, "youden", 0.9, 0.8, "validation", 50)
    save_operating_points(root / "models", {"Pneumonia": point}, sha256, calibration)
    (tmp_path / "in").mkdir()
    made = load_datalist(spots(tmp_path / "in", metadata_of(root), {"training": 4, "validation": 2, "test": 24}))
    test = tuple(sorted(made.cases("test"), key=lambda case: case.image))
    sections = {"training": made.cases("training"), "test": test}
    Datalist(made.name, made.kind, made.labels, made.base_dir, sections, made.split).save(tmp_path / "datalist.json")
    with (tmp_path / "labels.csv").open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(["image", "label", "patient"])
        writer.writerows([case.image, made.labels[case.label], case.patient] for case in test)
    run_batch(root, tmp_path / "in", tmp_path / "out", BatchSettings(workers=1, labels=tmp_path / "labels.csv"))
    found = json.loads((tmp_path / "out" / "evaluation" / "report.json").read_text(encoding="utf-8"))
    expected = evaluated(root, tmp_path / "datalist.json", tmp_path / "eval")
    assert (tmp_path / "out" / "evaluation" / "report.md").is_file()
    assert (tmp_path / "out" / "evaluation" / "report.html").is_file()
    parts = ("kind", "label_names", "sections", "intervals", "calibration", "overall", "confusion_matrix", "labels")
    for part in parts:
        ours, theirs = numbers(found[part]), numbers(expected[part])
        assert ours.keys() == theirs.keys()
        for place, value in theirs.items():
            if isinstance(value, float):
                assert ours[place] == pytest.approx(value, abs=2e-4), place
            else:
                assert ours[place] == value, place


def test_files_without_an_answer_are_left_out_and_the_report_says_so(tmp_path):
    root = small_bundle(tmp_path)
    for number in range(6):
        write_png(tmp_path / "in" / f"{number}.png", number)
    (tmp_path / "in" / "bad.png").write_bytes(b"\x89PNG\r\n\x1a\n damaged")
    rows = [f"{number}.png,{number % 2}" for number in range(6)] + ["bad.png,0", "absent.png,1"]
    labels = tmp_path / "labels.csv"
    labels.write_text("\n".join(["image,label", *rows]), encoding="utf-8")
    summary = run_batch(root, tmp_path / "in", tmp_path / "out", BatchSettings(workers=1, labels=labels))
    assert (summary["evaluated"], summary["rejected"]) == (6, 1)
    report = json.loads((tmp_path / "out" / "evaluation" / "report.json").read_text(encoding="utf-8"))
    assert any("1 of 7 labelled files have no answer" in warning for warning in report["warnings"])


def test_findings_with_gaps_are_evaluated(tmp_path):
    root = small_bundle(tmp_path, "nih14_cxr_classification")
    names = list(metadata_of(root)["network_data_format"]["outputs"]["pred"]["channel_def"].values())
    random = np.random.default_rng(0)
    rows = []
    for number in range(8):
        write_png(tmp_path / "in" / f"{number}.png", number)
        rows.append(",".join([f"{number}.png", *map(str, random.choice(["0", "1", ""], len(names)))]))
    labels = tmp_path / "labels.csv"
    labels.write_text("\n".join([",".join(["image", *names]), *rows]), encoding="utf-8")
    assert run_batch(root, tmp_path / "in", tmp_path / "out", BatchSettings(workers=1, labels=labels))["evaluated"] == 8


def test_labels_that_cannot_be_used_are_refused_before_the_work(tmp_path):
    root = small_bundle(tmp_path)
    write_png(tmp_path / "in" / "a.png", 1)
    labels = tmp_path / "labels.csv"
    labels.write_text("image,label\na.png,Fracture\n", encoding="utf-8")
    with pytest.raises(DatalistError, match="unknown label 'Fracture'"):
        run_batch(root, tmp_path / "in", tmp_path / "out", BatchSettings(labels=labels))
    assert not (tmp_path / "out" / "predictions.csv").exists()


def test_labels_of_none_of_the_answered_files_make_no_report(tmp_path):
    root = small_bundle(tmp_path)
    write_png(tmp_path / "in" / "a.png", 1)
    (tmp_path / "in" / "bad.dcm").write_bytes(b"text")
    labels = tmp_path / "labels.csv"
    labels.write_text("image,label\nbad.dcm,Normal\n", encoding="utf-8")
    with pytest.raises(DataError, match="none of the 1 labelled files was answered"):
        run_batch(root, tmp_path / "in", tmp_path / "out", BatchSettings(workers=1, labels=labels))
    assert (tmp_path / "out" / "predictions.csv").exists()
