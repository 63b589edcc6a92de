from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from lungscan_monai.cli import app
from lungscan_monai.data.datalist import Case, Datalist


def run(*arguments):
    return CliRunner().invoke(app, ["data", "report", *map(str, arguments)])


@pytest.fixture
def datalist(tmp_path):
    random = np.random.default_rng(0)
    cases = []
    (tmp_path / "images").mkdir()
    for index in range(12):
        Image.fromarray(random.integers(0, 255, (20, 20), dtype=np.uint8)).save(tmp_path / "images" / f"{index}.png")
        cases.append(Case(f"{index}.png", index % 2, f"p{index}"))
    sections = {"training": cases[:6], "validation": cases[6:8], "test": cases[8:]}
    Datalist("d", "binary", ("A", "B"), tmp_path / "images", sections).save(tmp_path / "datalist.json")
    return tmp_path / "datalist.json"


def test_it_writes_the_page_and_says_where_it_is(datalist, tmp_path):
    result = run(datalist, "--output", tmp_path / "out" / "page.html")
    assert result.exit_code == 0, result.stderr
    assert "<h1>Data report: d</h1>" in (tmp_path / "out" / "page.html").read_text(encoding="utf-8")
    assert "page.html" in result.stderr and "images: 12 in" in result.stderr
    assert result.stdout == ""


def test_json_holds_the_numbers_and_the_page_may_be_without_pictures(datalist, tmp_path):
    result = run(datalist, "--output", tmp_path / "page.html", "--no-pictures", "--seed", 2, "--json")
    found = json.loads(result.stdout)
    assert (found["page"], found["cases"], found["seed"]) == (str(tmp_path / "page.html"), 12, 2)
    assert "<img" not in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_an_unreadable_image_ends_with_3_after_the_page_is_written(datalist, tmp_path):
    (tmp_path / "images" / "3.png").write_bytes(b"no picture")
    result = run(datalist, "--output", tmp_path / "page.html", "--json")
    assert result.exit_code == 3
    assert [row["case"] for row in json.loads(result.stdout)["unreadable"]] == ["3.png"]
    assert "Note: 1 of 12 images cannot be read" in result.stderr
    assert "3.png" in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_moved_images_are_found(datalist, tmp_path):
    (tmp_path / "images").rename(tmp_path / "moved")
    assert run(datalist, "--output", tmp_path / "page.html").exit_code == 3
    assert run(datalist, "--output", tmp_path / "page.html", "--dataset-dir", tmp_path / "moved").exit_code == 0


def test_a_datalist_that_is_not_there_is_a_wrong_command_line_and_a_broken_one_ends_with_5(tmp_path):
    assert run(tmp_path / "absent.json").exit_code == 2
    (tmp_path / "broken.json").write_text("{}", encoding="utf-8")
    assert run(tmp_path / "broken.json", "--output", tmp_path / "page.html").exit_code == 5
    assert not (tmp_path / "page.html").exists()


def test_a_page_that_cannot_be_written_ends_with_8_before_anything_is_read(datalist, tmp_path):
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    result = run(datalist, "--output", tmp_path / "file" / "page.html")
    assert result.exit_code == 8
    assert "images:" not in result.stderr
