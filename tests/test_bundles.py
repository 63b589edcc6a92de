"""The contract of every bundle: it walks over whatever folders it finds."""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from monai.bundle import ConfigParser, ConfigWorkflow, ckpt_export, onnx_export, verify_metadata, verify_net_in_out
from pictures import metadata_of, spots

from lungscan_monai.checkpoints import CheckpointStore
from lungscan_monai.errors import own_error
from lungscan_monai.inference.predictor import Prediction, Predictor
from lungscan_monai.overrides import known_ids
from lungscan_monai.task import load_task

ROOT = Path(__file__).resolve().parents[1]
BUNDLES = sorted(path.parents[1] for path in (ROOT / "monai_bundles").glob("*/configs/metadata.json"))
REQUIRED = [
    "LICENSE",
    "large_files.yml",
    "configs/metadata.json",
    "configs/train.json",
    "configs/evaluate.json",
    "configs/inference.json",
    "configs/multi_gpu_train.json",
    "configs/multi_gpu_evaluate.json",
    "configs/logging.conf",
    "docs/README.md",
    "docs/data_license.txt",
]
ALLOWED_TARGETS = (
    "lungscan_monai.",
    "monai.data.",
    "monai.engines.",
    "monai.handlers.",
    "monai.inferers.",
    "monai.utils.set_determinism",
    "torch.nn.",
    "torch.optim.",
    "ignite.distributed.get_rank",
)
"""A config may make what trains and evaluates; nothing that opens files or runs other programs."""
SMALL = {"backbone": "test_efficientnet", "image_size": [64, 64]}
QUICK = {**SMALL, "weights": "none", "batch_size": 8, "accumulation_steps": 1, "head_epochs": 1, "max_epochs": 1}
REQUIRED_BY_THE_SCHEMA = (
    "schema",
    "version",
    "monai_version",
    "pytorch_version",
    "numpy_version",
    "required_packages_version",
    "task",
    "description",
    "authors",
    "copyright",
    "network_data_format",
)
WANTED_BY_THE_ZOO = (
    "name",
    "changelog",
    "data_source",
    "data_type",
    "image_classes",
    "label_classes",
    "pred_classes",
    "intended_use",
    "references",
)
OWN_TO_EACH = {"output_dir", "batch_size", "initialize", "run", "finalize"}
"""Top-level entries that training and inference both have, and that need not be equal."""

ONLY_FOR_TRAINING = {"weights", "trainable_blocks"}
"""Arguments of the network that a trained one does not need."""

pytestmark = pytest.mark.filterwarnings("ignore:.*:UserWarning", "ignore::FutureWarning", "ignore::DeprecationWarning")


@pytest.fixture(params=BUNDLES, ids=lambda path: path.name, scope="module")
def source(request) -> Path:
    return request.param


@pytest.fixture(scope="module")
def trained(source: Path, tmp_path_factory) -> tuple[Path, Path]:
    """A copy of the bundle, trained for an epoch and evaluated; and its datalist."""
    root = tmp_path_factory.mktemp("bundles") / source.name
    shutil.copytree(source, root, ignore=shutil.ignore_patterns("*.pt", "*.json.part"))
    pictures = tmp_path_factory.mktemp("pictures")
    datalist = spots(pictures, metadata_of(root))
    run(root, ["train"], "training", datalist=str(datalist), **known(root, QUICK))
    run(root, ["train", "evaluate"], "evaluating", datalist=str(datalist), **SMALL, resamples=50)
    return root, datalist


def known(root: Path, settings: dict) -> dict:
    """Return the settings that this bundle has: not every one trains its head by itself first."""
    return {name: value for name, value in settings.items() if name in known_ids(root)}


def workflow(root: Path, names: list[str], run_id: str = "run", **overrides) -> ConfigWorkflow:
    made = ConfigWorkflow(
        workflow_type="infer" if names == ["inference"] else "train",
        config_file=[str(root / "configs" / f"{name}.json") for name in names],
        meta_file=str(root / "configs" / "metadata.json"),
        logging_file=None,
        run_id=run_id,
        bundle_root=str(root),
        **overrides,
    )
    made.initialize()
    return made


def run(root: Path, names: list[str], run_id: str = "run", **overrides) -> None:
    made = workflow(root, names, run_id, **overrides)
    made.run()
    made.finalize()


def configs(root: Path) -> dict[str, dict]:
    return {path.stem: json.loads(path.read_text()) for path in (root / "configs").glob("*.json")}


def targets(content) -> list[str]:
    if isinstance(content, dict):
        own = [content["_target_"]] if "_target_" in content else []
        return own + [name for value in content.values() for name in targets(value)]
    return [name for value in content for name in targets(value)] if isinstance(content, list) else []


def values(content) -> list:
    """Return all that stands in a config, at any depth."""
    inside = content.values() if isinstance(content, dict) else content if isinstance(content, list) else []
    return [content, *(value for part in inside for value in values(part))]


def texts(content) -> list[str]:
    return [value for value in values(content) if isinstance(value, str)]


def expressions(content) -> list[str]:
    return [text for text in texts(content) if text.startswith("$")]


def test_there_are_bundles():
    assert BUNDLES


@pytest.mark.parametrize("name", REQUIRED)
def test_the_files_of_a_bundle_are_there(source, name):
    assert (source / name).is_file()


def test_its_name_lets_monai_label_serve_it(source):
    assert "classification" in source.name
    assert not any(word in source.name for word in ("detection", "segmentation", "deepedit", "deepgrow"))
    assert "background" not in {name.lower() for name in load_task(source).label_names}


def test_the_changelog_knows_the_version(source):
    metadata = metadata_of(source)
    assert metadata["version"] in metadata["changelog"]


def test_only_allowed_objects_are_made(source):
    for name, content in configs(source).items():
        strangers = [t for t in targets(content) if "." in t and not t.startswith(ALLOWED_TARGETS)]
        assert not strangers, f"{name}.json makes {strangers}"


def test_expressions_are_one_hop(source):
    for name, content in configs(source).items():
        for text in expressions(content):
            assert not any(word in text for word in ("lambda", " for ", "import", "open(")), f"{name}.json: {text}"


def test_preprocessing_is_the_same_in_training_and_inference(source):
    train, inference = configs(source)["train"]["train"], configs(source)["inference"]
    assert train["deterministic_transforms"] + train["input_transforms"] == inference["preprocessing"]["transforms"]


def test_no_label_name_stands_in_a_config(source):
    labels = load_task(source).label_names
    for path in (source / "configs").glob("*.json"):
        if path.name != "metadata.json":
            assert not any(f'"{label}"' in path.read_text() for label in labels)


def test_what_training_and_inference_both_state_is_equal(source):
    train, inference = configs(source)["train"], configs(source)["inference"]
    network = {name: value for name, value in train["network_def"].items() if name not in ONLY_FOR_TRAINING}
    assert network == {name: value for name, value in inference["network_def"].items() if name not in ONLY_FOR_TRAINING}
    shared = set(train) & set(inference) - OWN_TO_EACH - {"network_def"}
    assert {"backbone", "image_size", "task", "device", "mean", "std"} <= shared
    assert {name: train[name] for name in shared} == {name: inference[name] for name in shared}


def test_no_fact_stands_in_a_config(source):
    task = load_task(source)
    for name, content in configs(source).items():
        if name != "metadata":
            assert list(task.image_size) not in values(content), name
            assert not {task.title, task.version, task.intended_use, *task.modalities} & set(texts(content)), name


def test_the_metadata_say_the_labels_twice_alike(source):
    metadata, task = metadata_of(source), load_task(source)
    assert metadata["label_classes"] == ", ".join(f"{index}: {name}" for index, name in enumerate(task.label_names))
    assert metadata["network_data_format"]["outputs"]["pred"]["num_channels"] == task.num_outputs


def test_the_metadata_have_what_the_schema_requires_and_the_zoo_wants(source):
    metadata = metadata_of(source)
    assert set(REQUIRED_BY_THE_SCHEMA + WANTED_BY_THE_ZOO) <= set(metadata)
    assert {"lungscan-monai", "timm", "pytorch-ignite", "pydicom"} <= set(metadata["required_packages_version"])


def test_the_metadata_pass_the_schema_that_they_name(source, tmp_path):
    schema = os.environ.get("LUNGSCAN_METADATA_SCHEMA")
    if not schema:
        pytest.skip("LUNGSCAN_METADATA_SCHEMA is not set: no file of the metadata's schema")
    shutil.copy(schema, tmp_path / "schema.json")
    verify_metadata(meta_file=str(source / "configs" / "metadata.json"), filepath=str(tmp_path / "schema.json"))


def test_the_network_takes_and_gives_what_the_metadata_say(source):
    arguments = {"meta_file": str(source / "configs" / "metadata.json"), "bundle_root": str(source), "device": "cpu"}
    config_file = str(source / "configs" / "inference.json")
    verify_net_in_out("network_def", config_file=config_file, backbone=SMALL["backbone"], **arguments)


@pytest.mark.parametrize(("overlay", "run_id"), [("multi_gpu_train", "training"), ("multi_gpu_evaluate", "evaluating")])
def test_an_overlay_for_several_processes_joins_them_divides_the_cases_and_leaves(source, overlay, run_id):
    content = configs(source)[overlay]
    assert content["initialize"][0] == {"_target_": "lungscan_monai.distributed.start"}
    assert content["finalize"] == [{"_target_": "lungscan_monai.distributed.stop"}]
    sampler = content["validate#sampler"]
    assert (sampler["even_divisible"], sampler["shuffle"]) == (False, False)
    assert content["validate#dataloader#sampler"] == "@validate#sampler"


def test_both_run_ids_are_there(source):
    for name, run_id in (("train", "training"), ("evaluate", "evaluating"), ("inference", "inference")):
        content = configs(source)[name]
        assert content["run"] and content[run_id] == "@run"


@pytest.mark.parametrize("names", [["train"], ["train", "evaluate"], ["inference"]], ids="+".join)
def test_monai_misses_no_property(trained, names):
    root, datalist = trained
    data = {"dataset_dir": str(datalist.parent)} if names == ["inference"] else {"datalist": str(datalist)}
    weights = {} if names == ["inference"] else {"weights": "none"}
    assert workflow(root, names, **SMALL, **data, **weights).check_properties() == []


@pytest.mark.parametrize("override", ["max_epocs", "train#trainer#max_epoch", "learning_rat"])
def test_a_misspelt_override_is_refused_by_name(source, override):
    with pytest.raises(RuntimeError) as caught:
        workflow(source, ["train"], **{override: 3})
    assert f"--{override}" in str(caught.value.__cause__)


def test_a_datalist_with_the_labels_in_another_order_is_refused(source, tmp_path):
    task = load_task(source)
    turned = metadata_of(source)
    names = task.label_names[1:] + task.label_names[:1]
    turned["network_data_format"]["outputs"]["pred"]["channel_def"] = {str(i): name for i, name in enumerate(names)}
    datalist = spots(tmp_path, turned)
    for names, section in ((["train"], "train"), (["train"], "validate"), (["train", "evaluate"], "validate")):
        made = workflow(source, names, datalist=str(datalist), **SMALL, weights="none")
        with pytest.raises(RuntimeError) as caught:
            made.parser.get_parsed_content(f"{section}#dataset#data")
        assert "in this order" in str(own_error(caught.value))


def test_an_optional_argument_that_no_config_names_is_accepted(source):
    workflow(source, ["train"], **{"train#optimizer#eps": 1e-7})


def test_training_leaves_a_verified_model_and_its_history(trained):
    root, _ = trained
    manifest = json.loads((root / "models" / "manifest.json").read_text())["files"]
    assert {"model.pt", "resume.pt"} <= set(manifest)
    assert manifest["model.pt"]["labels"] == list(load_task(root).label_names)
    epochs = json.loads((root / "models" / "history.json").read_text())["epochs"]
    assert len(epochs) >= 1 and all("train_loss" in epoch for epoch in epochs)
    assert all(epoch["learning_rate"] > 0 for epoch in epochs)  # that of the epoch, not of the one after it
    assert list((root / "eval" / "tensorboard").glob("events*"))


def test_evaluation_leaves_report_figures_predictions_and_explanations(trained):
    root, _ = trained
    report = json.loads((root / "eval" / "report.json").read_text())
    assert (
        report["facts"]["model_sha256"]
        == json.loads((root / "models" / "manifest.json").read_text())["files"]["model.pt"]["sha256"]
    )
    with (root / "eval" / "predictions.csv").open() as stream:
        assert len(list(csv.DictReader(stream))) == 24
    index = json.loads((root / "eval" / "explanations" / "index.json").read_text())
    assert len({entry["case"] for entry in index}) == 12
    gallery = [
        entry
        for label in report["error_gallery"]
        for kind in ("false_positives", "false_negatives", "confident")
        for entry in label[kind]
    ]
    assert gallery and all((root / "eval" / entry["heatmap"]).is_file() for entry in gallery)
    assert report["explanations"]["faithfulness"]["cases"] == 12
    assert (root / "eval" / "report.md").is_file() and list((root / "eval" / "figures").glob("*.png"))


def test_evaluation_and_predictor_decide_alike_and_explain_what_was_decided(trained):
    root, datalist = trained
    index = json.loads((root / "eval" / "explanations" / "index.json").read_text())
    explained = {(entry["case"], entry["label"]) for entry in index}
    cases = sorted({entry["case"] for entry in index})
    for case, answer in zip(cases, Predictor(root).predict([datalist.parent / case for case in cases]), strict=True):
        most_probable = max(answer.probabilities, key=answer.probabilities.get)
        assert (case, answer.label or most_probable) in explained


def test_inference_works_from_another_directory_and_equals_the_predictor(trained, tmp_path, monkeypatch):
    root, datalist = trained
    monkeypatch.chdir(tmp_path)
    run(root, ["inference"], "inference", dataset_dir=str(datalist.parent), output_dir=str(tmp_path / "out"), **SMALL)
    with (tmp_path / "out" / "predictions.csv").open() as stream:
        rows = {row["case"]: row for row in csv.DictReader(stream)}
    assert len(rows) == 48
    answers = Predictor(root).predict([datalist.parent / name for name in sorted(rows)])
    for name, answer in zip(sorted(rows), answers, strict=True):
        assert isinstance(answer, Prediction)
        for label, probability in answer.probabilities.items():
            assert float(rows[name][label]) == pytest.approx(probability, abs=2e-6)


def test_monais_own_command_runs_inference_from_another_directory(trained, tmp_path):
    root, datalist = trained
    if root.name != BUNDLES[0].name:
        pytest.skip(f"one process is started for all: {BUNDLES[0].name}")
    command = [sys.executable, "-W", "ignore", "-m", "monai.bundle", "run", "inference", "--bundle_root", str(root)]
    command += ["--config_file", str(root / "configs" / "inference.json"), "--dataset_dir", str(datalist.parent)]
    command += [text for name, value in SMALL.items() for text in (f"--{name}", str(value))]
    command += ["--output_dir", str(tmp_path / "out")]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert len((tmp_path / "out" / "predictions.csv").read_text(encoding="utf-8").splitlines()) == 1 + 48


def test_monai_label_could_load_it_from_the_one_file(trained):
    root, datalist = trained
    parser = ConfigParser()
    parser.read_config(str(root / "configs" / "inference.json"))
    parser.update({"bundle_root": str(root), **SMALL})
    data = parser.get_parsed_content("preprocessing")({"image": str(next(datalist.parent.glob("*.png")))})
    network = parser.get_parsed_content("network_def").eval()
    inferer = parser.get_parsed_content("inferer")
    data["pred"] = inferer(data["image"][None], network)[0].detach()
    result = parser.get_parsed_content("postprocessing")(data)
    assert result["pred"].shape == (len(load_task(root).label_names),)
    assert hasattr(result["pred"], "array") and "spatial_shape" not in result["image"].meta


def test_known_ids_hold_what_a_user_would_change(source):
    expected = {"datalist", "weights", "backbone", "image_size", "max_epochs", "learning_rate", "batch_size"}
    expected |= {"accumulation_steps", "ema_decay", "mixup_alpha", "cutmix_alpha", "precision", "compile", "cache_dir"}
    assert expected | {"unreadable", "profile", "seed", "output_dir"} <= known_ids(source)


@pytest.fixture(scope="module")
def answers(trained) -> tuple[torch.Tensor, np.ndarray]:
    """Some input, and the trained network's logits."""
    root, _ = trained
    image = torch.rand(1, load_task(root).num_channels, *SMALL["image_size"])
    with torch.no_grad():
        return image, Predictor(root, device="cpu").network(image).numpy()


def export(function, root: Path, file: Path, **options) -> None:
    """Export the trained model by a command of MONAI."""
    files = {"config_file": "inference.json", "meta_file": "metadata.json"}
    paths = {name: str(root / "configs" / config) for name, config in files.items()}
    model = {"filepath": str(file), "ckpt_file": str(root / "models" / "model.pt"), "bundle_root": str(root)}
    function("network_def", **model, **paths, device="cpu", **{**SMALL, **options})


@pytest.mark.slow
def test_the_network_that_a_bundle_states_is_exported_too(source, tmp_path):
    for package in ("onnx", "onnxscript", "onnxruntime"):
        pytest.importorskip(package, reason=f"{package} is not installed: pip install 'lungscan-monai[export]'")
    import onnxruntime

    root, size = shutil.copytree(source, tmp_path / source.name), [96, 96]
    parser = ConfigParser()
    parser.read_config(str(root / "configs" / "inference.json"))
    parser.update({"bundle_root": str(root), "image_size": size})
    network = parser.get_parsed_content("network_def").eval()
    CheckpointStore(root / "models", load_task(root)).save_model(network)
    image = torch.rand(1, 3, *size)
    with torch.no_grad():
        expected = network(image).numpy()
    settings = {"backbone": parser["backbone"], "image_size": size}
    export(ckpt_export, root, tmp_path / "model.ts", **settings)
    export(onnx_export, root, tmp_path / "model.onnx", input_shape=list(image.shape), **settings)
    with torch.no_grad():
        np.testing.assert_allclose(torch.jit.load(str(tmp_path / "model.ts"))(image).numpy(), expected, atol=1e-4)
    session = onnxruntime.InferenceSession(str(tmp_path / "model.onnx"), providers=["CPUExecutionProvider"])
    (exported,) = session.run(None, {session.get_inputs()[0].name: image.numpy()})
    np.testing.assert_allclose(exported, expected, atol=1e-4)


def test_a_torchscript_export_answers_as_the_network(trained, answers, tmp_path):
    export(ckpt_export, trained[0], tmp_path / "model.ts")
    with torch.no_grad():
        exported = torch.jit.load(str(tmp_path / "model.ts"))(answers[0]).numpy()
    np.testing.assert_allclose(exported, answers[1], atol=1e-4)


def test_an_onnx_export_answers_as_the_network(trained, answers, tmp_path):
    for package in ("onnx", "onnxscript", "onnxruntime"):
        pytest.importorskip(package, reason=f"{package} is not installed: pip install 'lungscan-monai[export]'")
    import onnxruntime

    export(onnx_export, trained[0], tmp_path / "model.onnx", input_shape=list(answers[0].shape))
    session = onnxruntime.InferenceSession(str(tmp_path / "model.onnx"), providers=["CPUExecutionProvider"])
    (exported,) = session.run(None, {session.get_inputs()[0].name: answers[0].numpy()})
    np.testing.assert_allclose(exported, answers[1], atol=1e-4)
