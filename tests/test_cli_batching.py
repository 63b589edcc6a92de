from __future__ import annotations

import json
import runpy
import sys
from pathlib import Path

import pytest
from small_bundle import mixed_folder, small_bundle, write_png
from typer.testing import CliRunner

from lungscan_monai.cli import app

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory) -> Path:
    return small_bundle(tmp_path_factory.mktemp("bundle"))


def run(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_a_folder_with_rejects_ends_with_3_and_the_counts(bundle, tmp_path, make_dicom):
    mixed_folder(tmp_path / "in", make_dicom)
    result = run("batch", bundle, tmp_path / "in", "--output", tmp_path / "out", "--workers", 1)
    assert result.exit_code == 3, result.stderr
    assert [line.split("\t") for line in result.stdout.splitlines()] == [
        ["files", "number"],
        ["found", "14"],
        ["done", "6"],
        ["assessed", "5"],
        ["skipped", "5"],
        ["rejected", "3"],
    ]
    assert "Rejected: 1 not-dicom, 1 truncated, 1 unknown-format." in result.stderr
    assert "Not assessable: 1 modality." in result.stderr
    assert "short.dcm" not in result.stderr and "good" not in result.stderr
    again = run("batch", bundle, tmp_path / "in", "--output", tmp_path / "out", "--workers", 1)
    assert again.exit_code == 8 and "--resume" in again.stderr


def test_a_folder_without_rejects_ends_with_0_and_json_holds_the_summary(bundle, tmp_path):
    write_png(tmp_path / "in" / "a.png", 1)
    output = tmp_path / "out"
    result = run("batch", bundle, tmp_path / "in", "--output", output, "--workers", 1, "--explain", "--json")
    assert result.exit_code == 0, result.stderr
    summary = json.loads((output / "summary.json").read_text(encoding="utf-8"))
    assert json.loads(result.stdout) == {"output": str(output), **summary}
    assert len(list((output / "heatmaps").rglob("*.jpg"))) == 1
    assert "Not for diagnosis" in result.stderr


@pytest.mark.parametrize(("options", "told"), [([], False), (["--exact"], False), (["--no-exact"], True)])
def test_that_pictures_may_have_been_decoded_smaller_is_said(bundle, tmp_path, options, told):
    write_png(tmp_path / "in" / "a.png", 1)
    result = run("batch", bundle, tmp_path / "in", "--output", tmp_path / "out", "--workers", 1, *options)
    assert result.exit_code == 0 and ("JPEG 2000" in result.stderr) == told


def test_wrong_options_end_with_their_codes(bundle, tmp_path):
    (tmp_path / "in").mkdir()
    assert run("batch", bundle, tmp_path / "nowhere", "--output", tmp_path / "out").exit_code == 5
    assert run("batch", bundle, tmp_path / "in", "--output", tmp_path / "out", "--key", "k").exit_code == 4
    assert run("batch", bundle, tmp_path / "in", "--output", tmp_path / "out", "--batch-size", 0).exit_code == 2
    assert run("batch", bundle, tmp_path / "in", "--output", tmp_path / "out", "--backend", "none").exit_code == 4


def test_the_script_does_the_same(bundle, tmp_path, monkeypatch):
    write_png(tmp_path / "in" / "a.png", 1)
    arguments = [str(bundle), str(tmp_path / "in"), "--output", str(tmp_path / "out"), "--workers", "1"]
    monkeypatch.setattr(sys, "argv", ["batch_evaluate.py", *arguments])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(ROOT / "scripts" / "batch_evaluate.py"), run_name="__main__")
    assert ended.value.code == 0 and (tmp_path / "out" / "predictions.csv").is_file()
