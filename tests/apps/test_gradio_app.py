"""The demonstration page in a real browser, and its API as programs use it."""

from __future__ import annotations

import os
import time
from pathlib import Path

import httpx
import pytest
from browsing import axe_script, chromium, free_port, serious_findings, tab_to, upload_by_keyboard, watched_page
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from small_bundle import small_bundle, write_image, write_png

from lungscan_monai.apps.gradio_app import running
from lungscan_monai.errors import OutputError

pytestmark = pytest.mark.slow

TOKEN = "a-token-for-tests-0123456789"
FILES = "#files input[type=file]"
LEFT = "AbortError"  # Gradio ends its own stream with it when a page is left


@pytest.fixture(scope="module")
def roots(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bundles")
    return [small_bundle(folder), small_bundle(folder, "kidney_ct_classification")]


@pytest.fixture(scope="module")
def uploads(tmp_path_factory):
    """Where files go that are uploaded."""
    return tmp_path_factory.mktemp("temporary")


@pytest.fixture(scope="module")
def address(roots, uploads):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tempfile.tempdir", str(uploads))
        port = free_port()
        with running(roots, "127.0.0.1", port, None):
            yield f"http://127.0.0.1:{port}"
        assert list(uploads.glob("lungscan-upload-*")) == []


@pytest.fixture(scope="module")
def browser():
    with chromium() as opened:
        yield opened


@pytest.fixture
def watched(browser, address):
    with watched_page(browser) as opened:
        opened.page.goto(address)
        opened.page.wait_for_selector("#notice .ls-warning")
        yield opened
        assert opened.hosts <= {"127.0.0.1", ""}
        assert [one for one in opened.complaints if not one.startswith(LEFT)] == []


@pytest.fixture
def good(tmp_path) -> Path:
    return write_png(tmp_path / "good.png", 2)


@pytest.fixture
def bad(tmp_path) -> Path:
    path = tmp_path / "<img src=x onerror=alert(1)>{{7*7}}.png"
    path.write_text("<svg onload=alert(1)>", encoding="utf-8")
    return path


def files_in(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and path.name != "lock"]


def wait_until(condition, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.05)


def test_good_and_bad_files_are_answered_and_explained(watched, good, bad, make_dicom, tmp_path, uploads):
    page = watched.page
    dicom = write_image(tmp_path / "chest.dcm", make_dicom, 5, PatientName="DOE^JANE")
    page.set_input_files(FILES, [str(good), str(bad), str(dicom)])
    page.wait_for_selector("#heatmap img")
    text = page.inner_text("#answers")
    assert "good.png" in text and "chest.dcm" in text and "(unknown-format)" in text
    assert "<img src=x onerror=alert(1)>{{7*7}}.png" in text and "JANE" not in text
    assert page.locator("#answers .ls-bars").count() == 3 and page.locator("#answers img").count() == 0
    before = page.get_attribute("#heatmap img", "src")
    page.fill("#opacity input[type=number]", "90")
    wait_until(lambda: page.get_attribute("#heatmap img", "src") != before)
    page.locator("#label input").click()
    page.locator("[role=option]", has_text="Normal").click()
    wait_until(lambda: "Normal" in page.get_attribute("#heatmap img", "alt"))
    assert files_in(uploads)
    before_leaving = watched.complaints.copy()
    page.goto("about:blank")
    wait_until(lambda: files_in(uploads) == [])
    watched.complaints[:] = before_leaving  # what was under way is given up aloud


def test_the_keyboard_is_enough(watched, good):
    page = watched.page
    upload_by_keyboard(page, page.locator("#files button").first, good)
    page.wait_for_selector("#heatmap img")
    before = page.get_attribute("#heatmap img", "src")
    tab_to(page, page.locator("#opacity input[type=range]"))
    page.keyboard.press("ArrowRight")
    wait_until(lambda: page.get_attribute("#heatmap img", "src") != before)


def test_axe_finds_nothing_serious(watched, good, bad, tmp_path, address):
    page, script = watched.page, axe_script(tmp_path)
    found = []
    for theme in ("dark", "light"):
        page.goto(f"{address}/?__theme={theme}")
        page.wait_for_selector("#notice .ls-warning")
        page.set_input_files(FILES, [str(good), str(bad)])
        page.wait_for_selector("#heatmap img")
        found += serious_findings(page, script)
    assert found == []


def test_the_page_speaks_indonesian(watched, good):
    page = watched.page
    page.set_input_files(FILES, str(good))
    page.wait_for_selector("#heatmap img")
    page.get_by_label("Bahasa Indonesia").click()
    page.wait_for_selector("text=Bukan untuk diagnosis")
    page.wait_for_selector("#answers >> text=terjawab")
    page.wait_for_selector("text=Tugas dan model")


def test_it_is_dark_unless_light_is_chosen(watched, address):
    watched.page.wait_for_selector("body.dark")
    watched.page.goto(f"{address}/?__theme=light")
    watched.page.wait_for_selector("#notice .ls-warning")
    assert "dark" not in (watched.page.get_attribute("body", "class") or "")


def test_two_pages_keep_their_files_apart(browser, address, tmp_path, good):
    other = write_png(tmp_path / "other.png", 7)
    with watched_page(browser) as first, watched_page(browser) as second:
        for watched, path in ((first, good), (second, other)):
            watched.page.goto(address)
            watched.page.wait_for_selector("#notice .ls-warning")
            watched.page.set_input_files(FILES, str(path))
        for watched, path in ((first, good), (second, other)):
            watched.page.wait_for_selector("#heatmap img")
            assert path.name in watched.page.inner_text("#answers")
        assert "other.png" not in first.page.inner_text("#answers")


def test_programs_get_answers_as_data(address, good, bad, uploads):
    client = Client(address, verbose=False, analytics_enabled=False)
    found = client.predict(
        [handle_file(good), handle_file(bad)], "pneumonia_cxr_classification", "en", api_name="/predict"
    )
    assert [one["case"] for one in found][0] == "good.png" and [one["state"] for one in found] == [
        "decided",
        "unreadable",
    ]
    assert (
        set(found[0]["probabilities"]) == {"Normal", "Pneumonia"}
        and "Not for diagnosis" in found[0]["not_for_diagnosis"]
    )
    wait_until(lambda: files_in(uploads) == [])


@pytest.mark.parametrize(
    "path", ["http://127.0.0.1:9/x.png", "https://example.org/x.png", "file:///etc/passwd", "/etc/passwd"]
)
def test_nothing_is_fetched_for_a_program(address, path, monkeypatch):
    def never(*args, **kwargs):
        raise AssertionError("something is fetched")

    monkeypatch.setattr("gradio.processing_utils.async_ssrf_protected_download", never)
    data = [[{"path": path, "meta": {"_type": "gradio.FileData"}}], "pneumonia_cxr_classification", "en"]
    event = httpx.post(f"{address}/gradio_api/call/predict", json={"data": data}).json()["event_id"]
    told = httpx.get(f"{address}/gradio_api/call/predict/{event}", timeout=60).text
    assert told.startswith("event: error") and "root:" not in told


def test_files_of_the_machine_are_not_given_out(address):
    for path in ("/etc/passwd", "../../etc/passwd", str(Path(__file__))):
        assert httpx.get(f"{address}/gradio_api/file={path}").status_code in (403, 404)


def test_a_model_that_is_not_served_is_refused(address, good):
    client = Client(address, verbose=False, analytics_enabled=False)
    with pytest.raises((AppError, ValueError)):
        client.predict([handle_file(good)], "../../etc", "en", api_name="/predict")


def test_only_those_with_the_token_are_let_in(roots, good, browser):
    before = dict(os.environ)
    port = free_port()
    with running(roots[:1], "127.0.0.1", port, TOKEN):
        url = f"http://127.0.0.1:{port}"
        for page in ("/config", "/gradio_api/info", "/gradio_api/file=x"):
            assert httpx.get(url + page).status_code == 401
        assert httpx.post(f"{url}/gradio_api/call/predict", json={"data": [[], "x", "en"]}).status_code == 401
        assert httpx.post(f"{url}/gradio_api/upload", files={"files": b"x"}).status_code == 401
        assert httpx.post(f"{url}/login", data={"username": "a", "password": TOKEN[:-1]}).status_code == 400
        with watched_page(browser) as watched:
            watched.page.goto(url)
            watched.page.wait_for_selector("input[type=password]")
            assert watched.hosts <= {"127.0.0.1", ""}
        client = Client(url, auth=("anybody", TOKEN), verbose=False, analytics_enabled=False)
        assert client.predict([handle_file(good)], "pneumonia_cxr_classification", "en", api_name="/predict")
        with pytest.raises(OutputError, match="--port"), running(roots[:1], "127.0.0.1", port, None):
            pass
    assert dict(os.environ) == before
