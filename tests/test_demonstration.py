"""The model to look around with: made by one command, marked as what it is, shown in a browser."""

from __future__ import annotations

import json

import pytest
from browsing import chromium, free_port, serving, watched_page

from lungscan_monai.demonstration import DEMONSTRATION, make_demonstration

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("demonstration")


@pytest.fixture(scope="module")
def root(folder):
    return make_demonstration(folder, count=60, epochs=1)


def test_it_is_marked_and_its_card_tells_its_own_numbers(root):
    assert json.loads((root / "configs" / "metadata.json").read_text())[DEMONSTRATION] is True
    performance = (root / "docs" / "README.md").read_text().partition("# Performance")[2].partition("\n# ")[0]
    assert "simulated" in performance
    assert "564 cases" not in performance


def test_a_finished_one_is_left_as_it_is(root, folder):
    before = (root / "models" / "model.pt").stat().st_mtime_ns
    assert make_demonstration(folder) == root
    assert (root / "models" / "model.pt").stat().st_mtime_ns == before


def test_the_app_shows_it_as_a_demonstration(root, folder, tmp_path):
    image = next((folder / "phantoms" / "dicom").glob("*.dcm"))
    server = serving(["app", "--demo", str(folder)], free_port(), tmp_path / "log")
    with server as address, chromium() as browser, watched_page(browser) as watched:
        page = watched.page
        page.goto(address)
        page.get_by_text("trained on simulated radiographs (phantoms) only").wait_for()
        page.set_input_files('[data-testid="stFileUploaderDropzoneInput"]', str(image))
        page.locator(".ls-name", has_text=image.name).wait_for()
        assert watched.complaints == []
