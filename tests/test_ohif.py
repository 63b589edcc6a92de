"""What people see: the OHIF viewer beside Orthanc, in a browser without a window, shows the picture and the words."""

from __future__ import annotations

import io
import json
import runpy
import shutil
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np
import pytest
from orthanc import Orthanc, eventually
from PIL import Image
from small_bundle import small_bundle

from lungscan_monai.data.phantoms.generate import generate_phantoms
from lungscan_monai.inference.opening import open_model, reading
from lungscan_monai.inference.studies import analyse, identity_of
from lungscan_monai.results.making import make_results, write_results

ROOT = Path(__file__).resolve().parents[1]
SCRIPT = ROOT / "scripts" / "ohif.py"
BROWSER = shutil.which("chromium")
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
IN_SOFTWARE = ["--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]


@contextmanager
def serving(files: Path, archive: str) -> Iterator[str]:
    server = runpy.run_path(str(SCRIPT))["server"](files, archive)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture
def files(tmp_path: Path) -> Path:
    (tmp_path / "viewer").mkdir()
    (tmp_path / "viewer" / "index.html").write_text("the viewer")
    (tmp_path / "secret").write_text("secret")
    return tmp_path / "viewer"


def fetched(url: str) -> tuple[int, bytes, dict]:
    try:
        with closing(urllib.request.urlopen(url, timeout=30)) as answer:
            return answer.status, answer.read(), dict(answer.headers)
    except urllib.error.HTTPError as error:
        return error.code, error.read(), dict(error.headers)


def test_no_file_beyond_the_viewers_is_given_and_no_other_host_may_be_asked(files):
    with serving(files, "http://127.0.0.1:9/dicom-web") as url:
        for path in ("/", "/viewer?StudyInstanceUIDs=1.2", "/../secret", "/%2e%2e/secret"):
            status, body, headers = fetched(url + path)
            assert (status, body) == (200, b"the viewer")
            assert headers["Content-Security-Policy"].startswith("default-src 'self'")


def test_the_archive_is_reached_through_the_script(files, orthanc):
    with serving(files, orthanc.web) as url:
        status, body, _ = fetched(f"{url}/dicom-web/studies")
    assert (status, json.loads(body)) == (200, [])


def test_an_archive_that_is_away_is_said_so(files):
    with serving(files, "http://127.0.0.1:9/dicom-web") as url:
        assert fetched(f"{url}/dicom-web/studies")[0] == 502


def store_results(orthanc: Orthanc, folder: Path) -> str:
    """Put a simulated radiograph and the results of a small model into Orthanc; return the study."""
    generate_phantoms("pneumonia_cxr", folder / "phantoms", count=6, size=256, formats=("png", "dicom"))
    path = sorted((folder / "phantoms" / "dicom").iterdir())[0]
    bundle = small_bundle(folder)
    model = open_model(bundle, "torch", "float32", 1, check_inputs=False, explains=True)
    with reading(bundle, model, 1) as read:
        (analysed,) = analyse(model, read, [path])
    results = make_results(analysed, identity_of(model))
    for one in [path, *write_results(results, folder / "results")]:
        orthanc.put(one)
    return results[0].StudyInstanceUID


@pytest.mark.slow
@pytest.mark.skipif(BROWSER is None, reason="Chromium is not installed: bash scripts/system-packages.sh")
@pytest.mark.skipif(shutil.which("npm") is None, reason="npm is not installed")
def test_the_picture_and_the_words_are_seen_and_no_other_host_is_asked(tmp_path, orthanc):
    playwright = pytest.importorskip("playwright.sync_api")
    names = runpy.run_path(str(SCRIPT))
    try:
        viewer = names["viewer"](names["cache_folder"]())
    except SystemExit as error:
        pytest.skip(str(error))
    study, hosts = store_results(orthanc, tmp_path), set()
    with serving(viewer, orthanc.web) as url, playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=BROWSER, args=[*QUIET, *IN_SOFTWARE])
        page = browser.new_page(viewport={"width": 1300, "height": 800})
        page.on("request", lambda request: hosts.add(request.url.split("/")[2]))
        page.goto(f"{url}/viewer?StudyInstanceUIDs={study}")
        page.get_by_text("LungScan MONAI: heatmap").first.dblclick(timeout=120_000)
        eventually(lambda: colourful(page.screenshot()), 120, "that the heatmap is seen")
        page.get_by_text("S:902").first.dblclick(timeout=60_000)
        page.get_by_text("Diagnostic imaging report").first.wait_for(timeout=60_000)
        words = page.inner_text("body")
        browser.close()
    assert "Pneumonia: " in words and " %" in words and "Not for diagnosis" in words
    assert {host for host in hosts if host} == {url.removeprefix("http://")}


def colourful(screenshot: bytes) -> bool:
    """Tell whether the middle of the viewer has colours that no radiograph and no menu of the viewer has."""
    picture = np.asarray(Image.open(io.BytesIO(screenshot)).convert("RGB")).astype(int)[120:550, 300:1200]
    return bool(((picture[..., 0] - picture[..., 2]) > 40).sum() > 500)
