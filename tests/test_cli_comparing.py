import json

import pytest
from evaluation.examples import binary
from evaluation.test_comparing import better, evaluated
from typer.testing import CliRunner

from lungscan_monai.cli import app


def run(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def folders(tmp_path):
    evaluated(tmp_path / "small", binary())
    evaluated(tmp_path / "large", better("binary"))
    return tmp_path / "small", tmp_path / "large"


def test_compare_prints_differences_and_writes_json_and_a_page(folders, tmp_path):
    result = run("compare", *folders, "--output", tmp_path / "out", "--resamples", 50)
    assert result.exit_code == 0, result.stderr
    rows = [line.split("\t") for line in result.stdout.splitlines()]
    assert rows[0] == ["difference [95 % interval]", "Pneumonia"]
    assert rows[1][0] == "roc_auc" and rows[1][1].startswith("+0.")
    assert rows[-1][0] == "DeLong p (AUC)"
    written = json.loads((tmp_path / "out" / "compare.json").read_text())
    assert written["intervals"]["n_resamples"] == 50
    assert "# Comparison" in (tmp_path / "out" / "compare.md").read_text()


def test_compare_gives_all_as_json(folders, tmp_path):
    result = run("compare", *folders, "--output", tmp_path / "out", "--resamples", 20, "--interval", "bca", "--json")
    found = json.loads(result.stdout)
    assert found["intervals"]["method"] == "bca"
    assert found["comparison"] == str(tmp_path / "out" / "compare.json")


def test_other_cases_end_with_5_and_the_message_counts_them(folders, tmp_path):
    evaluated(tmp_path / "other", binary(case_ids=tuple(map(str, range(150)))))
    result = run("compare", folders[0], tmp_path / "other", "--output", tmp_path / "out")
    assert result.exit_code == 5
    assert "/small only, 90 in " in result.stderr
    assert not (tmp_path / "out").exists()


def test_a_wrong_command_line_ends_with_2(folders, tmp_path):
    assert run("compare", folders[0], tmp_path / "absent").exit_code == 2
    assert run("compare", *folders, "--interval", "wald").exit_code == 2
