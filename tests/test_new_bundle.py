from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from lungscan_monai.errors import BundleNotFoundError, ConfigError, OutputError
from lungscan_monai.new_bundle import FILES_TO_EDIT, new_bundle
from lungscan_monai.task import load_task

ROOT = Path(__file__).resolve().parents[1]
SIBLING = "pneumonia_cxr_classification"


@pytest.fixture
def sibling(tmp_path) -> Path:
    """A bundle with a model, results, and numbers in its card and metadata."""
    root = shutil.copytree(ROOT / "monai_bundles" / SIBLING, tmp_path / "bundles" / SIBLING)
    for name in ("models/model.pt", "models/manifest.json", "eval/report.json", "inference/predictions.csv"):
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_text("of the sibling", encoding="utf-8")
    card = root / "docs" / "README.md"
    card.write_text(
        card.read_text(encoding="utf-8").replace("No model is shipped,", "ROC AUC 0.987,"), encoding="utf-8"
    )
    path = root / "configs" / "metadata.json"
    metadata = json.loads(path.read_text(encoding="utf-8"))
    metadata |= {"version": "3.1.4", "changelog": {"3.1.4": "better"}, "eval_metrics": {"roc_auc": 0.987}}
    path.write_text(json.dumps(metadata), encoding="utf-8")
    return root


def files_of(root: Path) -> set[str]:
    return {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()}


def test_a_new_bundle_has_the_siblings_files_but_neither_model_nor_results(sibling):
    root = new_bundle("hip_classification", sibling)
    assert root == sibling.parent / "hip_classification"
    left_behind = {"models/model.pt", "models/manifest.json", "eval/report.json", "inference/predictions.csv"}
    assert files_of(root) == files_of(sibling) - left_behind


def test_its_history_begins_anew_and_no_number_of_the_sibling_is_left(sibling):
    root = new_bundle("hip_classification", sibling)
    metadata = json.loads((root / "configs" / "metadata.json").read_text(encoding="utf-8"))
    assert (metadata["version"], list(metadata["changelog"])) == ("0.1.0", ["0.1.0"])
    assert metadata["changelog"]["0.1.0"] == f"begun as a copy of {SIBLING} 3.1.4"
    assert metadata["name"] == "hip_classification"
    assert "eval_metrics" not in metadata
    assert "0.987" not in (root / "docs" / "README.md").read_text(encoding="utf-8")


def test_the_siblings_name_stands_in_the_changelog_only(sibling):
    root = new_bundle("hip_classification", sibling)
    named = [name for name in files_of(root) if SIBLING in (root / name).read_text(encoding="utf-8")]
    assert named == ["configs/metadata.json"]


def test_it_is_a_bundle_of_the_siblings_task_until_it_is_edited(sibling):
    task = load_task(new_bundle("hip_classification", sibling))
    assert task.name == "hip_classification"
    assert task.label_names == load_task(sibling).label_names


def test_the_files_to_edit_exist(sibling):
    root = new_bundle("hip_classification", sibling)
    assert len(FILES_TO_EDIT) == 4
    assert all((root / file.path).is_file() for file in FILES_TO_EDIT)


def test_it_can_be_made_in_another_folder(sibling, tmp_path):
    assert new_bundle("hip_classification", sibling, tmp_path / "mine") == tmp_path / "mine" / "hip_classification"


def test_the_remains_of_a_copy_that_was_cut_short_are_no_hindrance(sibling):
    remains = sibling.parent / ".hip_classification.part"
    (remains / "configs").mkdir(parents=True)
    (remains / "configs" / "metadata.json").write_text("{", encoding="utf-8")
    assert load_task(new_bundle("hip_classification", sibling)).kind == "binary"
    assert not remains.exists()


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("hip_xray", "must contain 'classification'"),
        ("hip_detection_classification", "'detection'"),
        ("hip_segmentation_classification", "'segmentation'"),
        ("Hip classification", "lower-case"),
        ("../hip_classification", "lower-case"),
    ],
)
def test_a_name_that_monai_label_would_misread_is_refused(sibling, name, reason):
    with pytest.raises(ConfigError, match=reason):
        new_bundle(name, sibling)


def test_an_existing_bundle_is_never_replaced(sibling):
    with pytest.raises(ConfigError, match="is there already"):
        new_bundle(SIBLING, sibling)
    assert (sibling / "models" / "model.pt").is_file()


def test_a_sibling_that_there_is_not_is_named(tmp_path):
    with pytest.raises(BundleNotFoundError, match="no_such"):
        new_bundle("hip_classification", "no_such", tmp_path)


def test_a_folder_that_cannot_be_written_is_an_output_error(sibling, tmp_path):
    (tmp_path / "file").write_text("x", encoding="utf-8")
    with pytest.raises(OutputError):
        new_bundle("hip_classification", sibling, tmp_path / "file")
