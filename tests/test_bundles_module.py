from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from lungscan_monai.bundles import (
    bundle_folders,
    find_bundle,
    find_bundles,
    has_model,
    require_known_overrides,
    require_model,
    run_workflow,
    working_copy,
)
from lungscan_monai.errors import (
    BundleNotFoundError,
    CheckpointError,
    ConfigError,
    DataError,
    OutputError,
    ReadError,
    TaskError,
    UnknownOverrideError,
    chain_of,
    own_error,
)
from lungscan_monai.task import load_task

CLONE = Path(__file__).resolve().parents[1]
NAME = "pneumonia_cxr_classification"
METADATA = (CLONE / "monai_bundles" / NAME / "configs" / "metadata.json").read_text(encoding="utf-8")
NOWHERE = "/nowhere/at/all"

WORKFLOW = {
    "bundle_root": "?",
    "imports": ["$import pathlib"],
    "word": "nothing",
    "trainer": {"_target_": "builtins.dict", "max_epochs": 1},
    "log": "$pathlib.Path(@bundle_root) / 'log.txt'",
    "task": {"_target_": "lungscan_monai.task.load_task", "bundle_root": NOWHERE},
    "failing_engine": {
        "_target_": "ignite.engine.Engine",
        "process_function": "$lambda engine, batch: __import__('lungscan_monai.task').task.load_task('/nowhere')",
    },
    "initialize": ["$@log.write_text('initialize ')"],
    "training": ["$@log.open('a').write(@word + str(@trainer['max_epochs']) + ' ')"],
    "unreadable": ["$@task"],
    "failing": ["$@failing_engine.run([1])"],
    "foreign": ["$1 / 0"],
    "finalize": ["$@log.open('a').write('finalize')"],
}


def make_bundle(root: Path, metadata: str = METADATA) -> Path:
    (root / "configs").mkdir(parents=True)
    (root / "configs" / "metadata.json").write_text(metadata, encoding="utf-8")
    return root


@pytest.fixture
def bundle(tmp_path):
    root = make_bundle(tmp_path / "a_classification")
    (root / "configs" / "train.json").write_text(json.dumps(WORKFLOW), encoding="utf-8")
    (root / "configs" / "evaluate.json").write_text(json.dumps({"word": "evaluating"}), encoding="utf-8")
    return root


def test_the_bundles_of_a_clone_are_found_from_any_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LUNGSCAN_BUNDLES", raising=False)
    expected = sorted(path.parent.parent.name for path in CLONE.glob("monai_bundles/*/configs/metadata.json"))
    assert [path.name for path in find_bundles()] == expected
    assert find_bundle(NAME) == CLONE / "monai_bundles" / NAME


def test_named_folders_come_first_then_the_working_directory(tmp_path, monkeypatch):
    first, second = tmp_path / "first", tmp_path / "second"
    monkeypatch.setenv("LUNGSCAN_BUNDLES", f"{first}{os.pathsep}{second}")
    monkeypatch.chdir(tmp_path)
    assert bundle_folders()[:3] == [first, second, tmp_path / "monai_bundles"]
    make_bundle(tmp_path / "monai_bundles" / "one")
    make_bundle(second / "one")
    assert find_bundle("one") == second / "one"
    make_bundle(first / "one")
    assert find_bundle("one") == first / "one"


def test_folders_without_metadata_are_no_bundles(tmp_path, monkeypatch):
    monkeypatch.setenv("LUNGSCAN_BUNDLES", str(tmp_path))
    (tmp_path / "notes").mkdir()
    (tmp_path / "file.txt").write_text("x", encoding="utf-8")
    assert not {"notes", "file.txt"} & {path.name for path in find_bundles()}
    with pytest.raises(BundleNotFoundError, match="no configs/metadata.json"):
        find_bundle(tmp_path / "notes")


def test_a_path_is_taken_before_a_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert find_bundle(make_bundle(tmp_path / NAME)) == (tmp_path / NAME).resolve()
    assert find_bundle(NAME) == (tmp_path / NAME).resolve()


@pytest.mark.parametrize("wanted", ["pneumonia_cxr_clasification", "pneumonia"])
def test_an_unknown_name_gets_the_nearest_one_and_the_list(wanted):
    with pytest.raises(BundleNotFoundError) as caught:
        find_bundle(wanted)
    assert f"did you mean {NAME}?" in str(caught.value)
    assert "There are: " in str(caught.value)


def test_a_trained_bundle_has_its_model(bundle):
    assert not has_model(bundle)
    with pytest.raises(CheckpointError, match="lungscan train"):
        require_model(bundle)
    (bundle / "models").mkdir()
    (bundle / "models" / "model.pt").write_bytes(b"weights")
    assert has_model(bundle)
    require_model(bundle)


def test_a_working_copy_has_configs_and_documents_but_no_models_and_results(bundle, tmp_path):
    for name in ("docs/README.md", "models/model.pt", "eval/report.json", "LICENSE"):
        (bundle / name).parent.mkdir(exist_ok=True)
        (bundle / name).write_text(name, encoding="utf-8")
    target = working_copy(bundle, tmp_path / "runs" / "first")
    copied = {path.relative_to(target).as_posix() for path in target.rglob("*") if path.is_file()}
    configs = {f"configs/{name}.json" for name in ("metadata", "train", "evaluate")}
    assert copied == {*configs, "docs/README.md", "LICENSE"}
    assert load_task(target).label_names == load_task(bundle).label_names


def test_a_working_copy_made_before_is_left_as_it_is(bundle, tmp_path):
    target = working_copy(bundle, tmp_path / "copy")
    (target / "configs" / "train.json").write_text("changed", encoding="utf-8")
    assert working_copy(bundle, target) == target
    assert (target / "configs" / "train.json").read_text(encoding="utf-8") == "changed"


def test_a_working_copy_is_refused_where_a_bundle_of_another_task_is(bundle, tmp_path):
    other = make_bundle(tmp_path / "other", METADATA.replace('"Normal"', '"Healthy"'))
    with pytest.raises(ConfigError, match="Healthy"):
        working_copy(bundle, other)


def test_a_working_copy_that_was_cut_short_is_no_bundle_and_can_be_completed(bundle, tmp_path, monkeypatch):
    monkeypatch.setattr(Path, "rename", lambda self, target: (_ for _ in ()).throw(OSError("no space left")))
    with pytest.raises(OutputError, match="no space left"):
        working_copy(bundle, tmp_path / "copy")
    with pytest.raises(BundleNotFoundError):
        find_bundle(tmp_path / "copy")
    monkeypatch.undo()
    assert find_bundle(working_copy(bundle, tmp_path / "copy")) == tmp_path / "copy"


def test_a_working_copy_cannot_be_made_in_a_file(bundle, tmp_path):
    (tmp_path / "file").write_text("x", encoding="utf-8")
    with pytest.raises(OutputError):
        working_copy(bundle, tmp_path / "file")


@pytest.mark.parametrize(
    "name", ["word", "trainer#max_epochs", "trainer::max_epochs", "trainer#device", "initialize#0#x"]
)
def test_overrides_of_entries_arguments_and_list_items_pass(bundle, name):
    require_known_overrides(bundle, [name])


@pytest.mark.parametrize("name", ["wrod", "trainr#max_epochs", "trainer#inferer#roi_size", "train"])
def test_overrides_of_nothing_that_the_bundle_has_are_refused_by_name(bundle, name):
    with pytest.raises(UnknownOverrideError, match=name):
        require_known_overrides(bundle, ["word", name])


def test_all_unknown_overrides_are_named_with_the_nearest_known_one(bundle):
    with pytest.raises(UnknownOverrideError) as caught:
        require_known_overrides(bundle, ["wrod", "traner#max_epochs"])
    assert "did you mean --word?" in str(caught.value)
    assert "did you mean --trainer#max_epochs?" in str(caught.value)


def test_a_workflow_is_initialized_run_and_finalized_with_its_overrides(bundle, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run_workflow(bundle, ["train.json"], "training", {"word": "epochs=", "trainer::max_epochs": 7})
    assert (bundle / "log.txt").read_text(encoding="utf-8") == "initialize epochs=7 finalize"


def test_later_configs_are_laid_over_earlier_ones(bundle):
    run_workflow(bundle, ["train.json", "evaluate.json"], "training")
    assert (bundle / "log.txt").read_text(encoding="utf-8") == "initialize evaluating1 finalize"


def test_an_unknown_override_is_refused_before_anything_runs(bundle):
    with pytest.raises(UnknownOverrideError):
        run_workflow(bundle, ["train.json"], "training", {"wrod": 1})
    assert not (bundle / "log.txt").exists()


def test_a_config_that_the_bundle_lacks_is_named(bundle):
    with pytest.raises(ConfigError, match=r"configs/inference\.json"):
        run_workflow(bundle, ["train.json", "inference.json"], "inference")


@pytest.mark.parametrize("run_id", ["unreadable", "failing"])
def test_errors_of_ours_are_freed_from_those_that_monai_and_ignite_wrap_around_them(bundle, run_id):
    with pytest.raises(TaskError, match="nowhere"):
        run_workflow(bundle, ["train.json"], run_id)


def test_errors_of_others_stay_as_they_are(bundle):
    with pytest.raises(RuntimeError, match="1 / 0"):
        run_workflow(bundle, ["train.json"], "foreign")


def test_an_error_of_ours_is_found_through_cause_and_context():
    ours = ReadError("a.dcm", "truncated", "is cut short")
    try:
        try:
            try:
                raise ours
            except ReadError as error:
                raise RuntimeError("applying transform") from error
        except RuntimeError:
            raise KeyError("image")  # noqa: B904
    except KeyError as error:
        assert own_error(error) is ours
    assert own_error(ours) is ours
    assert own_error(ValueError("of another")) is None


def test_an_error_of_ours_that_was_set_aside_is_not_found():
    try:
        try:
            raise TaskError("settled")
        except TaskError:
            raise ValueError("another matter") from None
    except ValueError as error:
        assert own_error(error) is None


class UnreadableImages:
    def __len__(self):
        return 1

    def __getitem__(self, index):
        raise RuntimeError("applying transform LoadImaged") from ReadError("a.dcm", "truncated", "is cut short")


def test_an_error_of_ours_in_a_worker_of_a_data_loader_is_found():
    from torch.utils.data import DataLoader

    with pytest.raises(RuntimeError) as caught:
        list(DataLoader(UnreadableImages(), num_workers=1))
    found = own_error(caught.value)
    assert isinstance(found, DataError)
    assert str(found) == "a.dcm: is cut short [truncated]"


def test_the_chain_of_an_error_ends_where_it_began_even_if_it_is_a_circle():
    first, last = ValueError("first"), RuntimeError("last")
    last.__cause__, first.__cause__ = first, last
    assert chain_of(last) == [last, first]


def test_finding_bundles_needs_the_standard_library_only():
    heavy = "{'torch', 'monai', 'numpy'}"
    code = f"import sys, lungscan_monai.bundles as b; b.find_bundles(); print(*{heavy} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=CLONE, check=True)
    assert done.stdout.strip() == ""
