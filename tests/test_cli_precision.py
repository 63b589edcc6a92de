"""`lungscan precision` from the command line: a table, JSON, and what the other verbs make of the verdict."""

from __future__ import annotations

import json

import pytest
from small_bundle import small_bundle, write_png
from typer.testing import CliRunner

from lungscan_monai.cli import app
from lungscan_monai.data.datalist import Case, Datalist


def run(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    for package in ("onnx", "onnxscript", "onnxruntime"):
        pytest.importorskip(package, reason=f"{package} is not installed: pip install 'lungscan-monai[export]'")
    return small_bundle(tmp_path_factory.mktemp("bundle"))


@pytest.fixture(scope="module")
def datalist(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cases")
    sections = {
        section: tuple(
            Case(write_png(folder / f"{section}{number}.png", number + first).name, number % 2)
            for number in range(count)
        )
        for section, first, count in (("training", 0, 8), ("validation", 100, 12))
    }
    path = folder / "datalist.json"
    Datalist("noise", "binary", ("Normal", "Pneumonia"), folder, sections).save(path)
    return path


def test_int8_is_made_compared_and_refused_with_its_reasons(bundle, datalist):
    result = run("precision", bundle, "-d", datalist, "--backend", "onnx")
    assert result.exit_code == 0, result.stderr
    header, row = [line.split("\t") for line in result.stdout.splitlines()]
    assert header[:3] == ["backend", "cases", "decisions changed"]
    assert row[:2] == ["onnx", "12"] and row[2].endswith(" of 12") and row[-1].endswith("x")
    assert "onnx in int8 is refused: 12 cases are too few to tell, it takes 100" in result.stderr
    assert (bundle / "models" / "model_int8.onnx").is_file()
    image = datalist.parent / "validation0.png"
    refused = run("predict", bundle, image, "--backend", "onnx", "--precision", "int8")
    assert refused.exit_code == 11 and refused.stdout == ""
    assert "of 12 decisions change" in refused.stderr and "12 cases are too few" in refused.stderr
    auto = json.loads(run("predict", bundle, image, "--backend", "auto", "--precision", "int8", "--json").stdout)
    assert auto["backend"]["precision"] == "float32"


def test_the_verdicts_come_as_json(bundle, datalist):
    result = run("precision", bundle, "-d", datalist, "--precision", "bfloat16", "--backend", "torch", "--json")
    (verdict,) = json.loads(result.stdout)["verdicts"]
    assert (verdict["backend"], verdict["precision"], verdict["agrees"]) == ("torch", "bfloat16", False)
    assert verdict["figures"]["cases"] == 12 and verdict["tolerances"]["changed_decisions"] == 0.01
    stored = json.loads((bundle / "models" / "precision.json").read_text())["verdicts"]
    assert verdict in stored


def test_int8_that_nobody_compared_is_refused_and_the_command_named(datalist, tmp_path):
    root = small_bundle(tmp_path)
    refused = run("predict", root, datalist.parent / "validation0.png", "--backend", "onnx", "--precision", "int8")
    assert refused.exit_code == 11
    assert "`lungscan precision BUNDLE --datalist FILE --precision int8` does that" in refused.stderr


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (["--backend", "torch"], 4, "backend torch computes in float32 and bfloat16 only, not in int8"),
        (["--precision", "int4"], 4, "precision is 'int4', expected bfloat16 or int8"),
        (["--section", "test"], 5, "section test has no case"),
        (["--section", "training"], 4, "name two sections"),
        (["--datalist", "absent.json"], 2, "there is no datalist absent.json"),
    ],
)
def test_what_cannot_be_compared_ends_with_the_code_of_its_reason(bundle, datalist, options, code, message):
    result = run("precision", bundle, "-d", datalist, *options)
    assert result.exit_code == code
    assert message in " ".join(result.stderr.replace("│", " ").split())
