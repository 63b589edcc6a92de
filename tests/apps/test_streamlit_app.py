"""The web app in a real browser, as a person uses it."""

from __future__ import annotations

import csv
import io
import json
import time
import zipfile
from pathlib import Path

import numpy as np
import pydicom
import pytest
from browsing import (
    SECONDS,
    axe_script,
    chromium,
    free_port,
    serious_findings,
    serving,
    tab_to,
    upload_by_keyboard,
    watched_page,
)
from small_bundle import BUNDLES, small_bundle, write_image, write_png

from lungscan_monai.evaluation.page import FILE_NAMES, render_page
from lungscan_monai.evaluation.predictions import Predictions
from lungscan_monai.evaluation.report import ReportSettings, build_report
from lungscan_monai.model_files import MODEL_NAME
from lungscan_monai.storage import Manifest, write_json, write_text

pytestmark = pytest.mark.slow

DROP = '[data-testid="stFileUploaderDropzoneInput"]'
CARD = ".ls-card"
NAMED = ".ls-name, .ls-table th"
RESTING_MILLISECONDS = 400
AT_REST = """least => {
  const app = document.querySelector('[data-testid="stApp"]');
  const isBusy = app?.dataset.testScriptState !== "notRunning" || document.querySelector('[data-stale="true"]');
  window.restingSince = isBusy ? undefined : window.restingSince ?? performance.now();
  return window.restingSince !== undefined && performance.now() - window.restingSince >= least;
}"""


def evaluated_bundle(folder: Path) -> Path:
    """Return a bundle with a model and an evaluation of sixty made-up answers."""
    root = small_bundle(folder)
    rng = np.random.default_rng(0)
    y_true = np.tile([0, 1], 60)
    positive = np.clip(rng.normal(0.35 + 0.3 * y_true, 0.15), 0.01, 0.99)
    names = tuple(f"case{index}" for index in range(120))
    sections = ("validation",) * 60 + ("test",) * 60
    facts = {"model_sha256": Manifest(root / "models").entries()[MODEL_NAME]["sha256"]}
    predictions = Predictions(
        names, names, sections, y_true, np.stack([1 - positive, positive], 1), ("Normal", "Pneumonia"), "binary", facts
    )
    report = build_report(predictions, ReportSettings(n_resamples=100), facts=facts)
    predictions.save(root / "eval")
    write_json(root / "eval" / "report.json", report)
    for language, name in FILE_NAMES.items():
        write_text(root / "eval" / name, render_page(report, language))
    return root


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    folder = tmp_path_factory.mktemp("served")
    bundles = [str(evaluated_bundle(folder)), str(BUNDLES / "kidney_ct_classification")]
    with serving(["app", *bundles], free_port(), folder / "log") as found:
        yield found


@pytest.fixture(scope="module")
def browser():
    with chromium() as opened:
        yield opened


@pytest.fixture
def watched(browser, address):
    with watched_page(browser) as opened:
        opened.page.goto(address)
        opened.page.wait_for_selector(DROP, state="attached")
        yield opened
        assert opened.hosts <= {"127.0.0.1", ""}
        assert opened.complaints == []


@pytest.fixture
def files(tmp_path, make_dicom) -> dict[str, Path]:
    bad = tmp_path / "bad <img src=x onerror=alert(1)>.dcm"
    bad.write_text("no picture")
    forged = tmp_path / "forged.png"
    forged.write_text("<script>alert(1)</script>")
    return {
        "png": write_png(tmp_path / "one.png", 3),
        "dicom": write_image(tmp_path / "chest.dcm", make_dicom, 5, PatientName="DOE^JANE", PatientID="P-17"),
        "bad": bad,
        "forged": forged,
    }


def drop(page, *paths: Path) -> None:
    settle(page)
    page.set_input_files(DROP, [str(path) for path in paths])
    page.wait_for_selector(CARD)
    for path in paths:
        page.locator(NAMED).filter(has_text=path.name).first.wait_for()
    settle(page)


def settle(page) -> None:
    """Wait until the script has run, and does not run again at once."""
    page.evaluate("() => { window.restingSince = undefined; }")
    page.wait_for_function(AT_REST, arg=RESTING_MILLISECONDS, polling=50)


def choose(page, label: str, option: str) -> None:
    """Choose in a select box; a click that came while the page was drawn anew is made again."""
    from playwright.sync_api import TimeoutError as NotInTime

    settle(page)
    deadline = time.monotonic() + SECONDS
    while True:
        page.get_by_role("combobox", name=label).click()
        try:
            page.get_by_role("option", name=option).first.click(timeout=5000)
            break
        except NotInTime:
            assert time.monotonic() < deadline, f"{label}: no option {option} within {SECONDS} s"
            page.keyboard.press("Escape")
    settle(page)


def test_good_and_bad_files_are_answered_each_by_itself(watched, files):
    page = watched.page
    drop(page, *files.values())
    rows = page.locator(".ls-table tbody tr").all_inner_texts()
    assert len(rows) == 4
    assert sum("not readable" in row for row in rows) == 2
    assert page.locator(".ls-table img").count() == 0
    assert "bad <img src=x onerror=alert(1)>.dcm" in page.locator(".ls-table").inner_text()
    assert "JANE" not in page.content()
    page.get_by_text("Not for diagnosis").first.wait_for()


def test_the_decision_is_explained_beside_its_picture(watched, files):
    page = watched.page
    drop(page, files["dicom"])
    before = page.get_by_role("img", name="The image of the case").get_attribute("src")
    page.get_by_text("Explain the AI decision").click()
    page.get_by_text("Bright places spoke for").wait_for()
    settle(page)
    overlaid = page.get_by_role("img", name="Heatmap of").get_attribute("src")
    choose(page, "Label to explain", "Pneumonia")
    page.get_by_text("Bright places spoke for Pneumonia").wait_for()
    page.get_by_text("Side by side").click()
    settle(page)
    assert page.get_by_role("img", name="The image of the case").count() == 1
    assert overlaid != before


def test_inverting_changes_the_picture_and_no_answer(watched, files):
    page = watched.page
    drop(page, files["dicom"])
    picture = page.get_by_role("img", name="The image of the case")
    before, said = picture.get_attribute("src"), page.locator(CARD).inner_text()
    page.get_by_text("Invert", exact=True).click()
    page.wait_for_function("old => document.querySelector('img[alt^=\"The image\"]').src.indexOf(old) < 0", arg=before)
    assert page.locator(CARD).inner_text() == said


def test_what_is_kept_says_what_the_page_says(watched, files):
    page = watched.page
    drop(page, files["png"], files["dicom"])
    kept = {}
    for name in ("PDF of this case", "JSON of this case", "CSV of all cases"):
        with page.expect_download() as download:
            page.get_by_role("button", name=name).click()
        kept[name[:3]] = Path(download.value.path()).read_bytes()
    answer = json.loads(kept["JSO"])
    assert kept["PDF"].startswith(b"%PDF-")
    assert answer["label"] in page.locator(CARD).inner_text()
    assert sum(answer["probabilities"].values()) == pytest.approx(1)
    assert [row["case"] for row in csv.DictReader(io.StringIO(kept["CSV"].decode()))] == ["one.png", "chest.dcm"]


def test_dicom_results_of_a_dicom_file_point_to_it(watched, files):
    page = watched.page
    drop(page, files["dicom"])
    with page.expect_download() as download:
        page.get_by_role("button", name="DICOM results").click()
    with zipfile.ZipFile(download.value.path()) as archive:
        results = [pydicom.dcmread(io.BytesIO(archive.read(name))) for name in archive.namelist()]
    source = pydicom.dcmread(files["dicom"])
    assert {str(result.Modality) for result in results} >= {"SR", "OT"}
    assert {str(result.PatientID) for result in results} == {"P-17"}
    assert {result.StudyInstanceUID for result in results} == {source.StudyInstanceUID}
    assert all(source.SOPInstanceUID in result.to_json() for result in results)


def test_a_threshold_moves_along_the_validation_curve(watched):
    page = watched.page
    page.get_by_role("tab", name="Thresholds").click()
    slider = page.get_by_role("slider", name="Threshold")
    slider.wait_for()
    settle(page)
    metrics = page.locator('[data-testid="stMetricValue"]')
    metrics.first.wait_for()
    before = metrics.all_inner_texts()
    for _ in range(5):
        slider.press("PageUp")
    page.wait_for_function(
        "old => document.querySelector('[data-testid=\"stMetricValue\"]').innerText !== old", arg=before[0]
    )
    page.get_by_text("30 with Pneumonia, 30 without").wait_for()


def test_the_page_speaks_indonesian(watched, files):
    page = watched.page
    choose(page, "Language", "Bahasa Indonesia")
    page.get_by_text("Bukan untuk diagnosis").first.wait_for()
    page.get_by_text("Pneumonia pada radiograf toraks frontal").first.wait_for()
    drop(page, files["bad"])
    text = page.locator(CARD).inner_text()
    assert "Berkas ini tidak dapat dibaca" in text
    assert "Alasan" in text


def test_a_change_of_language_keeps_what_was_dropped_and_chosen(watched, files):
    page = watched.page
    drop(page, files["png"], files["dicom"])
    choose(page, "Case", "chest.dcm")
    page.get_by_text("Invert", exact=True).click()
    page.get_by_text("Explain the AI decision").click()
    page.get_by_text("Bright places spoke for").wait_for()
    settle(page)
    label = page.get_by_role("combobox", name="Label to explain")
    other = {"Normal": "Pneumonia", "Pneumonia": "Normal"}[label.input_value()]
    choose(page, "Label to explain", other)
    choose(page, "Method", "HiResCAM")
    page.get_by_text("Side by side").click()
    settle(page)
    choose(page, "Language", "Bahasa Indonesia")
    page.get_by_text("Bukan untuk diagnosis").first.wait_for()
    settle(page)
    assert len(page.locator(".ls-table tbody tr").all()) == 2
    assert "chest.dcm" in page.locator(CARD).inner_text()
    assert page.get_by_role("combobox", name="Kasus").input_value() == "2. chest.dcm"
    assert page.get_by_role("combobox", name="Label yang dijelaskan").input_value() == other
    assert page.get_by_role("combobox", name="Metode").input_value() == "HiResCAM"
    assert page.get_by_role("checkbox", name="Balikkan").is_checked()
    assert page.get_by_role("switch", name="Berdampingan").is_checked()


def test_a_change_of_language_keeps_view_and_threshold(watched):
    page = watched.page
    page.get_by_role("tab", name="Thresholds").click()
    page.get_by_role("spinbutton", name="Prevalence").fill("25")
    page.get_by_role("spinbutton", name="Prevalence").press("Enter")
    settle(page)
    slider = page.get_by_role("slider", name="Threshold")
    before = slider.input_value()
    slider.press("PageUp")
    settle(page)
    moved = slider.input_value()
    assert moved != before
    choose(page, "Language", "Bahasa Indonesia")
    assert page.get_by_role("slider", name="Ambang").input_value() == moved
    assert float(page.get_by_role("spinbutton", name="Prevalensi").input_value()) == 25


def test_two_people_do_not_see_each_others_cases(watched, browser, address, files):
    drop(watched.page, files["png"])
    with watched_page(browser) as other:
        other.page.goto(address)
        other.page.wait_for_selector(DROP, state="attached")
        drop(other.page, files["dicom"])
        assert "chest.dcm" in other.page.locator(CARD).inner_text()
    assert "one.png" in watched.page.locator(CARD).inner_text()


def test_a_refresh_in_the_middle_begins_anew(watched, files):
    page = watched.page
    page.set_input_files(DROP, [str(files["png"])])
    page.reload()
    page.wait_for_selector(DROP, state="attached")
    drop(page, files["dicom"])
    assert "chest.dcm" in page.locator(CARD).inner_text()


def test_a_task_without_a_model_says_what_makes_one(watched):
    page = watched.page
    choose(page, "Task and model", "kidney_ct_classification")
    page.get_by_text("lungscan train kidney_ct_classification").first.wait_for()
    page.get_by_text("lungscan app --demo").first.wait_for()


def test_the_keyboard_is_enough(watched, files):
    page = watched.page
    settle(page)
    upload_by_keyboard(page, page.locator('[data-testid="stFileUploaderDropzone"] button'), files["png"])
    page.wait_for_selector(CARD)
    settle(page)
    tab_to(page, page.get_by_role("switch", name="Explain the AI decision"))
    page.keyboard.press("Space")
    page.get_by_text("Bright places spoke for").wait_for()
    settle(page)
    with page.expect_download() as download:
        tab_to(page, page.get_by_role("button", name="JSON of this case"))
        page.keyboard.press("Enter")
    assert json.loads(Path(download.value.path()).read_bytes())["case"] == "one.png"


def test_axe_finds_nothing_serious(watched, files, tmp_path):
    page, script = watched.page, axe_script(tmp_path)
    drop(page, files["png"], files["bad"])
    page.get_by_text("Explain the AI decision").click()
    page.get_by_text("Bright places spoke for").wait_for()
    settle(page)
    found = serious_findings(page, script)
    for name in ("Thresholds", "The model", "How it works"):
        page.get_by_role("tab", name=name).click()
        settle(page)
        found += serious_findings(page, script)
    assert found == []
