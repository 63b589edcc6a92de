from __future__ import annotations

import io
import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from lungscan_monai.data.datalist import Case, Datalist
from lungscan_monai.data_report.rendering import render_page, shown_cases
from lungscan_monai.data_report.report import build_data_report
from lungscan_monai.data_report.thumbnails import LONGEST_SIDE, thumbnails
from lungscan_monai.data_report.writing import write_data_report

EVIL = "<script>alert(1)</script>"


class Reader(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.found, self.text, self.open = [], "", []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))
        if tag not in ("meta", "img", "br", "rect", "path", "line"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data

    def all(self, tag):
        return [attributes for name, attributes in self.found if name == tag]


@pytest.fixture
def dataset(tmp_path):
    """A set with evil names, a copy over two sections, a near duplicate, a shortcut, a damaged and a blank picture."""
    random = np.random.default_rng(0)
    cases = []
    for index in range(40):
        pixels = random.integers(0, 255, (30, 60), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{index}.png")
        cases.append(Case(f"{index}.png", index % 2, f"SECRET-{index}", facts={"source": ("a", EVIL)[index % 2]}))
    Image.fromarray(np.zeros((9, 9), np.uint8)).save(tmp_path / "blank.png")
    (tmp_path / "bad.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    first = Image.open(tmp_path / "0.png")
    first.save(tmp_path / "copy.png")
    first.point(lambda value: value // 2 + 50).save(tmp_path / "near.png")
    others = [Case("blank.png", 0, id=f"{EVIL} blank"), Case("bad.png", 0, id=f"{EVIL} bad")]
    copies = [Case("copy.png", 0, id=f"{EVIL} copy"), Case("near.png", 1, id=f"{EVIL} near")]
    sections = {"training": cases + others, "test": copies, "validation": []}
    labels = (f"Normal {EVIL}", "Ill")
    return Datalist(f"set {EVIL}", "binary", labels, tmp_path, sections, {"method": EVIL})


@pytest.fixture
def report(dataset):
    return build_data_report(dataset)


def test_whatever_the_data_are_called_the_page_runs_its_own_script_only(dataset, report):
    page = render_page(report, thumbnails(dataset, shown_cases(report)))
    read = Reader(page)
    assert len(read.all("script")) == 2
    assert f"{EVIL} copy" in read.text and f"{EVIL} bad" in read.text and f"set {EVIL}" in read.text
    assert not re.search(r"https?:|src=\"(?!data:)|url\(", page)


def test_everything_has_a_heading_a_caption_and_a_text_for_those_who_do_not_see_it(dataset, report):
    read = Reader(render_page(report, thumbnails(dataset, shown_cases(report))))
    anchors = {attributes["id"] for attributes in read.all("section")}
    assert anchors >= {"counts", "facts", "files", "shades", "samples", "identical", "near", "unreadable", "method"}
    assert {attributes["href"][1:] for attributes in read.all("a")} == anchors
    assert len(read.all("caption")) == len(read.all("table"))
    assert all(attributes["alt"] for attributes in read.all("img"))
    assert all("aria-label" in svg or svg.get("aria-hidden") == "true" for svg in read.all("svg"))


def test_the_page_shows_the_numbers_and_holds_them_as_json(report):
    page = render_page(report, {})
    assert json.loads(re.search(r'id="data-report">(.*?)</script>', page, re.DOTALL)[1]) == report
    text = Reader(page).text
    for found in report["findings"]:
        assert found["text"] in text
    assert "No pictures" not in text


def test_no_patient_is_named(dataset, report):
    assert "SECRET" not in render_page(report, thumbnails(dataset, shown_cases(report)))


def test_a_page_without_pictures_has_none_and_names_the_copies(tmp_path, dataset, report):
    write_data_report(tmp_path / "out" / "page.html", report, dataset, pictures=False)
    read = Reader((tmp_path / "out" / "page.html").read_text(encoding="utf-8"))
    assert read.all("img") == []
    assert "Examples" not in read.text
    assert f"{EVIL} near" in read.text


def test_pictures_are_shown_of_both_sides_of_a_pair(dataset, report):
    pair = {image["case"] for image in report["near"]["listed"][0]["images"]}
    assert pair <= set(shown_cases(report))
    assert {f"{EVIL} copy", "0.png"} <= set(shown_cases(report))


def test_two_pages_of_one_set_are_equal(tmp_path, dataset, report):
    for name in ("one.html", "two.html"):
        write_data_report(tmp_path / name, report, dataset)
    assert (tmp_path / "one.html").read_bytes() == (tmp_path / "two.html").read_bytes()


def test_a_small_picture_keeps_its_shape_and_its_shades(dataset):
    (found,) = thumbnails(dataset, ["3.png"]).values()
    assert (found.width, found.height) == (LONGEST_SIDE, LONGEST_SIDE // 2)
    with Image.open(io.BytesIO(found.data)) as picture, Image.open(dataset.base_dir / "3.png") as original:
        assert picture.size == (found.width, found.height)
        assert abs(np.asarray(picture).mean() - np.asarray(original).mean()) < 2


def test_a_small_picture_may_be_coloured_and_very_thin(tmp_path):
    Image.fromarray(np.full((2000, 3, 3), (255, 0, 0), np.uint8)).save(tmp_path / "a.png")
    cases = [Case("a.png", 0), Case("b.png", 1)]
    datalist = Datalist("d", "binary", ("A", "B"), tmp_path, {"training": cases})
    (found,) = thumbnails(datalist, ["a.png"]).values()
    assert (found.width, found.height) == (1, LONGEST_SIDE)


def test_a_clean_set_says_so(tmp_path):
    random = np.random.default_rng(1)
    sections = {}
    for section in ("training", "validation", "test"):
        for label in range(2):
            Image.fromarray(random.integers(0, 255, (30, 30), dtype=np.uint8)).save(tmp_path / f"{section}{label}.png")
        sections[section] = [Case(f"{section}{label}.png", label, f"{section}{label}") for label in range(2)]
    report = build_data_report(Datalist("d", "binary", ("A", "B"), tmp_path, sections))
    text = Reader(render_page(report, {})).text
    assert "Nothing found." in text
    assert "No two pictures are equal" in text and "No two pictures are near duplicates" in text


def test_many_findings_are_rows_not_columns(tmp_path):
    random = np.random.default_rng(2)
    labels = tuple(f"finding {index}" for index in range(9))
    cases = []
    for index in range(30):
        Image.fromarray(random.integers(0, 255, (20, 20), dtype=np.uint8)).save(tmp_path / f"{index}.png")
        cases.append(Case(f"{index}.png", tuple(int(index % 9 == k) for k in range(9)), facts={"sex": "MF"[index % 2]}))
    report = build_data_report(Datalist("d", "multilabel", labels, tmp_path, {"training": cases}))
    page = render_page(report, {})
    head = re.search(r"Cases by sex.*?<thead>(.*?)</thead>", page, re.DOTALL)[1]
    assert re.findall(r">([^<]+)</th>", head) == ["sex", "F", "M"]
