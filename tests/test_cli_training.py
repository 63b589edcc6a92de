from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner

from lungscan_monai.bundles import find_bundle, working_copy
from lungscan_monai.cli import app, training
from lungscan_monai.data.datalist import Case, Datalist, load_datalist
from lungscan_monai.errors import NonFiniteLossError
from lungscan_monai.storage import Manifest, write_json

BUNDLE = "pneumonia_cxr_classification"


def run(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def datalist(tmp_path):
    return datalist_with(tmp_path, ("Normal", "Pneumonia"))


def datalist_with(folder: Path, labels: tuple[str, ...]) -> Path:
    Image.new("L", (4, 4)).save(folder / "a.png")
    Image.new("L", (4, 4), 9).save(folder / "b.png")
    cases = (Case("a.png", 0), Case("b.png", 1))
    Datalist("two", "binary", labels, folder, {"training": cases}).save(folder / "datalist.json")
    return folder / "datalist.json"


@pytest.fixture
def workflow(monkeypatch):
    """Stand in for the heavy part: remember what would be run, and leave the files that it would leave."""
    calls = []

    def run_workflow(root, configs, run_id, overrides):
        calls.append((root, configs, run_id, overrides))
        if run_id == "training":
            leave_model(root)
        else:
            write_json(Path(overrides["output_dir"]) / "report.json", REPORT)

    monkeypatch.setattr(training, "run_workflow", run_workflow)
    monkeypatch.setattr(training, "require_known_overrides", lambda root, names: None)
    monkeypatch.setattr(training, "_require_torch", lambda: None)
    monkeypatch.setattr(training, "_recorded_settings", lambda root: {"backbone": "resnet50"})
    return calls


def leave_model(root: Path) -> None:
    (root / "models").mkdir(exist_ok=True)
    (root / "models" / "model.pt").write_bytes(b"weights")
    Manifest(root / "models").record("model.pt", "ab" * 32, 7, epoch=3, phase="fine-tuning", roc_auc=0.9)


def estimate(value: float) -> dict[str, float]:
    return {"value": value, "low": value - 0.1, "high": value + 0.05, "resamples_left_out": 0}


REPORT = {
    "report_version": 1,
    "kind": "binary",
    "label_names": ["Normal", "Pneumonia"],
    "sections": {"threshold": {"name": "validation"}, "test": {"name": "test", "cases": 11}},
    "intervals": {"level": 0.95},
    "calibration": {"applied": False, "reason": "none was asked for"},
    "overall": {"macro": {"roc_auc": estimate(0.9)}, "micro": None, "weighted": None, "classes": None},
    "confusion_matrix": {"counts": [[5, 0], [1, 5]]},
    "labels": [
        {
            "label": "Pneumonia",
            "cases": 11,
            "positive": 6,
            "delong": estimate(0.9),
            "operating_point": {"threshold": 0.4},
            "curves": {"roc": [0, 1]},
            "metrics": {
                "roc_auc": estimate(0.9),
                "sensitivity": {"value": 1.0, "low": None, "high": None, "no_interval": "because"},
                "specificity": {"not_computable": "because there is no negative case"},
            },
        }
    ],
    "subgroups": [],
    "input_check": {"not_computable": "because none was asked for"},
    "warnings": ["1 patient(s) are in training and in test"],
    "facts": {"model_sha256": "ab" * 32},
}


def test_train_makes_a_working_copy_and_trains_there(workflow, datalist, tmp_path):
    result = run("train", BUNDLE, "--datalist", datalist, "--output", tmp_path / "run")
    assert result.exit_code == 0, result.stderr
    root, configs, run_id, overrides = workflow[0]
    assert root == (tmp_path / "run").resolve()
    assert configs == ["train.json"]
    assert run_id == "training"
    assert overrides == {"datalist": str(datalist)}
    assert result.stdout == f"{root / 'models' / 'model.pt'}\n"
    assert f"lungscan evaluate {root}" in result.stderr


def test_train_turns_its_options_into_overrides(workflow, datalist, tmp_path):
    options = [
        "--weights",
        "none",
        "--backbone",
        "resnet50",
        "--epochs",
        4,
        "--resume",
        "--profile",
        "-o",
        "train#trainer#amp=false",
    ]
    assert run("train", BUNDLE, "-d", datalist, "--output", tmp_path / "run", *options).exit_code == 0
    assert workflow[0][3] == {
        "datalist": str(datalist),
        "weights": "none",
        "backbone": "resnet50",
        "max_epochs": 4,
        "resume": True,
        "profile": True,
        "train#trainer#amp": False,
    }


def test_train_gives_the_best_model_as_json(workflow, datalist, tmp_path):
    result = run("train", BUNDLE, "-d", datalist, "--output", tmp_path / "run", "--json")
    found = json.loads(result.stdout)
    assert found["epoch"] == 3
    assert found["roc_auc"] == 0.9
    assert found["sha256"] == "ab" * 32
    assert Path(found["model"]).is_file()


def test_train_without_output_trains_in_the_bundle_itself(workflow, datalist, tmp_path, monkeypatch):
    root = working_copy(find_bundle(BUNDLE), tmp_path / "copy")
    assert run("train", root, "-d", datalist).exit_code == 0
    assert workflow[0][0] == (tmp_path / "copy").resolve()


def test_a_model_that_is_there_is_kept_unless_the_user_says_otherwise(workflow, datalist, trained):
    refused = run("train", trained, "-d", datalist)
    assert refused.exit_code == 6
    assert "--resume" in refused.stderr and "--overwrite" in refused.stderr
    assert not workflow
    into_copy = run("train", BUNDLE, "-d", datalist, "--output", trained)
    assert into_copy.exit_code == 6
    assert run("train", trained, "-d", datalist, "--overwrite").exit_code == 0
    assert run("train", trained, "-d", datalist, "--resume").exit_code == 0
    assert [call[3].get("overwrite") for call in workflow] == [True, None]
    assert run("train", trained, "-d", datalist, "--resume", "--overwrite").exit_code == 2


def test_a_model_elsewhere_does_not_stop_a_training(workflow, datalist, trained, tmp_path):
    options = ["-o", f"ckpt_dir={tmp_path / 'elsewhere'}"]
    run("train", trained, "-d", datalist, *options)
    assert workflow


def test_a_datalist_with_the_labels_in_another_order_is_refused(workflow, tmp_path):
    result = run("train", BUNDLE, "-d", datalist_with(tmp_path, ("Pneumonia", "Normal")), "--output", tmp_path / "run")
    assert result.exit_code == 5
    assert "--labels Normal,Pneumonia" in result.stderr
    assert not workflow
    assert not (tmp_path / "run").exists()


def test_a_training_that_never_gave_a_metric_ends_with_7(workflow, datalist, tmp_path, monkeypatch):
    monkeypatch.setattr(training, "run_workflow", lambda *_: None)
    result = run("train", BUNDLE, "-d", datalist, "--output", tmp_path / "run")
    assert result.exit_code == 7


def test_a_loss_that_is_no_number_ends_with_7(workflow, datalist, tmp_path, monkeypatch):
    def diverge(*_):
        raise NonFiniteLossError("the loss is nan in epoch 2; look at these cases: p0007_1")

    monkeypatch.setattr(training, "run_workflow", diverge)
    result = run("train", BUNDLE, "-d", datalist, "--output", tmp_path / "run")
    assert result.exit_code == 7
    assert "p0007_1" in result.stderr


def test_an_unknown_bundle_ends_with_4_and_a_missing_datalist_is_a_wrong_command_line(datalist, tmp_path):
    result = run("train", "pneumonia_classification", "-d", datalist)
    assert result.exit_code == 4
    assert BUNDLE in result.stderr
    assert run("train", BUNDLE, "-d", tmp_path / "absent.json").exit_code == 2


@pytest.fixture
def trained(tmp_path):
    root = tmp_path / "trained"
    working_copy(find_bundle(BUNDLE), root)
    leave_model(root)
    return root


def test_evaluate_uses_the_recorded_backbone_and_the_bundles_eval_folder(workflow, datalist, trained):
    result = run("evaluate", trained, "-d", datalist)
    assert result.exit_code == 0, result.stderr
    root, configs, run_id, overrides = workflow[0]
    assert configs == ["train.json", "evaluate.json"]
    assert run_id == "evaluating"
    assert overrides == {
        "backbone": "resnet50",
        "datalist": str(datalist),
        "output_dir": str(trained / "eval"),
        "explain": "all",
    }


def test_evaluate_passes_its_options_and_overrides_win(workflow, datalist, trained, tmp_path):
    options = ["--output", tmp_path / "results", "--explain", "5", "-o", "backbone=resnet18", "-o", "resamples=100"]
    assert run("evaluate", trained, "-d", datalist, *options).exit_code == 0
    overrides = workflow[0][3]
    assert overrides["output_dir"] == str(tmp_path / "results")
    assert overrides["explain"] == 5
    assert overrides["backbone"] == "resnet18"
    assert overrides["resamples"] == 100


def test_evaluate_prints_the_main_numbers_with_their_intervals(workflow, datalist, trained):
    result = run("evaluate", trained, "-d", datalist)
    rows = [line.split("\t") for line in result.stdout.splitlines()]
    assert rows == [
        ["number [95 % interval]", "Pneumonia"],
        ["roc_auc", "0.900 [0.800, 0.950]"],
        ["sensitivity", "1.000"],
        ["specificity", "-"],
    ]
    assert "1 patient(s) are in training and in test" in result.stderr
    assert str(trained / "eval" / "report.html") in result.stderr


def test_evaluate_gives_numbers_without_curves_as_json(workflow, datalist, trained):
    found = json.loads(run("evaluate", trained, "-d", datalist, "--json").stdout)
    assert found["labels"][0]["metrics"]["roc_auc"]["value"] == 0.9
    assert found["labels"][0]["operating_point"]["threshold"] == 0.4
    assert "curves" not in found["labels"][0]
    assert found["facts"]["model_sha256"] == "ab" * 32
    assert Path(found["report"]).is_file()


def test_evaluate_without_a_trained_model_ends_with_6(workflow, datalist, tmp_path):
    result = run("evaluate", working_copy(find_bundle(BUNDLE), tmp_path / "empty"), "-d", datalist)
    assert result.exit_code == 6
    assert "lungscan train" in result.stderr
    assert not workflow


def test_evaluate_explains_all_none_or_a_number(workflow, datalist, trained):
    assert run("evaluate", trained, "-d", datalist, "--explain", "some").exit_code == 2
    assert not workflow


def test_evaluate_takes_a_folder_and_leaves_its_datalist_with_the_results(workflow, trained, tmp_path):
    for name in ("Normal/p1_a.png", "Normal/p1_b.png", "PNEUMONIA/p2_a.png"):
        (tmp_path / "films" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (4, 4)).save(tmp_path / "films" / name)
    options = ("-d", tmp_path / "films", "--output", tmp_path / "out", "--patient-regex", r"^(p\d)_")
    result = run("evaluate", trained, *options)
    assert result.exit_code == 0, result.stderr
    assert workflow[0][3]["datalist"] == str(tmp_path / "out" / "datalist.json")
    found = load_datalist(tmp_path / "out" / "datalist.json")
    assert {name: len(cases) for name, cases in found.sections.items()} == {"training": 0, "validation": 0, "test": 3}
    assert [case.patient for case in found.cases("test")] == ["p1", "p1", "p2"]


def test_evaluate_says_which_label_a_folder_lacks(workflow, trained, tmp_path):
    (tmp_path / "films" / "Normal").mkdir(parents=True)
    Image.new("L", (4, 4)).save(tmp_path / "films" / "Normal" / "a.png")
    assert "No test case of Pneumonia." in run("evaluate", trained, "-d", tmp_path / "films").stderr


def test_evaluate_refuses_a_folder_of_other_labels_with_5(workflow, trained, tmp_path):
    for name in ("Cat", "Dog"):
        (tmp_path / "pets" / name).mkdir(parents=True)
        Image.new("L", (4, 4)).save(tmp_path / "pets" / name / "a.png")
    result = run("evaluate", trained, "-d", tmp_path / "pets")
    assert result.exit_code == 5
    assert "folder Cat is none of the labels Normal, Pneumonia" in " ".join(result.stderr.split())
    assert not workflow


def test_evaluate_takes_a_patient_regex_for_a_folder_only(workflow, datalist, trained):
    assert run("evaluate", trained, "-d", datalist, "--patient-regex", "kermany").exit_code == 4
